"""What authorization servers answer, what of it is a token's end, and how the document of the tokens changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from app.kernel.secret import SecretValue
from app.outbound.model import TokenAnswer, TokenFields
from app.outbound.token_answer import read_token_answer
from app.variables.secrets.token_request import is_over, token_request
from app.variables.secrets.token_store import Owner, TokenState
from app.variables.secrets.types import OAuth2Parts
from app.vault import StoredTokens

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
REFRESH: Final = OAuth2Parts(grant="refresh_token", token_url="https://id.example.com/t?a=1", client_id="me")
OWNER: Final = Owner.of("id", 1, REFRESH)


def read(document: object, status: int = 200, **more: Any) -> TokenAnswer:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_token_answer(status, raw, fields=TokenFields(**more), date=None, now=NOW)


@pytest.mark.parametrize(
    ("told", "lifetime"),
    [(3600, 3600), ("60", 60), (0, None), ("0", None), (-1, None), (None, None), (True, None), ("x", None), ([], None)],
)
def test_a_lifetime(told: object, lifetime: float | None) -> None:
    assert read({"access_token": "a", "expires_in": told}).lifetime == lifetime


def test_a_moment_is_by_the_servers_own_clock() -> None:
    raw = json.dumps({"token": "a", "expires_at": "2026-01-01T00:15:00Z"}).encode()
    fields = TokenFields("token", "expires_at")
    late = read_token_answer(201, raw, fields=fields, date="Thu, 01 Jan 2026 00:05:00 GMT", now=NOW)
    assert late.lifetime == 600
    assert read_token_answer(201, raw, fields=fields, date="no date", now=NOW).lifetime == 900


@pytest.mark.parametrize("raw", [b"", b"\xff", b"<html>a=b</html>", b"[]", b'"a"', b"[" * 5000])
def test_what_is_no_document_is_not_readable(raw: bytes) -> None:
    assert read(raw) == TokenAnswer(200, readable=False)


@pytest.mark.parametrize(
    ("status", "error", "over"),
    [
        (400, "invalid_grant", True), (401, "invalid_grant", True), (403, "invalid_grant", True),
        (200, "bad_refresh_token", True), (403, "access_denied", True), (400, None, True), (401, None, True),
        (403, None, False), (500, "invalid_grant", False), (503, None, False), (400, "invalid_client", False),
        (401, "unauthorized_client", False), (400, "invalid_request", False), (429, "slow_down", False),
        (200, None, False),
    ],
)  # fmt: skip
def test_which_answers_end_a_grant(status: int, error: str | None, over: bool) -> None:
    answer = TokenAnswer(status, error=error, readable=True)
    assert is_over(REFRESH, answer) == over
    assert not is_over(OAuth2Parts(client_id="me"), answer)


def test_a_request_holds_no_value_before_it_is_sent() -> None:
    call = token_request(REFRESH, {"client_secret": SecretValue("canary"), "refresh_token": SecretValue("canary")},
                         plain_basic=False)  # fmt: skip
    assert "canary" not in repr(call)
    assert call.origin.host == "id.example.com"
    assert not call.follow_redirects


def test_tokens_of_other_credentials_count_for_nothing() -> None:
    held = TokenState.read(None, OWNER).hold("h", 0.0, refused=False)
    renewed = held.renew(TokenAnswer(200, SecretValue("a"), SecretValue("r"), 100.0), 0.0, plain_basic=False)
    stored = StoredTokens(renewed.document(), 7)
    again = TokenState.read(stored, OWNER)
    assert (again.version, again.alive(99.0), again.alive(100.0)) == (7, True, False)
    assert (again.due(79.0), again.due(81.0)) == (False, True)
    assert set(again.values) == {"access_token", "refresh_token"}
    for other in (Owner.of("id", 2, REFRESH), Owner.of("di", 1, REFRESH), Owner.of("id", 1, OAuth2Parts())):
        assert TokenState.read(stored, other).values == {}
        assert TokenState.read(stored, other).version == 7


def test_a_renewal_keeps_others_away_for_a_while() -> None:
    state = TokenState.read(None, OWNER).hold("h", 1000.0, refused=True)
    assert state.is_other_at_work("other", 1029.0)
    assert not state.is_other_at_work("other", 1030.0)
    assert not state.is_other_at_work("h", 1000.0)
    assert state.refused_lately(1059.0)
    assert not state.refused_lately(1060.0)
    failed = state.fail("status_500", 1000.0)
    assert (failed.failed_lately(1004.0), failed.failed_lately(1006.0)) == ("status_500", None)
    assert not failed.is_other_at_work("other", 1001.0)
    assert state.end().reconnect
