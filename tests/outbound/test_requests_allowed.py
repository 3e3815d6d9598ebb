"""Which requests a secret may ride: patterns, the table of what fits them, and what overrides a method or a path."""

from __future__ import annotations

import base64
from typing import Any, Final, cast

import pytest

from app.calls.definition import BodyType, Pair, WrittenCall
from app.calls.template import parse_call, resolve
from app.kernel.errors import RequestNotAllowed, StrongroomError, ValidationFailed
from app.outbound.model import AllowedRequest, Call
from app.outbound.requests_allowed import (
    as_json,
    from_json,
    normalise_requests,
    parse_line,
    request_line,
    require_request,
    widens,
    write_line,
)


def allowed(*requests: tuple[str | None, str | None]) -> tuple[AllowedRequest, ...]:
    """Return patterns, each written as ``"GET POST", "/path"``."""
    written = [AllowedRequest(tuple(methods.split()) if methods else None, path) for methods, path in requests]
    normal = normalise_requests(written)
    assert normal is not None
    return normal


def call_to(
    port: int, target: str, method: str = "GET", *, variables: dict[str, str] | None = None, **more: Any
) -> Call:
    headers = (Pair("Authorization", "Bearer {{secrets.TOKEN}}"), *more.pop("headers", ()))
    written = WrittenCall(method, f"http://127.0.0.1:{port}{target}", headers, **more)
    return resolve(parse_call(written), variables or {})


# Patterns, what each takes, and what it doesn't. A target stands as it is written in a URL.
TARGETS: Final[dict[str, tuple[str, str]]] = {
    "/api/tickets": (
        "/api/tickets /api/tickets?page=2 /api/tickets? /api/ticket%73 /%61pi/tickets /api/tickets?x=/../y"
        " /api/tickets?a=%2e%2e",
        "/api/tickets/ /api /api/ / /api/tickets/1 /API/tickets /api/Tickets //api/tickets /api//tickets /api/tickets;x"
        " /api/tickets%2F /api/tickets%2f1 /api/tickets%3F /api/tickets%00 /api/tickets%20 /api/./tickets"
        " /api/../api/tickets /x/%2e%2e/api/tickets /api/%2E/tickets /api%2Ftickets /api/tickets/. /api/tickets/..",
    ),
    "/api/tickets/*": (
        "/api/tickets/1 /api/tickets/a-b_c~d.json /api/tickets/%41 /api/tickets/%20 /api/tickets/... /api/tickets/.a"
        " /api/tickets/1?x=%2F /api/tickets/%C3%A9 /api/tickets/a;b /api/tickets/%25 /api/tickets/a%3Fb",
        "/api/tickets /api/tickets/ /api/tickets/1/ /api/tickets/1/comments /api/tickets//1 /api/tickets/1%2Fcomments"
        " /api/tickets/1%2fcomments /api/tickets/1%5Ccomments /api/tickets/1%252Fcomments /api/tickets/1%25252fcomments"
        " /api/tickets/1%255Cx /api/tickets/. /api/tickets/.. /api/tickets/%2e%2e /api/tickets/.%2e"
        " /api/tickets/%252e%252e"
        " /api/tickets/..%2F /api/tickets/..;x /api/tickets/%2e%2e%3Bx /api/tickets/..%5C /api/tickets/..%00"
        " /api/tickets/..%20 /api/tickets/%09.. /Api/tickets/1",
    ),
    "/api/*/comments": (
        "/api/1/comments /api/a.b/comments /api/%2a/comments /api/*/comments",
        "/api//comments /api/1/2/comments /api/1/comments/ /api/1/Comments /api/1%2F2/comments /api/../comments"
        " /api/%2e%2e/comments /api/1;/../x/comments /api/.;/comments",
    ),
    "/files/*.json": (
        "/files/a.json /files/a%2Ejson /files/..json /files/x.y.json",
        "/files/.json /files/a.json/ /files/a.jsonx /files/a%2Fb.json /files/a.JSON /files/ajson",
    ),
    "/a/**": (
        "/a/ /a/b /a/b/ /a/b/c/d /a// /a//b /a/%2F /a/b%2Fc /a/;x /a/b;c=d /a/*",
        "/a /A/ /ab /a%2Fb /a/.. /a/../b /a/b/../c /a/%2e%2e/b /a/%2E%2E%2Fb /a/b/%252e%252e/c /a/.%2e/ /a/./b /a/..;/b"
        " /a/b%5C..%5Cc /a/%25252e%25252e/ /a/..%2f..%2fb /a/b/..%3bx/c //a/ /;/a/ /b/a/",
    ),
    "/**": (
        "/ /a /a/b // /a?x=.. /%2F",
        "/.. /a/.. /%2e%2e /a/%2e /./a /a/%2e%2e;x /..%5Cb",
    ),
    "/": ("/ /?x=1", "/a // /. /%2F /;"),
    "/caf%c3%a9/*": ("/caf%C3%A9/1 /caf%c3%a9/1", "/cafe/1 /caf%C3%89/1"),
    "/v1/users/*/keys/*": (
        "/v1/users/7/keys/8 /v1/users/a@b.c/keys/x /v1/users/7/keys/8?y=1 /v1/users/%37/keys/8",
        "/v1/users/7/keys /v1/users/7/keys/ /v1/users/7/8/keys/9 /v1/users//keys/8 /v1/users/7/keys/8/9"
        " /v1/users/7%2F/keys/8 /v1/users/7/keys/%2e%2e /v1/users/../users/7/keys/8 /V1/users/7/keys/8",
    ),
    "/a%2Fb": ("/a%2Fb /a%2fb", "/a/b /a%252Fb"),
}  # fmt: skip
PAIRS: Final = [
    (pattern, target, fits)
    for pattern, both in TARGETS.items()
    for fits, targets in zip((True, False), both, strict=True)
    for target in targets.split()
]


