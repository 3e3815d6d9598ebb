"""What goes out, byte for byte: each value encoded for the place it stands in, and what can't stand there refused."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from email.parser import BytesParser
from typing import Any

import pytest

from app.kernel.errors import FieldLocation, ValueNotAllowedHere, in_body
from app.kernel.secret import SecretValue
from app.outbound.inject import (
    authority,
    base_url,
    from_base64,
    inject,
    keep_escapes,
    preview,
    target_with_marks,
    write_with_marks,
)
from app.outbound.model import (
    Body,
    BytesBody,
    Call,
    Field,
    Filled,
    FormBody,
    JsonBody,
    MultipartBody,
    NoBody,
    Origin,
    Part,
    Prepared,
    Slot,
    Text,
    TextBody,
    XmlBody,
)

ACCEPT = ("Accept", "*/*")
ORIGIN = Origin("https", "api.example.com", 443)
ROOT = Field((Text("/"),))
HERE = in_body("call", "headers", 0, "value")
ODD = 'a b&c=d/e?f%20g+h"<é'


def of(*pieces: str | Slot | Filled, at: FieldLocation = HERE) -> Field:
    return Field(tuple(Text(piece) if isinstance(piece, str) else piece for piece in pieces), at)


def call(**more: Any) -> Call:
    whole: dict[str, Any] = {"method": "GET", "origin": ORIGIN, "path": ROOT} | more
    return Call(**whole)


def write(value: str = ODD, **more: Any) -> Prepared:
    return inject(call(**more), {"T": SecretValue(value)})


def refusal(value: str, **more: Any) -> str:
    """Return the sentence with which a value is refused, having looked for the value in all that tells of it."""
    with pytest.raises(ValueNotAllowedHere) as caught:
        write(value, **more)
    ((where, (sentence,)),) = (caught.value.errors or {}).items()
    assert str(caught.value) == f"{where.label}: {sentence}"
    assert repr(value) not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return sentence


def body_of(body: Body, value: str = ODD) -> bytes:
    return write(value, method="POST", body=body).body or b""


def content_type_of(prepared: Prepared) -> list[str]:
    return [value for name, value in prepared.headers if name.lower() == "content-type"]


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        (Origin("https", "api.example.com", 443), "https://api.example.com"),
        (Origin("http", "api.example.com", 80), "http://api.example.com"),
        (Origin("https", "api.example.com", 80), "https://api.example.com:80"),
        (Origin("http", "api.example.com", 443), "http://api.example.com:443"),
        (Origin("https", "2001:db8::1", 443), "https://[2001:db8::1]"),
        (Origin("https", "2001:db8::1", 8443), "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_names_its_port_where_it_is_not_the_usual_one(origin: Origin, url: str) -> None:
    assert base_url(origin) == url
    assert authority(origin) == url.partition("://")[2]


def test_a_call_without_values_is_its_author_s_text() -> None:
    sent = inject(call(method="DELETE", headers=(("X-A", of(" one ")), ("x-b", of("two")))), {})
    assert sent == Prepared("DELETE", "https://api.example.com/", (("X-A", "one"), ("x-b", "two"), ACCEPT), None)


def test_what_is_prepared_prints_no_value() -> None:
    sent = write(
        "canary-7c1d", path=of("/", Slot("T")), headers=(("X-A", of(Slot("T"))),), body=TextBody(of(Slot("T")))
    )
    assert "canary" in sent.url
    assert "canary" not in repr(sent)


# --- URL


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("/a%2Fb/ü x", "/a%2Fb/%C3%BC%20x"),
        ("/100%", "/100%25"),
        ("/%zz%41", "/%25zz%41"),
        ("/a:b@c!$&'()*+,;=~-._", "/a:b@c!$&'()*+,;=~-._"),
        ('/"<>\\^`{|}#', "/%22%3C%3E%5C%5E%60%7B%7C%7D%23"),
    ],
)
def test_an_author_s_escapes_are_kept(text: str, written: str) -> None:
    assert keep_escapes(text) == written


def test_what_is_filled_into_a_path_is_one_segment() -> None:
    sent = write(path=of("/items/", Slot("T"), "/x"))
    assert sent.url == "https://api.example.com/items/a%20b%26c%3Dd%2Fe%3Ff%2520g%2Bh%22%3C%C3%A9/x"


def test_segments_keep_their_slashes() -> None:
    sent = write(path=of("/browse/", Filled("Build/my file.config", segments=True)))
    assert sent.url == "https://api.example.com/browse/Build/my%20file.config"


@pytest.mark.parametrize("dots", [".", "..", "%2e%2e", "a/..", "..\\a", "a%2f..", "%2E"])
def test_no_value_climbs_in_a_path(dots: str) -> None:
    filled = of("/items/", Filled(dots, segments=True))
    if "%" in dots:  # quoted again: a server reads the text, and no dots
        assert inject(call(path=filled), {}).url.startswith("https://api.example.com/items/")
        return
    with pytest.raises(ValueNotAllowedHere, match="would change the path that was written"):
        inject(call(path=filled), {})


def test_a_secret_does_not_climb_in_a_path() -> None:
    assert refusal("..", path=of("/items/", Slot("T"))) == "The value of T would change the path that was written."


def test_an_author_s_own_dots_stay() -> None:
    assert inject(call(path=of("/a/../b")), {}).url == "https://api.example.com/a/../b"


def test_a_query_holds_what_the_url_has_and_then_the_call_s_own() -> None:
    sent = write(url_query=(of("a=1+2"), of("k=", Slot("T"))), query=(("b c", of("x y")), ("d", of(Slot("T")))))
    value = "a%20b%26c%3Dd%2Fe%3Ff%2520g%2Bh%22%3C%C3%A9"
    assert sent.url == f"https://api.example.com/?a=1+2&k={value}&b%20c=x%20y&d={value}"


# --- headers


def test_a_header_goes_out_as_it_is_without_spaces_around() -> None:
    sent = write("José ✅", headers=(("X-A", of("\t Token ", Slot("T"))),))
    assert sent.headers == (("X-A", "Token José ✅"), ACCEPT)


@pytest.mark.parametrize("value", ["a\r\nX-B: 1", "a\nb", "a\x00b", "a\x7fb", "a\x1fb"])
def test_no_value_begins_a_header_of_its_own(value: str) -> None:
    told = refusal(value, headers=(("X-A", of(Slot("T"))),))
    assert told == "The value of T can't stand in a header: it has a line break or a control character."


def test_a_variable_begins_no_header_either() -> None:
    with pytest.raises(ValueNotAllowedHere, match="What fills it can't stand in a header"):
        inject(call(headers=(("X-A", of(Filled("a\nb"))),)), {})


@pytest.mark.parametrize("value", [" a", "a ", "\ta"])
def test_a_value_that_a_header_would_trim_is_refused(value: str) -> None:
    told = refusal(value, headers=(("X-A", of(Slot("T"))),))
    assert told == "The value of T can't stand in a header: it would lose the spaces at its start or end."


def test_an_author_s_own_spaces_around_a_value_are_dropped() -> None:
    assert write("abc", headers=(("X-A", of(" ", Slot("T"), "\t ")),)).headers[0] == ("X-A", "abc")
    assert refusal(" abc", headers=(("X-A", of(" ", Slot("T"))),)).endswith("spaces at its start or end.")


def test_spaces_inside_a_header_may_be_a_value_s_own() -> None:
    assert write(" a ", headers=(("X-A", of("<", Slot("T"), ">")),)).headers[0] == ("X-A", "< a >")


@pytest.mark.parametrize("name", ["accept", "Accept", "ACCEPT"])
def test_an_accept_of_the_author_s_own_is_the_only_one(name: str) -> None:
    assert inject(call(headers=((name, of("text/csv")),)), {}).headers == ((name, "text/csv"),)


# --- basic auth

PAIR = (of("me"), of(Slot("T"), at=in_body("call", "auth", "password")))


def test_a_value_that_looks_like_a_previews_marker_is_encoded_as_any_other() -> None:
    sent = write("[secret:T]", basic=PAIR)
    assert sent.headers == (("Authorization", "Basic " + b64encode(b"me:[secret:T]").decode()), ACCEPT)


def test_basic_auth_is_utf_8() -> None:
    assert write("pä:ss", basic=PAIR).headers[0] == (
        "Authorization",
        "Basic " + b64encode("me:pä:ss".encode()).decode(),
    )


def test_a_user_has_no_colon() -> None:
    told = refusal("a:b", basic=(of(Slot("T")), of("x")))
    assert told == "The value of T can't be a basic-auth user: it has a colon."


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\x7f"])
def test_basic_auth_has_no_control_characters(value: str) -> None:
    assert refusal(value, basic=PAIR) == "The value of T can't stand in basic auth: it has a control character."


def test_a_preview_shows_where_the_value_goes() -> None:
    assert preview(call(basic=PAIR)).headers == (("Authorization", "Basic me:[secret:T]"), ACCEPT)


def test_a_preview_of_basic_auth_without_a_secret_is_what_goes_out() -> None:
    shown = preview(call(basic=(of("me"), of("pw"))))
    assert shown.headers[0] == ("Authorization", "Basic " + b64encode(b"me:pw").decode())


# --- bodies


def test_json_is_made_anew_around_its_fields() -> None:
    content = {"k": of("Bearer ", Slot("T")), "n": [1, 1.5, None, True, (of(Filled("é")),)], "é": {"deep": of("x")}}
    sent = write('"\\\n', method="POST", body=JsonBody(content))
    assert json.loads(sent.body or b"") == {
        "k": 'Bearer "\\\n',
        "n": [1, 1.5, None, True, ["é"]],
        "é": {"deep": "x"},
    }
    assert "é".encode() in (sent.body or b"")
    assert content_type_of(sent) == ["application/json"]


def test_a_form_is_quoted_with_plus_for_a_space() -> None:
    sent = write(method="POST", body=FormBody((("a b", of(Slot("T"))), ("c", of("1 2")))))
    assert sent.body == b"a+b=a+b%26c%3Dd%2Fe%3Ff%2520g%2Bh%22%3C%C3%A9&c=1+2"
    assert content_type_of(sent) == ["application/x-www-form-urlencoded"]


def test_text_is_sent_raw() -> None:
    sent = write(method="POST", body=TextBody(of("<", Slot("T"), ">")))
    assert sent.body == f"<{ODD}>".encode()
    assert content_type_of(sent) == ["text/plain; charset=utf-8"]


def test_what_fills_xml_is_escaped_and_what_its_author_wrote_is_not() -> None:
    sent = write("p&ss<w>\"o'rd", method="POST", body=XmlBody(of("<p a='&amp;'>", Slot("T"), "</p>", Filled("</n>"))))
    assert sent.body == b"<p a='&amp;'>p&amp;ss&lt;w&gt;&quot;o&apos;rd</p>&lt;/n&gt;"
    assert content_type_of(sent) == ["application/xml; charset=utf-8"]


def test_bytes_are_what_base64_says() -> None:
    sent = write("AP8=", method="POST", body=BytesBody(of(Slot("T"))))
    assert (sent.body, content_type_of(sent)) == (b"\x00\xff", ["application/octet-stream"])
    lines = write("AAEC", method="POST", body=BytesBody(of("\n", Slot("T"), "\r\n AwQF\n"), "image/png"))
    assert (lines.body, content_type_of(lines)) == (bytes(range(6)), ["image/png"])


@pytest.mark.parametrize("value", ["A", "AA*=", "AAA", "AA=A"])
def test_bytes_that_are_no_base64_are_refused(value: str) -> None:
    told = refusal(value, method="POST", body=BytesBody(of(Slot("T"))))
    assert told == "The value of T can't be sent: together it isn't base64."


def test_a_preview_of_bytes_shows_where_the_value_goes() -> None:
    assert preview(call(method="POST", body=BytesBody(of("AA", Slot("T"))))).body == "AA[secret:T]"


def test_a_content_type_of_the_author_s_own_is_the_only_one() -> None:
    sent = write(method="POST", headers=(("content-TYPE", of("application/x-ours")),), body=JsonBody({}))
    assert content_type_of(sent) == ["application/x-ours"]


def test_parts_are_read_as_they_were_written() -> None:
    parts = (
        Part("a", of(Slot("T"))),
        Part('q"\r\n', of("text"), filename='f"\n.txt', content_type="text/csv"),
        Part("b", of("AP8="), filename="x", encoded=True),
    )
    sent = write(method="POST", headers=(("Content-Type", of("multipart/form-data")),), body=MultipartBody(parts))
    (content_type,) = content_type_of(sent)
    message: Any = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + (sent.body or b""))
    read = [
        (part["Content-Disposition"], part["Content-Type"], part.get_payload(decode=True))
        for part in message.get_payload()
    ]
    assert read == [
        ('form-data; name="a"', None, ODD.encode()),
        ('form-data; name="q%22%0D%0A"; filename="f%22%0A.txt"', "text/csv", b"text"),
        ('form-data; name="b"; filename="x"', None, b"\x00\xff"),
    ]
    assert (sent.body or b"").endswith(b"--\r\n")


@pytest.mark.parametrize(
    "more",
    [
        {"path": of("/", Slot("T"))},
        {"query": (("a", of(Slot("T"))),)},
        {"headers": (("X-A", of(Slot("T"))),)},
        {"basic": PAIR},
        {"body": JsonBody([of(Slot("T"))])},
        {"body": FormBody((("a", of(Slot("T"))),))},
        {"body": TextBody(of(Slot("T")))},
        {"body": XmlBody(of(Slot("T")))},
        {"body": BytesBody(of(Slot("T")))},
        {"body": MultipartBody((Part("a", of(Slot("T"))),))},
    ],
)
def test_half_of_a_surrogate_pair_goes_nowhere(more: dict[str, Any]) -> None:
    told = refusal("a\ud800b", **more)
    assert told == "The value of T can't be sent: it has half of a surrogate pair."


def test_a_name_in_json_is_whole_too() -> None:
    with pytest.raises(ValueNotAllowedHere, match="a name has half of a surrogate pair"):
        inject(call(body=JsonBody({"\udfff": 1})), {})


# --- without values


def test_sizes_are_taken_from_a_letter_in_each_place() -> None:
    sized = write_with_marks(
        call(path=of("/", Slot("T")), headers=(("X-A", of(Slot("T"))),), body=TextBody(of(Slot("T"))))
    )
    assert (sized.url, sized.headers[0], sized.body) == ("https://api.example.com/x", ("X-A", "x"), b"x")


def test_a_saved_call_is_written_once_for_all_its_runs_and_a_large_one_is_not_kept() -> None:
    saved = call(headers=(("X-A", of(Slot("T"))),), body=TextBody(of("small")))
    first = write_with_marks(saved)
    other = replace(saved, body=TextBody(of("another")))

    assert write_with_marks(saved) is first
    assert (write_with_marks(other).body, write_with_marks(saved).body) == (b"another", b"small")
    assert inject(saved, {"T": SecretValue("value-of-t")}).headers[0] == ("X-A", "value-of-t")
    assert "value-of-t" not in repr(saved) + repr(write_with_marks(saved)) + str(write_with_marks(saved).headers)

    large = call(body=TextBody(of("x" * 20_000)))
    assert write_with_marks(large) == write_with_marks(large)
    assert write_with_marks(large) is not write_with_marks(large)


def test_a_target_is_judged_without_its_values() -> None:
    assert target_with_marks(call(path=of("/v1/", Slot("T")), query=(("k", of(Slot("T"))),))) == "/v1/x?k=x"


def test_a_preview_is_whole_but_for_its_values() -> None:
    shown = preview(
        call(method="POST", path=of("/", Slot("T")), query=(("k", of(Slot("T"))),), body=JsonBody({"a": of(Slot("T"))}))
    )
    assert (shown.method, shown.url) == ("POST", "https://api.example.com/[secret:T]?k=[secret:T]")
    assert shown.body == '{"a": "[secret:T]"}'
    assert shown.headers == (("Content-Type", "application/json"), ACCEPT)


@pytest.mark.parametrize(("form_encoded", "written"), [(True, "a%3Ab:%2B+x%2F"), (False, "a:b:+ x/")])
def test_basic_credentials_may_be_form_encoded_first_as_oauth_asks(form_encoded: bool, written: str) -> None:
    call = Call(
        method="POST",
        origin=ORIGIN,
        path=ROOT,
        basic=(of(Slot("ID")), of(Slot("KEY"))),
        form_encoded_basic=form_encoded,
    )
    if not form_encoded:
        call = replace(call, basic=(of("name"), of(Slot("KEY"))))
        written = "name:+ x/"
    sent = inject(call, {"ID": SecretValue("a:b"), "KEY": SecretValue("+ x/")})
    assert dict(sent.headers)["Authorization"] == f"Basic {b64encode(written.encode()).decode()}"


def test_a_multipart_body_names_its_own_boundary_whatever_was_given() -> None:
    call = Call(
        method="POST",
        origin=ORIGIN,
        path=ROOT,
        headers=(("content-TYPE", of("multipart/form-data")), ("X-A", of("b"))),
        body=MultipartBody((Part("a", of("b"), None, None),)),
    )
    names = [name for name, _ in inject(call, {}).headers]
    assert names == ["X-A", "Content-Type", "Accept"]


def test_what_is_given_is_not_given_once_more() -> None:
    headers = (("ACCEPT", of("text/csv")), ("content-type", of("text/x")))
    call = Call(method="POST", origin=ORIGIN, path=ROOT, headers=headers, body=TextBody(of("a")))
    assert inject(call, {}).headers == (("ACCEPT", "text/csv"), ("content-type", "text/x"))


def test_a_preview_shows_a_name_in_each_values_place() -> None:
    call = Call(
        method="POST",
        origin=ORIGIN,
        path=ROOT,
        headers=(("X-Key", of("k ", Slot("KEY"))),),
        body=BytesBody(of("/w=="), "application/octet-stream"),
    )
    shown = preview(call)
    assert (shown.method, shown.url) == ("POST", "https://api.example.com/")
    assert dict(shown.headers)["X-Key"] == "k [secret:KEY]"
    assert shown.body == "\ufffd"
    assert preview(replace(call, body=NoBody())).body is None


@pytest.mark.parametrize(("text", "raw"), [("YWI=", b"ab"), ("Y W\nI=", b"ab"), ("", b"")])
def test_base64_may_have_blanks_and_lines(text: str, raw: bytes) -> None:
    assert from_base64(text) == raw


@pytest.mark.parametrize("text", ["Y", "YWI", "Y-I=", "YWI=x", "é"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # binascii's own words
        from_base64(text)


def test_sizes_are_taken_from_the_whole_call_with_a_letter_for_each_value() -> None:
    pair = (of("me"), of(Slot("T")))
    assert write_with_marks(call(method="PUT", basic=pair)) == Prepared(
        "PUT", "https://api.example.com/", (("Authorization", f"Basic {b64encode(b'me:x').decode()}"), ACCEPT), None
    )


def test_only_blanks_are_taken_from_a_header_s_ends() -> None:
    assert ("X-A", "X a X") in preview(call(headers=(("X-A", of("  X a X\t")),))).headers


def test_a_preview_of_basic_auth_fills_variables_in() -> None:
    pair = (of(Filled("me")), of(Filled("it")))
    assert ("Authorization", f"Basic {b64encode(b'me:it').decode()}") in preview(call(basic=pair)).headers
