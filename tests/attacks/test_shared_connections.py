"""What one workspace's call leaves behind, cookies and connections, is found by another's."""

from __future__ import annotations

import secrets

import pytest

from tests.attacks.conftest import Stage


@pytest.fixture
def rival(stage: Stage) -> str:
    name = f"rival-{secrets.token_hex(4)}"
    assert stage.service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    return name


def test_no_cookie_is_kept_even_for_the_same_workspace(stage: Stage, rival: str) -> None:
    stage.upstream.scripts["/"] = lambda h: h.answer(b"{}", headers={"Set-Cookie": "session=stolen; Path=/"})
    stage.call()
    stage.call()
    stage.service.ask("POST", f"/workspaces/{rival}/calls", {"url": stage.url()})
    assert [seen.header("Cookie") for seen in stage.upstream.seen] == [None] * 3


def test_no_connection_is_shared_between_workspaces(stage: Stage, rival: str) -> None:
    for _ in range(2):
        stage.call()
        assert stage.service.ask("POST", f"/workspaces/{rival}/calls", {"url": stage.url()}).status_code == 200
    ours = {seen.client for seen in stage.upstream.seen[0::2]}
    theirs = {seen.client for seen in stage.upstream.seen[1::2]}
    assert len(ours) == len(theirs) == 1
    assert not ours & theirs


def test_no_proxy_of_the_environment_sees_a_call(stage: Stage) -> None:
    # The service under test was started with one in its environment (see tests/support/service.py).
    assert stage.service.environ["HTTP_PROXY"] == stage.service.environ["ALL_PROXY"] == "http://127.0.0.1:9"
    assert stage.call().status_code == 200
