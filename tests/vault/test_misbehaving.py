"""The Vault client when Vault, or the way to it, misbehaves: every write is stored once or not at all."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.kernel.errors import ValidationFailed, VaultError, VaultRefused, VaultUnavailable, WriteConflict
from app.kernel.secret import SecretValue
from app.policies.service import Setup, apply, apply_embedded, read_files
from app.vault import SecretAddress, embedded
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts, Server, VaultOptions
from app.vault.recovery import operator_token
from app.vault.transport import VaultConnections
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

POLICIES = Path(__file__).parents[2] / "vault-policies"
EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


@dataclass
class Stage:
    """A real Vault, the broken way to it, and a whole one beside."""

    proxy: VaultProxy
    through: VaultClient
    direct: VaultClient
    folder: Path
    address: str
    setup: Setup
    key: bytes

    @contextmanager
    def as_root(self) -> Iterator[Callable[..., Any]]:
        with (
            operator_token(self.folder, self.address, EVERYTHING) as token,
            closing(VaultConnections(Server(self.address))) as line,
        ):
            yield lambda method, path, body=None: line.ask(method, path, token=token, body=body, repeat=False)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, key = tmp_path_factory.mktemp("vault") / "openbao", new_signing_key()
    running = embedded.start(folder)
    setup = Setup(Mounts(), read_files(POLICIES), [public_key(key)])
    try:
        apply_embedded(folder, running.address, setup)
        with vault_proxy(running.address) as proxy:
            through = VaultClient(VaultOptions(Server(proxy.address, read_timeout=3.0), key))
            direct = VaultClient(VaultOptions(Server(running.address, read_timeout=30.0), key))
            with closing(through), closing(direct):
                yield Stage(proxy, through, direct, folder, running.address, setup, key)
    finally:
        running.stop()


@pytest.fixture
def at(stage: Stage) -> SecretAddress:
    """A secret with one version, in a workspace for which the client has its tokens already."""
    address = SecretAddress(f"w{uuid.uuid4().hex[:8]}", "kv", "restricted", "TOKEN")
    stage.through.write_binding(address, "b" * 64, role="owner")
    stage.through.write_value(address, SecretValue("canary-1"), cas=0, role="owner")
    stage.through.read_for_call(address)
    return address


def versions(stage: Stage, at: SecretAddress) -> int:
    stored = stage.direct.metadata(at, role="owner")
    assert stored is not None
    return stored.current_version


@pytest.mark.parametrize("kind", ["cut before", "cut after"])
def test_a_write_whose_connection_is_cut_is_stored_once(stage: Stage, at: SecretAddress, kind: Any) -> None:
    with stage.proxy.broken(Fault(kind, "POST", "/data/", times=1)) as fault:
        written = stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner")
    assert fault.seen == 1
    assert written.version == versions(stage, at) == 2
    assert stage.direct.read_for_call(at).value == SecretValue("canary-2")


def test_a_write_that_never_gets_through_is_told_and_not_stored(stage: Stage, at: SecretAddress) -> None:
    with stage.proxy.broken(Fault("cut before", "POST", "/data/")), pytest.raises(VaultUnavailable):
        stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner")
    assert versions(stage, at) == 1


@pytest.mark.parametrize("kind", ["cut before", "cut after"])
def test_a_cut_write_never_takes_another_ones_value_for_its_own(stage: Stage, at: SecretAddress, kind: Any) -> None:
    def another() -> None:
        stage.direct.write_value(at, SecretValue("another-2"), cas=versions(stage, at), role="owner")
        stage.direct.write_value(at, SecretValue("another-3"), cas=versions(stage, at), role="owner")

    with (
        stage.proxy.broken(Fault(kind, "POST", "/data/", times=1, then=another)),
        pytest.raises(WriteConflict),
    ):
        stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner")
    assert stage.direct.read_for_call(at).value == SecretValue("another-3")


def test_a_cut_write_never_takes_the_one_write_for_its_own_that_came_at_the_same_moment(
    stage: Stage, at: SecretAddress
) -> None:
    """As one that was given up on while Vault had stopped, and is carried out when Vault goes on."""

    def another() -> None:
        stage.direct.write_value(at, SecretValue("another-2"), cas=1, role="owner")

    with (
        stage.proxy.broken(Fault("cut before", "POST", "/data/", times=1, then=another)),
        pytest.raises(WriteConflict),
    ):
        stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner")
    assert stage.direct.read_for_call(at).value == SecretValue("another-2")


@pytest.mark.parametrize("status", [429, 473, 500, 502, 503])
def test_a_read_outlives_a_moment_of_trouble(stage: Stage, at: SecretAddress, status: int) -> None:
    with stage.proxy.broken(Fault("answer", path="/data/", status=status, times=1)) as fault:
        assert stage.through.read_for_call(at).value == SecretValue("canary-1")
    assert fault.seen == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "limits our rate"), (473, "standby"), (472, "replica"), (500, "error of its own"), (503, "sealed")],
)
def test_lasting_trouble_is_told_in_words_and_never_in_vaults(
    stage: Stage, at: SecretAddress, status: int, words: str
) -> None:
    with stage.proxy.broken(Fault("answer", path="/data/", status=status)), pytest.raises(VaultUnavailable) as caught:
        stage.through.read_for_call(at)
    assert words in caught.value.detail
    assert "canary" not in caught.value.detail
    assert caught.value.retry_after
    assert stage.through.read_for_call(at).value == SecretValue("canary-1")


@pytest.mark.parametrize("status", [429, 473, 500, 503])
def test_a_write_in_trouble_is_stored_once_or_told(stage: Stage, at: SecretAddress, status: int) -> None:
    with stage.proxy.broken(Fault("answer", "POST", "/data/", status=status, times=1)):
        try:
            version = stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner").version
        except VaultUnavailable:
            version = 1
    assert versions(stage, at) == version


STRANGE = {
    "a page": (200, b"<html>Please sign in</html>", "isn't Vault"),
    "a page that refuses": (403, b"<html>Forbidden</html>", "isn't Vault"),
    "a gateway that knows no such path": (404, b'{"message": "no Route matched"}', "isn't Vault"),
    "nothing": (200, b"", "isn't Vault"),
    "half a document": (200, b'{"request_id": "r", "data": {}}', "an answer lacks"),
    "a control group": (200, b'{"request_id": "r", "data": null, "wrap_info": {"token": "canary"}}', "control group"),
    "a second factor": (200, b'{"request_id": "r", "auth": {"mfa_requirement": {"x": 1}}}', "second factor"),
    "a node without the leader": (474, b'{"errors": []}', "can't reach the active"),
    "a removed node": (530, b'{"errors": []}', "removed from its cluster"),
    "no newest state": (412, b'{"errors": ["required index state not present"]}', "newest state"),
    "a secondary": (
        400,
        b'{"errors": ["Waiting for the primary to upgrade from non-versioned"]}',
        "making our KV engine ready",
    ),
}


def everything(vault: VaultClient, at: SecretAddress) -> dict[str, Callable[[], object]]:
    """One request of each kind, with a role that has no token yet."""
    value, key = SecretValue("canary-2"), replace(at, name="SIGNS")
    return {
        "read": lambda: vault.read_for_call(at),
        "reveal": lambda: vault.read_to_reveal(at, role="admin"),
        "write": lambda: vault.write_value(at, value, cas=1, role="admin"),
        "bind": lambda: vault.write_binding(at, "c" * 64, role="admin"),
        "metadata": lambda: vault.metadata(at, role="admin"),
        "names": lambda: vault.names(at.workspace, "restricted", role="admin"),
        "roll back": lambda: vault.roll_back(at, version=1, cas=1, role="admin"),
        "wrapping key": lambda: vault.wrapping_key(at.workspace, role="admin"),
        "sign": lambda: vault.sign_hmac(key, b"x", hash_name="sha256", key_version=1),
        "tokens": lambda: vault.read_tokens(at),
        "checkpoint": lambda: vault.sign_checkpoint(b"x"),
        "public keys": vault.checkpoint_public_keys,
        "chains": vault.chains_with_checkpoint,
        "granted": lambda: vault.read_granted(at.workspace, "team/zendesk", "token"),
    }


@pytest.mark.parametrize("strange", STRANGE)
def test_whatever_is_asked_a_strange_answer_has_words_and_a_party(
    stage: Stage, at: SecretAddress, strange: str
) -> None:
    status, content, words = STRANGE[strange]
    with closing(VaultClient(VaultOptions(Server(stage.proxy.address), stage.key))) as fresh:
        asked = everything(fresh, at)
        for name in asked if status < 400 else ("read", "write", "granted"):  # the others are asked thrice: slow
            fault = Fault("answer", status=status, content=content)
            with stage.proxy.broken(fault), pytest.raises(VaultUnavailable) as caught:
                asked[name]()
            assert words in caught.value.detail, name
            assert caught.value.party == "vault"
            assert "canary" not in caught.value.detail
    assert versions(stage, at) == 1


@pytest.mark.slow
@pytest.mark.parametrize("strange", ["a page", "half a document", "a control group"])
def test_a_strange_answer_to_a_token_that_was_had_before_changes_nothing(
    stage: Stage, at: SecretAddress, strange: str
) -> None:
    status, content, _ = STRANGE[strange]
    for name, ask in everything(stage.through, at).items():
        if name == "granted":  # nothing is
            continue
        with suppress(VaultError, ValidationFailed), stage.proxy.broken(Fault("answer", path="/data/", status=472)):
            ask()
        fault = Fault("answer", path="/strongroom", status=status, content=content)
        # To write a binding Vault need say no more than yes; nothing else than our own errors ever comes out.
        with stage.proxy.broken(fault), suppress(VaultError, ValidationFailed):
            ask()
            assert name == "bind", name
    assert versions(stage, at) == 1


def test_a_login_that_asks_for_a_second_factor_is_no_success(stage: Stage, at: SecretAddress) -> None:
    status, content, words = STRANGE["a second factor"]
    with (
        stage.proxy.broken(Fault("answer", "POST", "/login", status, content)),
        pytest.raises(VaultUnavailable, match=words),
    ):
        stage.through.probe_role("runtime", at.workspace)


@pytest.mark.parametrize(("method", "strange"), [("GET", "no newest state"), ("POST", "no newest state")])
def test_a_node_that_lags_behind_is_asked_once_more(stage: Stage, at: SecretAddress, method: str, strange: str) -> None:
    status, content, _ = STRANGE[strange]
    with stage.proxy.broken(Fault("answer", method, "/data/", status, content, times=1)) as fault:
        assert stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner").version == 2
        assert stage.through.read_for_call(at).version == 2
    assert fault.seen == 1


def test_an_overloaded_vault_is_left_alone_for_as_long_as_it_says(stage: Stage, at: SecretAddress) -> None:
    busy = Fault("answer", path="/data/", status=503, headers={"Retry-After": "42"})
    with stage.proxy.broken(busy), pytest.raises(VaultUnavailable, match="overloaded") as caught:
        stage.through.read_for_call(at)
    assert (busy.seen, caught.value.retry_after) == (1, 42)


def test_a_page_in_the_place_of_a_missing_entry_is_no_proof_that_it_is_gone(stage: Stage, at: SecretAddress) -> None:
    with stage.proxy.broken(Fault("answer", status=404, content=b"<html>Not here</html>")):
        with pytest.raises(VaultUnavailable):
            stage.through.metadata(at, role="owner")
        with pytest.raises(VaultUnavailable):
            stage.through.delete(at, role="owner")
    assert versions(stage, at) == 1


def test_health_tells_a_page_from_vault(stage: Stage) -> None:
    with stage.proxy.broken(Fault("answer", path="sys/health", status=200, content=b"<html></html>")):
        health = stage.through.health()
    assert not health.ok
    assert "isn't Vault" in (health.reason or "")
    with stage.proxy.broken(Fault("answer", path="sys/health", status=530)):
        assert "removed" in (stage.through.health().reason or "")


def test_a_slow_vault_is_not_asked_again(stage: Stage, at: SecretAddress) -> None:
    with stage.proxy.broken(Fault("delay", "GET", "/data/", seconds=8)) as fault:
        with pytest.raises(VaultUnavailable, match="in time"):
            stage.through.read_for_call(at)
        assert fault.seen == 1


def test_a_refused_token_costs_one_new_login_and_nothing_else(stage: Stage, at: SecretAddress) -> None:
    with stage.proxy.broken(Fault("answer", "GET", "/data/", status=403, times=1)):
        assert stage.through.read_for_call(at).value == SecretValue("canary-1")
    with stage.proxy.broken(Fault("answer", "POST", "/data/", status=403, times=1)):
        assert stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner").version == 2


def test_a_removed_policy_is_told_by_its_role_and_works_again_when_it_is_back(stage: Stage, at: SecretAddress) -> None:
    with stage.as_root() as ask:
        assert ask("DELETE", "sys/policies/acl/strongroom-runtime").status == 204
        with pytest.raises(VaultRefused, match="role runtime"):
            stage.through.read_for_call(at)
    apply_embedded(stage.folder, stage.address, stage.setup)
    assert stage.through.read_for_call(at).value == SecretValue("canary-1")


def test_tokens_that_all_became_worthless_are_replaced(stage: Stage, at: SecretAddress) -> None:
    """The way in is taken away and made anew, with another accessor: no token from before is worth anything."""
    with stage.as_root() as ask:
        assert ask("DELETE", "sys/auth/strongroom").status == 204
    with (
        operator_token(stage.folder, stage.address, EVERYTHING) as token,
        VaultOperator(Server(stage.address), token) as operator,
    ):
        apply(operator, stage.setup)
    assert stage.through.read_for_call(at).value == SecretValue("canary-1")
    assert stage.through.write_value(at, SecretValue("canary-2"), cas=1, role="owner").version == 2


@pytest.mark.parametrize(("method", "step"), [("POST", "/config"), ("DELETE", "")])
def test_of_two_who_purge_one_workspace_at_once_neither_fails(stage: Stage, method: str, step: str) -> None:
    workspace = f"w{uuid.uuid4().hex[:8]}"
    stage.direct.prepare_workspace(workspace, "transit", role="owner")
    fault = Fault(
        "delay", method, f"/keys/{workspace}.masked{step}", times=1,
        then=lambda: stage.direct.purge_workspace(workspace, "transit"),
    )  # fmt: skip
    with stage.proxy.broken(fault):
        stage.through.purge_workspace(workspace, "transit")
    assert fault.seen == 1
    with stage.as_root() as ask:
        left = [ask("GET", f"strongroom-transit/keys/{workspace}.{each}").status for each in ("masked", "restricted")]
    assert left == [404, 404]


# --- reads that are shared


def ids_of_reads(stage: Stage, at: SecretAddress) -> list[str]:
    """Vault's own ids of the reads of a value, as its audit log has them."""
    path = f"strongroom/data/{at.workspace}/{at.visibility}/{at.name}"
    entries = [json.loads(line) for line in (stage.folder / "audit.log").read_text().splitlines() if path in line]
    return [
        entry["request"]["id"]
        for entry in entries
        if entry["type"] == "request" and (entry["request"]["operation"], entry["request"]["path"]) == ("read", path)
    ]