def test_the_table_is_long_enough() -> None:
    assert len(PAIRS) >= 150
    assert len(set(PAIRS)) == len(PAIRS)


@pytest.mark.parametrize(("pattern", "target", "fits"), PAIRS)
def test_a_target_fits_a_pattern_or_does_not(pattern: str, target: str, fits: bool) -> None:
    line = request_line(call_to(9, target))
    if fits:
        require_request("TOKEN", allowed((None, pattern)), line)
    else:
        with pytest.raises(RequestNotAllowed):
            require_request("TOKEN", allowed((None, pattern)), line)


FORM: Final[dict[str, Any]] = {"method": "POST", "body_type": "form"}
METHOD_TABLE: Final[list[tuple[dict[str, Any], bool]]] = [
    ({"method": "GET"}, True),
    ({"method": "POST"}, True),
    ({"method": "HEAD"}, False),
    ({"method": "DELETE"}, False),
    ({"method": "PATCH"}, False),
    ({"method": "OPTIONS"}, False),
    *(
        ({"method": "POST", "headers": (Pair(name, "DELETE"),)}, False)
        for name in (
            "X-HTTP-Method-Override", "x-http-method-override", "X_HTTP_Method_Override", "X-HTTP-Method",
            "X-Method-Override", "X-Method", "Method-Override",
        )
    ),
    ({"method": "POST", "headers": (Pair("X-Method-Of-Payment", "card"),)}, True),
    *(
        ({"method": "POST", "query": (Pair(name, value),)}, fits)
        for name, value, fits in (
            ("_method", "DELETE", False), ("_METHOD", "x", False), ("method", "delete", False),
            ("method", "card", True),
            ("x-http-method-override", "PUT", False), ("$httpMethod", "PUT", False), ("page", "1", True),
        )
    ),
    *(
        ({"method": "POST", "target": f"/x?{query}"}, fits)
        for query, fits in (
            ("_method=DELETE", False), ("a=1&_method=PUT", False), ("%5Fmethod=PUT", False), ("a=1;_method=PUT", False),
            ("_method", False), ("a=_method", True), ("+_method=PUT", False),
        )
    ),
    (FORM | {"content": (Pair("_method", "DELETE"),)}, False),
    (FORM | {"content": (Pair("X-HTTP-Method-Override", "DELETE"),)}, False),
    (FORM | {"content": (Pair("subject", "_method"),)}, True),
    ({"method": "POST", "body_type": "json", "content": {"_method": "DELETE"}}, False),
    ({"method": "POST", "body_type": "json", "content": {"inner": {"_method": "DELETE"}}}, True),
    (
        {
            "method": "POST", "body_type": "text", "content": "a=1&_method=DELETE",
            "headers": (Pair("Content-Type", "application/x-www-form-urlencoded"),),
        },
        False,
    ),
    ({"method": "POST", "body_type": "text", "content": "a=1&_method=DELETE"}, True),
    *(
        (
            {"method": "POST", "body_type": kind, "content": content, "headers": (Pair("Content-Type", media_type),)},
            fits,
        )
        for kind, content, media_type, fits in (
            ("text", '{"_method": "DELETE"}', "application/json", False),
            ("text", '{"method": "DELETE"}', "application/vnd.api+json", False),
            ("text", '{"\\u005fmethod": "DELETE"}', "application/json", False),
            ("text", '{"subject": "a method"}', "application/json", True),
            ("text", '--b\r\nContent-Disposition: form-data; name="_method"\r\n\r\nPUT\r\n--b--',
             "multipart/form-data; boundary=b", False),
            ("text", '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--',
             "multipart/form-data; boundary=b", True),
            ("text", "a=1&%5fmethod=DELETE", "application/x-www-form-urlencoded", False),
        )
    ),
    (
        {"method": "POST", "body_type": "base64", "content": base64.b64encode(b"a=1&_method=PUT").decode(),
         "content_type": "application/x-www-form-urlencoded"},
        False,
    ),
    (
        {"method": "POST", "body_type": "base64", "content": base64.b64encode(b"a=1&_method=PUT").decode(),
         "content_type": "image/png"},
        True,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "fits"), METHOD_TABLE, ids=str)
