"""Reading what came back: what is Vault's, what it says about itself, and what isn't Vault's at all."""

from __future__ import annotations

import json

import pytest

from app.kernel.errors import VaultUnavailable
from app.vault.answers import Document, VaultResponse, read_response, trouble_in

READ = "strongroom/data/acme/masked/TOKEN"
PAGE = b"<html><body>Please sign in</body></html>"
WRAPPED = {"request_id": "r", "data": None, "wrap_info": {"token": "canary", "ttl": 86400}}
FACTOR = {"request_id": "r", "data": None, "auth": {"client_token": "", "mfa_requirement": {"mfa_request_id": "m"}}}


def came(
    status: int, document: object, *, method: str = "GET", path: str = READ, wait: str | None = None
) -> VaultResponse:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_response(method, path, status, content, wait)


@pytest.mark.parametrize(
    ("method", "status", "document"),
    [
        ("GET", 200, {"request_id": "r", "data": {"data": {"value": "x"}}}),
        ("POST", 200, {"request_id": "r", "data": None, "warnings": ["…"]}),
        ("POST", 204, b""),
        ("GET", 404, {"errors": []}),
        ("GET", 404, {"request_id": "r", "data": {"data": None, "metadata": {"destroyed": True}}}),
        ("POST", 403, {"errors": ["permission denied"]}),
        ("POST", 400, {"errors": ["check-and-set parameter did not match"]}),
    ],
)
def test_an_answer_about_the_request_is_no_trouble(method: str, status: int, document: object) -> None:
    assert trouble_in(came(status, document, method=method)) is None


@pytest.mark.parametrize("status", [200, 204, 302, 403, 404, 405, 412, 500, 502])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_is_never_taken_for_vault_s_answer(method: str, status: int) -> None:
    trouble = trouble_in(came(status, PAGE, method=method))
    assert trouble is not None
    assert trouble.reason == f"What answers at VAULT_ADDR isn't Vault, or is a proxy in between ({status})."
    assert not trouble.nothing_done


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (200, b""),
        (200, []),
        (200, {"message": "hello"}),
        (200, {"request_id": "r", "data": None}),
        (200, b"{"),
        (403, b""),
        (403, {"message": "Forbidden"}),
        (404, b""),
        (404, {"message": "no Route matched"}),
        (404, {"errors": "none"}),
    ],
)
def test_nor_is_what_a_gateway_makes_up(status: int, document: object) -> None:
    trouble = trouble_in(came(status, document))
    assert trouble is not None
    assert "isn't Vault" in trouble.reason
    assert trouble.lasting


@pytest.mark.parametrize(
    ("status", "words", "passing"),
    [
        (307, "another address", False),
        (412, "newest state", True),
        (429, "limits our rate", True),
        (472, "replica", False),
        (473, "performance standby", True),
        (474, "can't reach the active node", True),
        (503, "sealed", False),
        (530, "removed from its cluster", False),
    ],
)
def test_what_vault_says_of_its_state_was_said_before_anything_was_done(status: int, words: str, passing: bool) -> None:
    trouble = trouble_in(came(status, {"errors": ["canary"]}, method="POST"))
    assert trouble is not None
    assert words in trouble.reason
    assert "canary" not in trouble.reason
    assert (trouble.nothing_done, trouble.passing, trouble.lasting) == (True, passing, False)


def test_an_overloaded_vault_says_when_to_come_back() -> None:
    trouble = trouble_in(came(503, {"errors": ["overloaded, try again later"]}, wait="17"))
    assert trouble is not None
    assert (trouble.reason, trouble.wait) == ("Vault is overloaded and takes no more requests for the moment.", 17)


@pytest.mark.parametrize(("told", "wait"), [("999999999", 300), ("Sun, 29 Nov 2026 09:00:00 GMT", None), ("", None)])
def test_a_time_to_wait_is_bounded(told: str, wait: int | None) -> None:
    assert came(429, {"errors": []}, wait=told).retry_after == wait


@pytest.mark.parametrize("words", ["Upgrading from non-versioned to", "Waiting for the primary to upgrade from"])
def test_an_engine_that_is_being_made_is_waited_for(words: str) -> None:
    trouble = trouble_in(came(400, {"errors": [f"{words} versioned data."]}, method="POST"))
    assert trouble is not None
    assert (trouble.nothing_done, trouble.lasting) == (True, False)


@pytest.mark.parametrize(("document", "words"), [(WRAPPED, "control group"), (FACTOR, "second factor")])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_needs_a_person_is_refused_in_words(method: str, document: object, words: str) -> None:
    trouble = trouble_in(came(200, document, method=method))
    if document is FACTOR and method == "GET":
        return  # nobody logs in with a GET
    assert trouble is not None
    assert words in trouble.reason
    assert (trouble.lasting, "canary" in trouble.reason) == (True, False)


def test_a_member_that_is_missing_is_a_fault_of_who_answered() -> None:
    document = Document({"data": {"metadata": {"version": 1}}})
    assert document["data"]["metadata"]["version"] == 1
    with pytest.raises(VaultUnavailable, match="lacks created_time"):
        document["data"]["metadata"]["created_time"]
    assert document.get("nothing") is None
