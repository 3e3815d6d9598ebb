from __future__ import annotations

import pytest

from app.kernel.errors import AllowedHostsTooWide, ValidationFailed, in_body
from app.outbound.hosts import (
    HostPattern,
    has_wildcard,
    host_in,
    is_canonical,
    matches,
    normalise_patterns,
    owner_label,
    parse_pattern,
)
from app.outbound.model import Origin


def https(host: str, port: int = 443) -> Origin:
    return Origin("https", host, port)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("*", "*"),
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("api.example.com:8443", "api.example.com:8443"),
        ("localhost", "localhost"),
        ("localhost:9443", "localhost:9443"),
        ("*.example.com", "*.example.com"),
        ("*.Example.com:8443", "*.example.com:8443"),
        ("*.acme.github.io", "*.acme.github.io"),
        ("*.city.kobe.jp", "*.city.kobe.jp"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:9443", "127.0.0.1:9443"),
        ("[::1]", "[::1]"),
        ("[::1]:9443", "[::1]:9443"),
        ("[2A00::1]:9443", "[2a00::1]:9443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("co.uk", "co.uk"),
        ("_acme.example.com", "_acme.example.com"),
        (" api.example.com ", "api.example.com"),
        ("  api.example.com:8443  ", "api.example.com:8443"),
    ],
)
def test_a_pattern_has_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_pattern(text)) == canonical
    assert parse_pattern(canonical) == parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "right", "slips"),
    [
        ("https://api.example.com/v2", "api.example.com", ["scheme", "path"]),
        ("http://api.example.com", "api.example.com", ["scheme"]),
        ("api.example.com/v2", "api.example.com", ["path"]),
        ("api.example.com?a=b", "api.example.com", ["path"]),
        ("HTTPS://*.example.com:8443/", "*.example.com:8443", ["scheme", "path"]),
        ("https://[::1]:9443/x", "[::1]:9443", ["scheme", "path"]),
        ("me:canary-pw@api.example.com", "api.example.com", ["user"]),
    ],
)
def test_a_url_is_refused_in_words_that_name_the_slip_and_the_right_text(
    text: str, right: str, slips: list[str]
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_pattern(text)
    assert f"Write {right!r}" in caught.value.detail
    assert [slip for slip in ("scheme", "user", "path") if f"no {slip}" in caught.value.detail] == slips
    assert "canary" not in caught.value.detail
    assert host_in(text) == right
    assert str(parse_pattern(right)) == right


@pytest.mark.parametrize("text", ["api.example.com", "*", "*.example.com:1", "[::1]:9443", "localhost:80", "", "a b"])
def test_what_is_no_url_is_left_as_it_is(text: str) -> None:
    assert host_in(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "*.com",
        "*.uk",
        "*.co.uk",
        "*.CO.UK",
        "*.co.uk.",
        "*.co.uk:8443",
        "*.github.io",
        "*.s3.amazonaws.com",
        "*.herokuapp.com",
        "*.blogspot.com",
        "*.kobe.jp",
        "*.internal",
        "*.localhost",
        "*.no-such-top-level-name",
        "*.香港",
        "*.公司.cn",
        "*.xn--55qx5d.cn",
    ],
)
def test_a_wildcard_over_a_public_suffix_is_too_wide(text: str) -> None:
    with pytest.raises(AllowedHostsTooWide) as refusal:
        parse_pattern(text)
    assert refusal.value.errors is not None
    assert in_body("allowed_hosts") in refusal.value.errors


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "..",
        "*.",
        "**",
        "*:443",
        "*.*",
        "*.*.example.com",
        "a.*.example.com",
        "a*.example.com",
        "*example.com",
        "*.127.0.0.1",
        "*.[::1]",
        "*.0x7f.1",
        "https://api.example.com",
        "api.example.com/",
        "api.example.com/v2",
        "api.example.com?x",
        "user@api.example.com",
        "api.example.com:",
        "api.example.com:0",
        "api.example.com:00443",
        "api.example.com:65536",
        "api.example.com:99999999999999999999",
        "api.example.com:https",
        "api.example.com:+443",
        "api.example.com:４４３",
        "api.example.com:443:443",
        "api..example.com",
        ".example.com",
        "api.example.com..",
        "-api.example.com",
        "api-.example.com",
        "api example.com",
        "api.example.com\n",
        "\tapi.example.com",
        "api.example.com\x00",
        "{{host}}",
        "{{host}}.example.com",
        "%61pi.example.com",
        "a" * 64 + ".example.com",
        ".".join(["a" * 60] * 5),
        "::1",
        "::1:9443",
        "[::1",
        "::1]",
        "[]",
        "[127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
        "[::0001]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[v1.fe80::a]",
        "127.1",
        "127.0.0.01",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "2130706433",
        "127.0.0.1.",
        "1.2.3.4.5",
        "256.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "ｅxample.com",
        "①.example.com",
        "☃.example",
        "\ud800.example",
    ],
)
def test_what_is_no_host_pattern_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        parse_pattern(text)
    assert refusal.value.detail.endswith(".")
    assert refusal.value.errors == {in_body("allowed_hosts"): [refusal.value.detail]}