def test_callers_who_wait_together_share_a_read_and_each_knows_which(stage: Stage, at: SecretAddress) -> None:
    before = ids_of_reads(stage, at)
    with stage.proxy.broken(Fault("delay", "GET", "/data/", seconds=0.5)), ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(stage.through.read_for_call, at) for _ in range(16)]
        read = [each.result() for each in asked]
    assert {each.value.expose() for each in read} == {"canary-1"}
    made = ids_of_reads(stage, at)[len(before) :]
    assert len(made) <= 4
    assert {each.request_id for each in read} == set(made)


def test_a_value_that_was_set_before_a_call_is_the_one_that_it_gets(stage: Stage, at: SecretAddress) -> None:
    stored, over = 1, threading.Event()

    def call_again_and_again() -> int:
        calls = 0
        while not over.is_set():
            before = stored
            read = stage.direct.read_for_call(at)
            assert (read.version or 0) >= before
            assert read.value == SecretValue(f"canary-{read.version}")
            calls += 1
        return calls

    with ThreadPoolExecutor(8) as threads:
        callers = [threads.submit(call_again_and_again) for _ in range(8)]
        try:
            for version in range(2, 42):
                stage.direct.write_value(at, SecretValue(f"canary-{version}"), cas=version - 1, role="owner")
                stored = version
        finally:
            over.set()
        calls = sum(each.result() for each in callers)
    assert len(ids_of_reads(stage, at)) < calls