def test_where_methods_are_named_nothing_overrides_them(asked: dict[str, Any], fits: bool) -> None:
    more = dict(asked)
    line = request_line(call_to(9, more.pop("target", "/x"), more.pop("method"), **more))
    requests = allowed(("GET POST", "/x"))
    if fits:
        require_request("TOKEN", requests, line)
    else:
        with pytest.raises(RequestNotAllowed):
            require_request("TOKEN", requests, line)
        if asked["method"] in ("GET", "POST"):  # where no methods are named, any may be used, by whatever means
            require_request("TOKEN", allowed((None, "/x")), line)


@pytest.mark.parametrize("name", ["X-Original-URL", "X-Rewrite-URL", "x_original_uri", "X-Override-URL"])
def test_where_paths_are_named_no_header_leads_to_another(name: str) -> None:
    line = request_line(call_to(9, "/x", headers=(Pair(name, "/admin"),)))
    with pytest.raises(RequestNotAllowed) as refused:
        require_request("TOKEN", allowed((None, "/x")), line)
    assert refused.value.extra["reason"] == "path_overridden"
    require_request("TOKEN", allowed(("GET", None)), line)


def test_an_entry_is_taken_as_a_whole() -> None:
    requests = allowed(("GET", "/a"), ("POST", "/b"), ("PUT", None))
    for method, path, reason in (
        ("GET", "/a", None), ("POST", "/b", None), ("PUT", "/c", None), ("POST", "/a", "method_not_allowed"),
        ("GET", "/b", "method_not_allowed"),
    ):  # fmt: skip
        line = request_line(call_to(9, path, method))
        if reason is None:
            require_request("TOKEN", requests, line)
        else:
            with pytest.raises(RequestNotAllowed) as refused:
                require_request("TOKEN", requests, line)
            assert refused.value.extra == {"secret": "TOKEN", "reason": reason}


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("1", True),
        ("a b", True),
        ("1/comments", False),
        ("1\\x", False),
        ("..", False),
        ("%2e%2e", False),
        ("a?b", True),
    ],
)
def test_a_variable_leads_nowhere_else(given: str, fits: bool) -> None:
    requests = allowed((None, "/tickets/*"))
    try:
        require_request("TOKEN", requests, request_line(call_to(9, "/tickets/{{id}}", variables={"id": given})))
        sent = True
    except StrongroomError:
        sent = False
    assert sent is fits


