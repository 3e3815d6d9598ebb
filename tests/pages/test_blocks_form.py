"""A block as a form and back, faults beside their controls, and what an answer shows. No browser."""

from __future__ import annotations

import pytest

from app.calls.definition import Pair, WrittenCall, WrittenPart
from app.calls.schemas import CallBody
from app.calls.service import CheckVerdict, CompletedCall, Preview
from app.calls.template import parse_call
from app.kernel.errors import (
    MissingVariable,
    RedirectRefused,
    StrongroomError,
    UnknownSecret,
    ValidationFailed,
    in_body,
)
from app.outbound.model import Response
from app.pages.call_form import LISTS, CallForm, as_call, control_of, empty_form, faulty, form_of, form_sent
from app.pages.forms import read
from app.pages.responses import outgoing, part_at_markers, refusal_of, show_call

URL = "https://api.example.com/v2/tickets/{{id}}?a={{secrets.KEY}}"
PAIRS = (Pair("Authorization", "Bearer {{secrets.TOKEN}}"), Pair("X-Empty", ""))
CALLS = {
    "least": WrittenCall("GET", "https://api.example.com/"),
    "headers and query": WrittenCall("DELETE", URL, headers=PAIRS, query=(Pair("q", " a\nb "), Pair("q", "again"))),
    "basic": WrittenCall("GET", URL, basic=("me", "{{secrets.PW}}"), timeout_seconds=2.5),
    "aws4": WrittenCall("GET", URL, aws4="AWS_KEY"),
    "json": WrittenCall("POST", URL, body_type="json", content={"a": [1, 1.5, True, None, "{{x}}", "ä\U0001f600"]}),
    "json text": WrittenCall("POST", URL, body_type="json", content="only text"),
    "form": WrittenCall("POST", URL, body_type="form", content=PAIRS),
    "text": WrittenCall("POST", URL, body_type="text", content="line\n  {{x}}\n"),
    "xml": WrittenCall("POST", URL, body_type="xml", content="<a>{{x}}</a>"),
    "bytes": WrittenCall("POST", URL, body_type="base64", content="AAEC", content_type="application/zip"),
    "typed variables": WrittenCall("GET", URL, variables=(("n", 42), ("list", [1, None, {"a": True}]), ("text", "42"))),
    "a bytes part": WrittenCall(
        "POST", URL, body_type="multipart", content=(WrittenPart("f", "AAEC", filename="f.zip", encoding="base64"),)
    ),
    "multipart": WrittenCall(
        "POST", URL, body_type="multipart",
        content=(WrittenPart("a", "b"), WrittenPart("f", "{{x}}\n", filename="f.txt", content_type="text/plain")),
    ),
    "captures and variables": WrittenCall(
        "GET", URL, captures=(("id", "$.ticket.id"),), variables=(("id", "42"), ("empty", ""))
    ),
}  # fmt: skip


def sent(form: CallForm) -> dict[str, str]:
    """What a browser sends of a form."""
    cells = {
        f"{name}-{number}-{cell}": text
        for name, rows in form.rows.items()
        for number, row in enumerate(rows)
        for cell, text in row.items()
    }
    return {**form.texts, **cells, **{f"test-{name}": text for name, text in form.tests.items()}}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_comes_back_from_its_form_as_it_was(name: str) -> None:
    call = CALLS[name]
    form = form_of(call, name="x", title="X", answer="full", revision=3)
    assert read(CallBody(), as_call(form_sent(sent(form)))) == call


def test_rows_left_empty_are_no_rows_and_the_others_are_numbered_anew() -> None:
    form = form_sent(
        {"headers-7-name": "B", "headers-7-value": "", "headers-2-name": "A", "headers-3-name": "", "headers-x": "no",
         "headers-1-colour": "red", "nothing-1-name": "x"}
    )  # fmt: skip
    assert form.rows == {"headers": [{"name": "A"}, {"name": "B", "value": ""}]}


