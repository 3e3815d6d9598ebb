"""kill -9 at each step of a key's import and of a token's renewal: nothing half done counts, no grant dies unseen."""

from __future__ import annotations

import dataclasses
import hmac
import itertools
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs

import pytest

from app.blocks.runs import BlockRuns
from app.blocks.service import NewBlock, SavedBlocks
from app.calls.definition import Pair, WrittenCall
from app.kernel.errors import BindingMismatch, NotFound, ReconnectRequired
from app.kernel.secret import SecretValue
from app.resources import Resources
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.deposits import Credential
from app.variables.secrets.edits import SecretChanges
from app.variables.secrets.queries import SecretQueries
from app.variables.secrets.reconcile import SecretReconciliation, mismatched_bindings, unfinished_secrets
from app.variables.secrets.renewal import renew
from app.variables.secrets.service import Secrets
from app.vault import SecretAddress
from tests.support.upstream import Handler, Upstream
from tests.support.vault_proxy import Kind
from tests.variables.secrets.test_check_kills import Nth, kill, resources_for
from tests.variables.secrets.test_check_kills import upstream as upstream
from tests.variables.secrets.test_kill_points import Doors, Stage, access_to, after
from tests.variables.secrets.test_kill_points import stage as stage

HERE: Final = ("a.example.com",)
OLD, NEW = "old-key-aJ4kQz81LpX0", "new-key-Mh2sGd9FuE6k"
_numbers = itertools.count(1)


def key(text: str) -> Credential:
    return Credential({"key": SecretValue(text)})


# --- keys that sign ---------------------------------------------------------------------------------------------------


def create_signing(doors: Doors, workspace: str, user: str = "bob", text: str = NEW) -> None:
    with resources_for(doors) as resources:
        parts = {"message": f"{text[:3]}:{{{{$uuid}}}}"}
        new = NewSecret("TOKEN", key(text), "restricted", allowed_hosts=HERE, type="hmac", parts=parts)
        Secrets(resources).create(new, access=access_to(workspace, user))


def put_key(doors: Doors, workspace: str) -> None:
    with resources_for(doors) as resources:
        changes = SecretChanges(credential=key(NEW), parts={"message": "new:{{$uuid}}"})
        Secrets(resources).put_value("TOKEN", changes, revision=None, access=access_to(workspace, "bob"))


def delete_signing(doors: Doors, workspace: str) -> None:
    with resources_for(doors) as resources:
        access = access_to(workspace, "bob")
        Secrets(resources).delete("TOKEN", confirm="TOKEN", force=True, revision=None, access=access)


def signed_with(stage: Stage, workspace: str) -> tuple[str, str] | None:
    """Mend what was left, and return the message's beginning and the key of a signature; None where there is none."""
    address = SecretAddress(workspace, "kv", "restricted", "TOKEN")
    with resources_for(stage.doors) as resources:
        SecretReconciliation(resources).run(older_than=timedelta())
        sessions, vault = resources.sessions, resources.vault
        assert workspace not in {each for each, _ in unfinished_secrets(sessions=sessions)}
        assert workspace not in {each for each, _ in mismatched_bindings(sessions=sessions, vault=vault)}
        try:
            secret = SecretQueries(resources).get("TOKEN", access=access_to(workspace))
        except NotFound:
            assert vault.metadata(address, role="owner") is None
            with pytest.raises(BindingMismatch):
                vault.sign_hmac(address, b"x", hash_name="sha256", key_version=1)
            return None
        stored = vault.read_pointer(address)
        counts = int(stored.pointer["key_version"])
        assert (secret.state, secret.version) == ("active", stored.version)
        for older in range(1, counts):
            with pytest.raises(BindingMismatch):
                vault.sign_hmac(address, b"x", hash_name="sha256", key_version=older)
        made = vault.sign_hmac(address, b"x", hash_name="sha256", key_version=counts).signature
        (text,) = [each for each in (OLD, NEW) if hmac.digest(each.encode(), b"x", "sha256") == made]
        assert secret.made_of is not None
        return str(getattr(secret.made_of, "message", ""))[:3], text


