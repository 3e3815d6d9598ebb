"""Where in a call a secret may be put: what is a place, which headers hold no secret, and what a list allows."""

from __future__ import annotations

import pytest

from app.kernel.errors import PlaceNotAllowed, ValidationFailed, in_body
from app.outbound.places import (
    can_be_set,
    fold_header,
    header_place,
    is_token,
    may_hold_secret,
    normalise_places,
    place_allowed,
    require_place,
)

NEVER = ["Host", "content-length", "Transfer_Encoding", "Connection", "TE", "Expect", "Upgrade", "Via", "Forwarded"]
NEVER += [
    "Proxy-Authorization",
    "X-Forwarded-For",
    "x_forwarded_host",
    "Accept-Encoding",
    "Range",
    "If-Range",
    "Trailer",
]
NO_SECRET = [
    "User-Agent",
    "Referer",
    "Origin",
    "X-Request-Id",
    "traceparent",
    "If-None-Match",
    "Accept",
    "Accept-Language",
]
NO_SECRET += ["Content-Type", "content_language"]
SECRET = ["Authorization", "X-Api-Key", "Cookie", "Api_Key", "x-forward", "proxyauth", "X-Accept", "Iffy"]


def test_one_spelling_of_a_header_is_compared() -> None:
    assert fold_header("X_API-Key") == "x-api-key"
    assert header_place("X-Api-Key") == "header:X-Api-Key"


@pytest.mark.parametrize("name", ["X-A", "a", "!#$%&'*+-.^_`|~09Az", "x" * 256])
def test_a_token_may_be_a_header_s_name(name: str) -> None:
    assert is_token(name)


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X-Ä", "X\n", "(a)", "a@b", "x" * 257])
def test_nothing_else_may(name: str) -> None:
    assert not is_token(name)


def test_a_call_sets_no_header_that_is_the_connection_s() -> None:
    assert not [name for name in NEVER if can_be_set(name)]
    assert [name for name in (*SECRET, *NO_SECRET) if not can_be_set(name)] == []


def test_a_header_that_lands_in_logs_holds_no_secret() -> None:
    assert not [name for name in (*NEVER, *NO_SECRET) if may_hold_secret(name)]
    assert [name for name in SECRET if not may_hold_secret(name)] == []


@pytest.mark.parametrize(
    ("allowed", "place"),
    [
        (["query"], "query"),
        (["basic", "path"], "path"),
        (["header"], "header:X-Api-Key"),
        (["body", "header:x-api-KEY"], "header:X-Api-Key"),
    ],
)
def test_a_place_on_the_list_is_allowed(allowed: list[str], place: str) -> None:
    assert place_allowed(allowed, place)


@pytest.mark.parametrize(
    ("allowed", "place"),
    [
        ([], "query"),
        (["query"], "path"),
        (["header"], "query"),
        (["header"], "basic"),
        (["header"], "header:User-Agent"),
        (["header:User-Agent"], "header:User-Agent"),
        (["header:X-A"], "header:X_A"),
        (["header:X-A"], "header:X-AB"),
        (["X-A"], "header:X-A"),
    ],
)
def test_no_other_is(allowed: list[str], place: str) -> None:
    assert not place_allowed(allowed, place)


def test_a_refusal_names_secret_field_and_place() -> None:
    field = in_body("call", "query", 0, "value", label="query key")
    require_place("TOKEN", ["query"], place="query", field=field)
    with pytest.raises(PlaceNotAllowed) as caught:
        require_place("TOKEN", ["body"], place="query", field=field)
    assert str(caught.value) == "The secret TOKEN may not be put in query key."
    assert caught.value.extra == {
        "secret": "TOKEN",
        "field": "/call/query/0/value",
        "label": "query key",
        "place": "query",
    }


def test_places_are_listed_once_and_in_the_order_of_a_call() -> None:
    texts = ["body", "header:X-B", "path", "header:x-a", "basic", "query", "header", "HEADER:X-B".lower(), "body"]
    assert normalise_places(texts, named_headers_only=False) == (
        "header",
        "header:x-a",
        "header:X-B",
        "basic",
        "query",
        "path",
        "body",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Body", "'Body' isn't a place: write header:NAME, header, basic, query, path or body."),
        ("header:", "'header:' isn't a place: write header:NAME, header, basic, query, path or body."),
        ("header:X A", "'header:X A' isn't a place: write header:NAME, header, basic, query, path or body."),
        ("header:Host", "No secret may ever be put in the header Host."),
        ("header:Accept", "No secret may ever be put in the header Accept."),
    ],
)
def test_what_is_no_place_is_refused_where_it_stands(text: str, sentence: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        normalise_places(["query", text], named_headers_only=False)
    assert {str(where): list(told) for where, told in (caught.value.errors or {}).items()} == {
        "/allowed_places/1": [sentence]
    }


def test_a_restricted_secret_names_its_headers() -> None:
    assert normalise_places(["header:X-A"], named_headers_only=True) == ("header:X-A",)
    with pytest.raises(ValidationFailed, match="names its headers"):
        normalise_places(["header"], named_headers_only=True)


def test_there_is_one_place_at_least() -> None:
    with pytest.raises(ValidationFailed, match="at least one place"):
        normalise_places([], named_headers_only=False)