def test_patterns_are_kept_once_each_and_sorted() -> None:
    texts = ["b.example.com", "A.example.com", "a.example.com.", "*", "b.example.com:443"]
    expected = ("*", "a.example.com", "b.example.com", "b.example.com:443")
    assert normalise_patterns(texts, any_host_allowed=True) == expected


def test_any_host_is_too_wide_where_it_is_not_allowed() -> None:
    with pytest.raises(AllowedHostsTooWide):
        normalise_patterns(["api.example.com", "*"], any_host_allowed=False)
    assert normalise_patterns(["*.example.com"], any_host_allowed=False) == ("*.example.com",)


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        ("api.example.com", https("api.example.com")),
        ("api.example.com", Origin("http", "api.example.com", 80)),
        ("api.example.com:8443", https("api.example.com", 8443)),
        ("api.example.com:443", https("api.example.com")),
        ("api.example.com:443", Origin("http", "api.example.com", 443)),
        ("*.example.com", https("api.example.com")),
        ("*.example.com:8443", https("api.example.com", 8443)),
        ("127.0.0.1:9443", https("127.0.0.1", 9443)),
        ("[::1]:9443", https("::1", 9443)),
        ("localhost:9443", https("localhost", 9443)),
        ("bücher.example", https("xn--bcher-kva.example")),
        ("*", https("anything.example", 8443)),
    ],
)
def test_a_pattern_matches_the_origins_it_names(pattern: str, origin: Origin) -> None:
    assert matches(["other.example.com", pattern], origin, any_host=True)


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        ("api.example.com", https("api.example.com", 8443)),
        ("api.example.com", Origin("http", "api.example.com", 443)),
        ("api.example.com", https("xapi.example.com")),
        ("api.example.com", https("api.example.com.evil.example")),
        ("api.example.com", https("example.com")),
        ("api.example.com:8443", https("api.example.com")),
        ("*.example.com", https("example.com")),
        ("*.example.com", https("a.b.example.com")),
        ("*.example.com", https("xexample.com")),
        ("*.example.com", https("api.example.com", 8443)),
        ("*.example.com", https("api.example.com.evil.example")),
        ("127.0.0.1:9443", https("127.0.0.1")),
        ("127.0.0.1:9443", https("localhost", 9443)),
        ("[::1]:9443", https("::1")),
        ("localhost:9443", https("127.0.0.1", 9443)),
    ],
)
def test_a_pattern_matches_nothing_else(pattern: str, origin: Origin) -> None:
    assert not matches([pattern], origin, any_host=True)


def test_any_host_counts_only_where_the_caller_may_use_it() -> None:
    assert matches(["*"], https("api.example.com"), any_host=True)
    assert not matches(["*"], https("api.example.com"), any_host=False)
    assert matches(["*", "api.example.com"], https("api.example.com"), any_host=False)


def test_no_pattern_matches_nothing() -> None:
    assert not matches([], https("api.example.com"), any_host=True)


def test_a_stored_pattern_that_would_be_refused_today_matches_nothing() -> None:
    assert not matches(["*.github.io", "no host"], https("evil.github.io"), any_host=True)


def test_a_pattern_is_a_value() -> None:
    assert parse_pattern("*.example.com:8443") == HostPattern("one_label", "example.com", 8443)