# Requests to Vault of each change; the first one that comes too late to hit anything ends a row.
SIGNING: Final[dict[Callable[[Doors, str], None], int]] = {create_signing: 9, put_key: 13, delete_signing: 5}
SIGNING_CASES: Final = [
    pytest.param(change, number, id=f"{change.__name__}, after request {number}")
    for change, most in SIGNING.items()
    for number in range(1, most + 1)
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "number"), SIGNING_CASES)
def test_a_killed_change_of_a_key_leaves_one_key_that_signs(
    stage: Stage, change: Callable[[Doors, str], None], number: int
) -> None:
    workspace = stage.workspace(with_secret=False)
    if change is not create_signing:
        create_signing(stage.doors, workspace, "ada", OLD)
    assert kill(stage, change, workspace, Nth("cut after", number=number)) == -signal.SIGKILL
    left = signed_with(stage, workspace)
    if left is None:
        assert change is not put_key
        create_signing(stage.doors, workspace, "ada", OLD)  # the name is free, and so is the key's
        assert signed_with(stage, workspace) == ("old", OLD)
    else:
        message, text = left
        assert (message == "new") <= (text == NEW), "a new message never stands with the old key"
        put_key(stage.doors, workspace)
        assert signed_with(stage, workspace) == ("new", NEW)


@pytest.mark.slow
@pytest.mark.parametrize("change", list(SIGNING))
def test_what_is_not_killed_signs_with_the_new_key(stage: Stage, change: Callable[[Doors, str], None]) -> None:
    workspace = stage.workspace(with_secret=False)
    if change is not create_signing:
        create_signing(stage.doors, workspace, "ada", OLD)
    counted = Nth("delay")
    assert kill(stage, change, workspace, counted) == 0
    assert counted.seen == SIGNING[change], "each case hits something, and none is left out"
    assert signed_with(stage, workspace) == (None if change is delete_signing else ("new", NEW))


# --- tokens that renew themselves -------------------------------------------------------------------------------------


@dataclass
class Rotating:
    """A provider that takes each refresh token once; one that comes twice ends the grant (RFC 9700, 4.14.2)."""

    good: str = "refresh-0"
    asked: int = 0
    then: Callable[[str], None] = lambda _when: None
    living: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, handler: Handler) -> None:
        self.then("before")
        with self.lock:
            self.asked += 1
            (shown,) = parse_qs(handler.seen.body.decode())["refresh_token"]
            body: dict[str, Any] = {"error": "invalid_grant"}
            if shown == self.good:
                self.good = f"refresh-{self.asked}"
                access = f"access-{self.asked}-{next(_numbers)}"
                self.living.add(access)
                body = {"access_token": access, "refresh_token": self.good, "expires_in": 3600}
            else:
                self.good = "nothing any more"
                self.living.clear()
        self.then("after")
        handler.answer(json.dumps(body).encode(), 200 if "access_token" in body else 400)

    def take(self, handler: Handler) -> None:
        shown = str(handler.seen.header("Authorization")).removeprefix("Bearer ")
        handler.answer(b"{}", 200 if shown in self.living else 401)


@pytest.fixture
def provider(upstream: Upstream) -> Iterator[Rotating]:
    provider = Rotating()
    upstream.scripts |= {"/token": provider.answer, "/api": provider.take}
    yield provider
    upstream.scripts.clear()


def make_grant(stage: Stage, upstream: Upstream) -> str:
    """Make a workspace with a grant that has a token already, and the block that uses it."""
    workspace, host = stage.workspace(with_secret=False), f"127.0.0.1:{upstream.port}"
    with resources_for(stage.doors) as resources:
        access = access_to(workspace)
        given = {"client_secret": SecretValue("secret-of-the-client"), "refresh_token": SecretValue("refresh-0")}
        parts = {"grant": "refresh_token", "client_id": "me", "token_url": f"http://{host}/token"}
        new = NewSecret("TOKEN", Credential(given), "restricted", allowed_hosts=(host,), type="oauth2", parts=parts)
        Secrets(resources).create(new, access=access)
        call = WrittenCall("GET", f"http://{host}/api", (Pair("Authorization", "Bearer {{secrets.TOKEN}}"),))
        SavedBlocks(resources).create(NewBlock("ask", "", call), access=access)
    renew_token(stage.doors, workspace)
    return workspace


def renew_token(doors: Doors, workspace: str) -> None:
    with resources_for(doors) as resources:
        renew("TOKEN", access=access_to(workspace, "bob"), resources=resources)