def test_a_json_number_that_a_page_could_change_stays() -> None:
    call = WrittenCall("POST", URL, body_type="json", content={"big": 2**63, "float": 1e300})
    assert as_call(form_of(call, name="x", title="", answer="full"))["body"] == {
        "type": "json",
        "content": call.content,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": }', "line 1, character 7"),
        ("", "line 1"),
        ('{"a": 1, "a": 2}', "The name a stands twice"),
        ("[NaN]", "NaN isn't JSON"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "too many digits"),
    ],
)
def test_a_body_that_is_no_json_is_told_beside_it(text: str, told: str) -> None:
    form = form_sent({"body_type": "json", "json": text, "url": URL})
    with pytest.raises(ValidationFailed) as caught:
        as_call(form)
    assert told in faulty(form, caught.value).faults("json")[0]


def test_half_a_surrogate_pair_in_json_can_still_be_shown() -> None:
    call = WrittenCall("POST", URL, body_type="json", content="\ud800")
    form_of(call, name="x", title="", answer="full")["json"].encode()


def _refusal(form: CallForm) -> CallForm:
    try:
        parse_call(read(CallBody(), as_call(form)))
    except StrongroomError as error:
        return faulty(form, error)
    raise AssertionError("it was taken")


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({"url": ""}, "url"),
        ({"url": "https://x.example/{{secrets.A}}/{{secrets.B}}"}, "url"),
        ({"url": "https://x.example/?a={{"}, "url"),
        ({"method": "BREW"}, "method"),
        ({"timeout_seconds": "soon"}, "timeout_seconds"),
        ({"timeout_seconds": "301"}, "timeout_seconds"),
        ({"headers-5-name": "A", "headers-5-value": "{{secrets.A}}{{secrets.B}}"}, "headers-0-value"),
        ({"headers-0-name": "", "headers-0-value": "x"}, "headers-0-name"),
        ({"headers-0-name": "Host", "headers-0-value": "x"}, "headers-0-name"),
        ({"headers-0-name": "X-A", "headers-1-name": "x_a", "headers-1-value": "x"}, "headers-1-name"),
        ({"headers-0-name": "X-A", "headers-1-name": "no name"}, "headers-1-name"),
        ({"query-0-name": "q", "query-0-value": "{{!}}"}, "query-0-value"),
        ({"auth": "basic", "username": "{{"}, "username"),
        ({"auth": "basic", "password": "{{secrets.A}}{{secrets.A}}"}, "password"),
        ({"body_type": "json", "json": '{"a": {"b": "{{"}}'}, "json"),
        ({"body_type": "text", "text": "{{secrets.A}}{{secrets.B}}"}, "text"),
        ({"body_type": "form", "form-0-name": "a b", "form-0-value": "{{"}, "form-0-value"),
        ({"body_type": "form", "form-0-value": "nameless"}, "form-0-name"),
        ({"body_type": "multipart", "parts-3-name": "a", "parts-3-value": "{{"}, "parts-0-value"),
        ({"captures-0-name": "id", "captures-0-path": "ticket.id"}, "captures-0-path"),
        ({"variables-0-name": "a", "variables-1-name": "a"}, "variables-1-name"),
    ],
)  # fmt: skip
def test_a_fault_stands_beside_the_control_that_it_is_about(fields: dict[str, str], control: str) -> None:
    form = form_sent({"url": "https://x.example/", "method": "GET", "body_type": "none", "auth": "none"} | fields)
    told = _refusal(form)
    assert list(told.errors) == [control]
    assert told.faults(control)
    assert told.problem is None  # one message for one fault


def test_what_is_about_no_control_is_told_above_and_what_is_about_a_test_value_beside_it() -> None:
    form = form_sent({})
    told = faulty(form, ValidationFailed("No.", errors={in_body("elsewhere"): ["Is wrong."]}))
    assert (told.problem, told.errors) == ("No. elsewhere: Is wrong.", {})
    assert faulty(form, MissingVariable("No id.", errors={in_body("variables", "id"): ["Has no value."]})).faults(
        "test-id"
    )
    assert control_of(in_body("call", "headers", 0, "name"), form) == "headers-0-name"