@pytest.mark.parametrize("host", ["example.com", "a.b", "127.0.0.1", "::1", "2a00::1", "x7f.example", "1.2.3.4a"])
def test_a_plain_host_is_canonical(host: str) -> None:
    assert is_canonical(host)


@pytest.mark.parametrize("host", ["127.1", "127.0.0.1.", "0x", "a.0x7f", "::0", "::ffff:1.2.3.4", "%61", "fe80::1%1"])
def test_any_other_form_of_an_address_is_not_canonical(host: str) -> None:
    assert not is_canonical(host)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("*", "api.example.com", True),
        ("*", "*.example.com", True),
        ("*", "*", True),
        ("*.example.com", "*", False),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", "api.example.org", False),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "*.api.example.com", False),
        ("*.example.com", "api.example.com:8443", False),
        ("*.example.com:8443", "api.example.com:8443", True),
        ("*.example.com:8443", "api.example.com", False),
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "*.example.com", False),
        ("api.example.com", "api.example.com:8443", False),
        ("192.0.2.1", "192.0.2.1", True),
    ],
)
def test_a_pattern_covers_another_where_all_its_hosts_are_this_ones(wide: str, narrow: str, covered: bool) -> None:
    assert parse_pattern(wide).covers(parse_pattern(narrow)) is covered


def test_a_wildcard_covers_no_address() -> None:
    assert not HostPattern("one_label", "0.2.1").covers(HostPattern("exact", "192.0.2.1"))


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("api.example.co.uk", "example"),
        ("example.com", "example"),
        ("a.b.example.com", "example"),
        ("localhost", "localhost"),
        ("192.0.2.1", ""),
        ("::1", ""),
        ("co.uk", "co"),
    ],
)
def test_the_label_that_an_owner_registered(host: str, label: str) -> None:
    assert owner_label(host) == label


@pytest.mark.parametrize(
    ("patterns", "found"),
    [([], False), (["a.example.com"], False), (["a.example.com", "*.example.com"], True), (["*"], True)],
)
def test_wildcards_are_seen(patterns: list[str], found: bool) -> None:
    assert has_wildcard(patterns) is found


def test_a_restricted_secret_without_wide_is_told_why_it_needs_it() -> None:
    for host, why in (
        ("*.example.com", "whoever has a name under it could read the value there"),
        ("*.zendesk.com", "anybody can have a name under zendesk.com from its provider"),
    ):
        with pytest.raises(AllowedHostsTooWide) as refused:
            normalise_patterns(["api.example.com", host], any_host_allowed=True, wildcards_allowed=False)
        sentence = f'A restricted secret names its hosts: {host} needs "wide": true, since {why}.'
        assert refused.value.detail == sentence
        assert refused.value.errors == {in_body("allowed_hosts", 1): [sentence]}
    assert normalise_patterns(["b.example.com", "*.example.com"], any_host_allowed=False) == (
        "*.example.com",
        "b.example.com",
    )


def test_any_host_is_refused_at_its_place_in_words() -> None:
    with pytest.raises(AllowedHostsTooWide) as refused:
        normalise_patterns(["api.example.com", "b.example.com", "*"], any_host_allowed=False)
    sentence = "A restricted secret names its hosts: '*' would let it go to anybody's."
    assert refused.value.detail == sentence
    assert refused.value.errors == {in_body("allowed_hosts", 2): [sentence]}


def test_patterns_are_sorted_and_each_stands_once() -> None:
    given = ["B.example.com", "a.example.com", "b.example.com.", " a.example.com "]
    assert normalise_patterns(given, any_host_allowed=True) == ("a.example.com", "b.example.com")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("::1", "An IPv6 address stands in brackets."),
        ("[::1", "Brackets hold an IPv6 address."),
        ("[xyz]", "Brackets hold an IPv6 address."),
        ("192.0.2.01", "Write the host plainly, an address in its shortest usual form."),
        ("*.192.0.2.1", "A wildcard stands before a name, not before an address."),
    ],
)
def test_a_host_that_is_none_is_told_what_is_wrong_with_it(text: str, words: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse_pattern(text, field=in_body("allowed_hosts", 3))
    assert words in refused.value.detail
    (location,) = refused.value.errors or {}
    assert location == in_body("allowed_hosts", 3)