def call_at_the_end(doors: Doors, workspace: str) -> None:
    call_later(doors, workspace, 70)


def call_later(doors: Doors, workspace: str, minutes: int) -> int | None:
    """Make a call some minutes later; returns what the API said of the token, None where it has to be reconnected."""
    with resources_for(doors) as resources:
        later: Resources = dataclasses.replace(resources, clock=after(minutes))
        try:
            done = BlockRuns(later).run("ask", {}, access=access_to(workspace), cache=resources.sessions.cache())
        except ReconnectRequired:
            return None
        return done.response.status


def is_told_to_reconnect(stage: Stage, workspace: str) -> bool:
    with resources_for(stage.doors) as resources:
        return SecretQueries(resources).get("TOKEN", access=access_to(workspace)).state == "reconnect"


def assert_alive_or_told(stage: Stage, workspace: str) -> None:
    """Insist that calls are taken, or that the secret says that somebody has to connect it anew; and that it lasts."""
    for minutes in (2, 90):  # while the token lives, and when it is over
        status = call_later(stage.doors, workspace, minutes)
        assert status in (200, None)
        assert is_told_to_reconnect(stage, workspace) == (status is None)


# Requests to Vault of one renewal: because somebody asks for it, and for a call whose token is over.
RENEWALS: Final[dict[Callable[[Doors, str], object], int]] = {renew_token: 8, call_at_the_end: 8}
RENEWAL_CASES: Final = [
    pytest.param(change, number, "cut after", id=f"{change.__name__}, after request {number}")
    for change, most in RENEWALS.items()
    for number in range(1, most + 1)
] + [pytest.param(change, 1, "cut before", id=f"{change.__name__}, before the first") for change in RENEWALS]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "number", "kind"), RENEWAL_CASES)
def test_a_killed_renewal_leaves_a_grant_that_lives_or_says_that_it_is_over(
    stage: Stage,
    upstream: Upstream,
    provider: Rotating,
    change: Callable[[Doors, str], None],
    number: int,
    kind: Kind,
) -> None:
    workspace = make_grant(stage, upstream)
    assert kill(stage, change, workspace, Nth(kind, number=number)) == -signal.SIGKILL
    assert_alive_or_told(stage, workspace)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_the_provider_is_asked(stage: Stage, upstream: Upstream, provider: Rotating, when: str) -> None:
    workspace = make_grant(stage, upstream)
    process = multiprocessing.get_context("spawn").Process(target=renew_token, args=(stage.through, workspace))

    def _kill(at: str) -> None:
        if at == when:
            provider.then = lambda _when: None
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()

    provider.then = _kill
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert_alive_or_told(stage, workspace)
    assert is_told_to_reconnect(stage, workspace), "it was given a token that nobody stored"


@pytest.mark.slow
@pytest.mark.parametrize("change", list(RENEWALS))
def test_what_is_not_killed_is_alive_and_each_refresh_token_came_once(
    stage: Stage, upstream: Upstream, provider: Rotating, change: Callable[[Doors, str], None]
) -> None:
    assert len(RENEWAL_CASES) + 2 >= 20
    workspace = make_grant(stage, upstream)
    counted = Nth("delay")
    assert kill(stage, change, workspace, counted) == 0
    assert counted.seen == RENEWALS[change], "each case hits something, and none is left out"
    assert call_later(stage.doors, workspace, 2) == 200
    assert provider.asked == 2


@pytest.mark.slow
def test_a_grant_that_is_over_lives_again_with_a_new_refresh_token(
    stage: Stage, upstream: Upstream, provider: Rotating
) -> None:
    workspace = make_grant(stage, upstream)
    provider.good = "given to somebody new"
    with pytest.raises(ReconnectRequired):
        renew_token(stage.doors, workspace)
    assert is_told_to_reconnect(stage, workspace)
    provider.good = "given to somebody new"
    with resources_for(stage.doors) as resources:
        changes = SecretChanges(credential=Credential({"refresh_token": SecretValue("given to somebody new")}))
        Secrets(resources).put_value("TOKEN", changes, revision=None, access=access_to(workspace))
    assert_alive_or_told(stage, workspace)
    assert not is_told_to_reconnect(stage, workspace)
