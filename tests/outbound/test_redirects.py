"""Where a redirect leads, and what of the request goes along."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote

import pytest

from app.kernel.errors import DestinationNotAllowed, UpstreamProtocol
from app.kernel.secret import SecretValue
from app.outbound.model import Origin, Prepared
from app.outbound.redirects import location_of, next_request
from app.redaction.redactor import Redactor

VALUE: Final = "canary-7f3a9c21/d5e84b60"
HOME: Final = Origin("https", "api.example.com", 443)
REDACTOR: Final = Redactor({"TOKEN": SecretValue(VALUE)}, any_case=True)
REQUEST: Final = Prepared(
    "POST",
    "https://api.example.com/v1/items?page=1",
    (
        ("Authorization", "Basic b3RoZXI6b3RoZXI="),
        ("cookie", "a=b"),
        ("X-Key", f"key {VALUE}"),
        ("X-Plain", "hello"),
        ("Content-Type", "text/plain"),
        ("content-language", "en"),
    ),
    b"a plain body",
)


def after(location: str, *, status: int = 307, request: Prepared = REQUEST) -> tuple[Origin, Prepared]:
    return next_request(request, status=status, location=location, home=HOME, redactor=REDACTOR)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_its_location(status: int) -> None:
    assert location_of(status, ["/there"]) == "/there"
    assert location_of(status, ["/there", "/there"]) == "/there"
    assert location_of(status, []) is None


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 399])
def test_other_answers_lead_nowhere(status: int) -> None:
    assert location_of(status, ["/there"]) is None
    assert location_of(status, ["/there", "/elsewhere"]) is None


def test_two_places_at_once_are_refused() -> None:
    with pytest.raises(UpstreamProtocol, match="several places"):
        location_of(302, ["/there", "/elsewhere"])


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/next", "https://api.example.com/next"),
        ("next?a=1", "https://api.example.com/v1/next?a=1"),
        ("?a=1", "https://api.example.com/v1/items?a=1"),
        ("//api.example.com/x#part", "https://api.example.com/x"),
        ("  /blanks  ", "https://api.example.com/blanks"),
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com?a=1", "https://api.example.com/?a=1"),
        ("/caf\xc3\xa9 x", "https://api.example.com/caf%C3%A9%20x"),
        ("/a%2Fb%41", "https://api.example.com/a%2Fb%41"),
        ("HTTPS://API.example.com:443/x", "https://api.example.com/x"),
    ],
)
def test_a_location_is_read_against_the_url_that_answered(location: str, url: str) -> None:
    assert after(location) == (HOME, replace(REQUEST, url=url))


@pytest.mark.parametrize("location", ["https://a:b:c/", "https://a\\b/", "//[::1/x", "https://u:p@a.b/"])
def test_what_is_no_url_is_the_upstreams_fault_and_is_not_quoted(location: str) -> None:
    with pytest.raises(UpstreamProtocol) as refused:
        after(location)
    assert str(refused.value) == "The upstream redirects to something that isn't a URL."


@pytest.mark.parametrize("location", ["ftp://api.example.com/", "javascript://api.example.com/x"])
def test_another_scheme_is_no_destination(location: str) -> None:
    with pytest.raises(DestinationNotAllowed) as refused:
        after(location)
    assert refused.value.extra == {"reason": "scheme_not_allowed"}


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (303, "GET", None),
        (303, "HEAD", None),
        (301, "PUT", None),
        (302, "DELETE", None),
        (307, "POST", None),
        (308, "POST", None),
        (301, "GET", None),
    ],
)
def test_methods_and_bodies_follow_the_fetch_standard(status: int, method: str, becomes: str | None) -> None:
    request = replace(REQUEST, method=method)
    _, onward = after("/next", status=status, request=request)
    if becomes is None:
        assert onward == replace(request, url="https://api.example.com/next")
    else:
        assert (onward.method, onward.body) == (becomes, None)
        assert [name for name, _ in onward.headers] == ["Authorization", "cookie", "X-Key", "X-Plain"]


@pytest.mark.parametrize(
    "location",
    [
        "https://other.example.com/x",
        "https://api.example.com:8443/x",
        "http://api.example.com/x",
        "//other.example.com/x",
    ],
)
def test_another_origin_gets_no_header_of_this_one_and_none_with_a_value(location: str) -> None:
    origin, onward = after(location)
    assert origin != HOME
    assert onward.url.startswith(f"{origin.scheme}://")
    assert onward.headers == (("X-Plain", "hello"), ("Content-Type", "text/plain"), ("content-language", "en"))
    assert onward.body == REQUEST.body


@pytest.mark.parametrize("body", [VALUE.encode(), quote(VALUE, safe="").encode(), f'{{"a": "{VALUE}"}}'.encode()])
def test_a_body_with_a_value_goes_to_no_other_origin(body: bytes) -> None:
    request = replace(REQUEST, body=body)
    assert after("/next", request=request)[1].body == body
    with pytest.raises(DestinationNotAllowed, match="body with a secret") as refused:
        after("https://other.example.com/", request=request)
    assert refused.value.extra == {"reason": "redirect_carries_secret"}


@pytest.mark.parametrize(
    "written", [VALUE, VALUE.upper(), quote(VALUE, safe=""), quote(quote(VALUE, safe=""), safe="")]
)
def test_a_url_with_a_value_leads_to_no_other_origin_whatever_its_case(written: str) -> None:
    assert after(f"/next?t={written}")[0] == HOME
    for place in (f"https://other.example.com/?t={written}", f"https://other.example.com/{written}"):
        with pytest.raises(DestinationNotAllowed, match="secret in the URL") as refused:
            after(place)
        assert refused.value.extra == {"reason": "redirect_carries_secret"}
        assert VALUE not in str(refused.value)


def test_a_value_in_the_path_that_a_relative_location_takes_along_is_seen() -> None:
    request = replace(REQUEST, url=f"https://api.example.com/{VALUE}/x")
    assert after("y", request=request)[1].url == f"https://api.example.com/{VALUE}/y"
    with pytest.raises(DestinationNotAllowed):
        after(f"https://other.example.com/{VALUE}/y", request=request)
