"""An upstream redirects the call to where the value must not go."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from tests.attacks.conftest import Stage, holds
from tests.support.service import problem
from tests.support.upstream import Script


def to(location: str, status: int = 302) -> Script:
    return lambda handler: handler.answer(b"", status, {"Location": location.encode().decode("latin-1")})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_header_with_a_value_goes_elsewhere(stage: Stage, status: int) -> None:
    stage.upstream.scripts["/"] = to(stage.url("/", stage.other), status)
    headers = [
        {"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"},
        {"name": "X-Api-Key", "value": "{{secrets.TOKEN}}"},
        {"name": "X-Plain", "value": "plain"},
    ]
    answer = stage.call(headers=headers, follow_redirects=True)
    assert answer.status_code == 200
    (seen,) = stage.other.seen
    assert (seen.header("Authorization"), seen.header("X-Api-Key"), seen.header("X-Plain")) == (None, None, "plain")


@pytest.mark.parametrize("status", [307, 308])
def test_no_body_with_a_value_goes_elsewhere(stage: Stage, status: int) -> None:
    stage.upstream.scripts["/"] = to(stage.url("/", stage.other), status)
    body = {"type": "json", "content": {"a": "{{secrets.TOKEN}}"}}
    answer = stage.call(headers=[], body=body, follow_redirects=True)
    assert problem(answer) == (502, "redirect_refused")
    assert answer.json()["reason"] == "redirect_carries_secret"
    assert stage.other.seen == []


@pytest.mark.parametrize("spell", [str, lambda v: quote(v, safe=""), lambda v: v.encode().hex(),
                                   lambda v: base64.urlsafe_b64encode(v.encode()).decode()])  # fmt: skip
def test_no_url_that_an_upstream_put_the_value_in_is_followed_elsewhere(stage: Stage, spell: object) -> None:
    assert callable(spell)
    stage.upstream.scripts["/"] = to(stage.url(f"/?stolen={spell(stage.token)}", stage.other))
    answer = stage.call(follow_redirects=True)
    assert problem(answer) == (502, "redirect_refused")
    assert not holds(answer, stage.token)
    assert stage.other.seen == []


def test_a_location_that_is_not_followed_is_shown_without_the_value(stage: Stage) -> None:
    stage.upstream.scripts["/"] = to(stage.url(f"/?stolen={quote(stage.token, safe='')}", stage.other))
    answer = stage.call()
    shown = {header["name"]: header["value"] for header in answer.json()["headers"]}
    assert shown["Location"] == stage.url("/?stolen=[redacted:TOKEN]", stage.other)
    assert stage.other.seen == []


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1:{service}/api/v1/me", "host_not_allowed"),
        ("http://[::1]:{service}/", "host_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/", "host_not_allowed"),
        ("https://10.0.0.1/", "host_not_allowed"),
        ("http://2130706433/", "host_not_canonical"),
        ("file:///etc/passwd", "scheme_not_allowed"),
    ],
)
def test_no_hop_leads_inside(stage: Stage, location: str, reason: str) -> None:
    stage.upstream.scripts["/"] = to(location.format(service=stage.service.port))
    answer = stage.call(follow_redirects=True)
    assert problem(answer) == (502, "redirect_refused")
    assert answer.json()["reason"] == reason


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1:{service}/api/v1/me", "own_service"),
        ("http://localhost:{service}/", "own_service"),
        ("https://10.0.0.1/", "address_not_public"),
        ("https://169.254.169.254/latest/meta-data/", "metadata_service"),
        ("https://[::ffff:a9fe:a9fe]/", "metadata_service"),
    ],
)
def test_nor_does_one_of_a_call_without_a_secret(stage: Stage, location: str, reason: str) -> None:
    stage.upstream.scripts["/"] = to(location.format(service=stage.service.port))
    answer = stage.call(headers=[], follow_redirects=True)
    assert problem(answer) == (502, "redirect_refused")
    assert answer.json()["reason"] == reason


def test_a_circle_ends(stage: Stage) -> None:
    stage.upstream.scripts["/"] = to("/")
    assert problem(stage.call(follow_redirects=True)) == (502, "redirect_refused")
    assert len(stage.upstream.seen) == 6