@pytest.mark.parametrize(
    "wrong",
    [
        AllowedRequest(path="https://api.example.com/a"), AllowedRequest(path="a/b"), AllowedRequest(path=""),
        AllowedRequest(path="/a?x=1"), AllowedRequest(path="/a#b"), AllowedRequest(path="/a/../b"),
        AllowedRequest(path="/a/%2e%2E/b"), AllowedRequest(path="/a/%252e/b"), AllowedRequest(path="/."),
        AllowedRequest(path="/a\\b"), AllowedRequest(path="/a b"), AllowedRequest(path="/a\nb"),
        AllowedRequest(path="/**/a"), AllowedRequest(path="/a**"), AllowedRequest(path="/***"),
        AllowedRequest(path="/" + "a" * 2048), AllowedRequest(methods=()), AllowedRequest(methods=("get",)),
        AllowedRequest(methods=("GET", "TRACE")), AllowedRequest(methods=("*",)),
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused_in_a_clear_line(wrong: AllowedRequest) -> None:
    with pytest.raises(ValidationFailed) as refused:
        normalise_requests([AllowedRequest(path="/fine"), wrong])
    (where,) = list(refused.value.errors or {})
    assert str(where).startswith("/allowed_requests/1/")


def test_the_list_is_neither_empty_nor_endless() -> None:
    for wrong in ([], [AllowedRequest(path=f"/{number}") for number in range(201)]):
        with pytest.raises(ValidationFailed):
            normalise_requests(wrong)
    assert normalise_requests(None) is None


def test_patterns_have_one_form() -> None:
    requests = allowed(("POST GET GET", "/%7Ea/%c3%a9"), ("GET POST", "/~a/é"), (None, "/b"))
    assert requests == (AllowedRequest(None, "/b"), AllowedRequest(("GET", "POST"), "/~a/%C3%A9"))
    assert from_json(as_json(requests)) == requests


def test_people_write_a_pattern_on_a_line() -> None:
    for text, request in (
        ("GET,HEAD /api/**", AllowedRequest(("GET", "HEAD"), "/api/**")),
        ("/api/**", AllowedRequest(None, "/api/**")),
        ("GET", AllowedRequest(("GET",), None)),
        ("  POST   /a ", AllowedRequest(("POST",), "/a")),
    ):
        assert parse_line(text) == request
        assert parse_line(write_line(request)) == request


def test_leaving_out_is_all_that_widens_nothing() -> None:
    both = allowed(("GET POST", "/a"), (None, "/b"))
    assert not widens(both, both)
    assert not widens(both, None)  # where any request was allowed, nothing is wider
    for narrower in (allowed(("GET", "/a")), allowed(("GET", "/b")), allowed(("GET POST", "/a"), ("GET", "/b"))):
        assert not widens(narrower, both)
    for wider in (
        None, allowed((None, "/a")), allowed(("PUT", "/a")), allowed(("GET", "/c")), allowed(("GET", None)),
        allowed(("GET", "/a"), ("GET", "/a/**")),
    ):  # fmt: skip
        assert widens(wider, both)


def test_the_types_of_bodies_are_all_known() -> None:
    """A body of a new type has to say what of it overrides a method."""
    assert {"none", "json", "form", "text", "multipart"} <= set(cast(Any, BodyType).__args__)