def test_an_empty_form_has_a_header_to_fill_in_and_sends_none() -> None:
    assert as_call(form_sent(sent(empty_form())))["headers"] == []
    assert set(LISTS) >= set(empty_form().rows)


# --- answers ----------------------------------------------------------------------------------------------------------


def reply(body: bytes, media_type: str = "application/json", redactions: int = 0) -> Response:
    headers = (("Content-Type", media_type), ("X-Echo", "[redacted:KEY]"))
    return Response(200, headers, body, media_type, None, redactions, 31.4, 10, len(body), ())


def test_only_the_markers_of_secrets_that_were_used_are_marked() -> None:
    text = "a [redacted:KEY] b [redacted:OTHER] [secret:KEY]"
    assert part_at_markers(text, ["KEY"]) == [
        ("a ", None), ("[redacted:KEY]", "KEY"), (" b [redacted:OTHER] ", None), ("[secret:KEY]", "KEY"),
    ]  # fmt: skip


def test_an_answer_is_told_in_numbers_and_its_json_is_indented() -> None:
    ran = CompletedCall(
        "c1", reply(b'{"a":{"b":"[redacted:KEY]"}}', redactions=2), {"b": "[redacted:KEY]", "none": None}
    )
    told = show_call(ran, ["KEY"])
    assert told.said == "Answered 200 in 31 ms. Redacted: 2 places (KEY)."
    assert "".join(text for text, _ in told.body) == '{\n  "a": {\n    "b": "[redacted:KEY]"\n  }\n}'
    assert [secret for _, secret in told.body if secret] == ["KEY"]
    assert told.captures == [("b", [("[redacted:KEY]", "KEY")]), ("none", None)]


@pytest.mark.parametrize(
    ("body", "media_type", "note"),
    [
        (b"\x00\xff", "application/octet-stream", "It isn't text, so it isn't shown."),
        (b"", "text/plain", "Empty."),
        (b"x" * 50_000, "text/plain", "The first 40,000 of 50,000 characters."),
        (b"x", "text/plain", None),
    ],
)
def test_an_answer_that_is_no_json_is_shown_as_far_as_it_can_be(body: bytes, media_type: str, note: str | None) -> None:
    assert show_call(CompletedCall("c1", reply(body, media_type), {}), []).note == note


def test_a_preview_says_where_it_may_not_go_and_why() -> None:
    verdict = CheckVerdict(False, "10.0.0.1", 443, (), "address_not_public")
    told = outgoing(Preview("GET", "https://10.0.0.1/?a=[secret:KEY]", (), None, verdict), ["KEY"])
    assert told.said == "Preview. It may not go to 10.0.0.1, port 443: its address isn't public."
    assert [secret for _, secret in told.url if secret] == ["KEY"]


def test_a_refusal_says_whose_turn_it_is_and_leads_to_the_fields() -> None:
    form = form_sent({"headers-0-name": "X-A", "headers-0-value": "{{secrets.GONE}}"})
    told = refusal_of(
        UnknownSecret(
            "No GONE.", errors={in_body("call", "headers", 0, "value", label="header X-A"): ["No usable secret GONE."]}
        ),
        form,
    )
    assert told.faults == [("headers-0-value", "header X-A", "No usable secret GONE.")]
    assert "has to change" in told.whose


def test_of_a_call_that_was_sent_nobody_says_that_nothing_was() -> None:
    refused = RedirectRefused("it leads to another host", reason="host_not_allowed", status=302, sent_bytes=7)
    told = refusal_of(refused, empty_form())
    assert told.sentence.startswith("The call was sent")
    assert "Nothing was sent" not in f"{told.said} {told.whose}"
