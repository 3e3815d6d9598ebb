"""Ciphertext that is kept: how long it counts, and against a real OpenBao what is decrypted together."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.kernel.errors import BindingMismatch, VaultUnavailable
from app.kernel.secret import SecretValue
from app.policies.service import Setup, apply_embedded, read_files
from app.vault import SecretAddress, StoredValue, embedded
from app.vault.ciphertexts import KEPT_SECONDS, Ciphertext, KeptCiphertexts, Undecryptable
from app.vault.client import VaultClient
from app.vault.keys import new_signing_key, public_key
from app.vault.options import Mounts, Server, VaultOptions
from app.vault.recovery import operator_token
from app.vault.transport import VaultConnections
from tests.support.vault_proxy import Fault, VaultProxy, vault_proxy

POLICIES = Path(__file__).parents[2] / "vault-policies"
EVERYTHING = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
AT = SecretAddress("acme", "transit", "masked", "TOKEN")


# --- what is kept


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ciphertext(began: float, text: str = "vault:v1:abc") -> Ciphertext:
    return Ciphertext(text, None, 1, "b" * 64, "request", began)


def test_what_is_kept_counts_in_the_same_state_alone() -> None:
    kept, now = KeptCiphertexts(clock := Now()), clock.now
    kept.keep(AT, (7, "id", 1), one := ciphertext(now))
    assert kept.get(AT, (7, "id", 1)) is one
    assert [kept.get(AT, state) for state in ((8, "id", 1), (7, "id", 2), (7, "other", 1), None)] == [None] * 4
    other = SecretAddress("acme", "transit", "restricted", "TOKEN")
    assert kept.get(other, (7, "id", 1)) is None
    kept.forget(AT)
    kept.forget(AT)
    assert kept.get(AT, (7, "id", 1)) is None


def test_it_counts_for_ten_seconds_from_the_moment_at_which_its_read_began() -> None:
    assert KEPT_SECONDS == 10
    kept = KeptCiphertexts(clock := Now())
    began = clock.now
    clock.now += 4  # the read took its time
    kept.keep(AT, 1, ciphertext(began))
    clock.now = began + 9.999
    assert kept.get(AT, 1) is not None
    clock.now = began + 10
    assert kept.get(AT, 1) is None


def test_what_is_kept_has_a_bound_and_what_no_longer_counts_goes() -> None:
    kept = KeptCiphertexts(clock := Now())
    places = [SecretAddress("acme", "transit", "masked", f"S{number}") for number in range(40)]
    for at in places:
        kept.keep(at, 1, ciphertext(clock.now, "vault:v1:" + "a" * 1024 * 1024))
    held = [at for at in places if kept.get(at, 1) is not None]
    assert held == places[-15:]
    clock.now += 10
    kept.keep(AT, 1, ciphertext(clock.now))
    assert list(kept._kept) == [AT]
    assert kept._bytes == len("vault:v1:abc")


def test_neither_shows_what_it_holds() -> None:
    assert "vault:v1" not in repr(ciphertext(0.0))


# --- against a real OpenBao


class Stage:
    """A real Vault, a client of ours with a proxy before it, and the root's own way in."""

    def __init__(self, folder: Path, address: str, proxy: VaultProxy, key: bytes) -> None:
        self.folder, self.address, self.proxy, self.key = folder, address, proxy, key
        self.vault = VaultClient(VaultOptions(Server(proxy.address, read_timeout=30.0), key))

    @contextmanager
    def as_root(self) -> Iterator[Any]:
        with (
            operator_token(self.folder, self.address, EVERYTHING) as token,
            closing(VaultConnections(Server(self.address))) as line,
        ):
            yield lambda method, path, body=None: line.ask(method, path, token=token, body=body, repeat=False)

    def requests(self, path: str) -> list[dict[str, Any]]:
        """What Vault was asked at a path, by its own audit log."""
        entries = [json.loads(line) for line in (self.folder / "audit.log").read_text().splitlines() if path in line]
        return [e["request"] for e in entries if e["type"] == "request" and e["request"]["path"] == path]

    def workspace(self, count: int) -> list[SecretAddress]:
        """A transit workspace with so many secrets, and the client's tokens for it."""
        name = f"w{uuid.uuid4().hex[:8]}"
        self.vault.prepare_workspace(name, "transit", role="owner")
        places = [SecretAddress(name, "transit", "restricted", f"S{number}") for number in range(count)]
        for at in places:
            self.vault.write_binding(at, "b" * 64, role="owner")
            self.vault.write_value(at, value_of(at), cas=0, role="owner")
        self.vault.read_for_call(places[0])
        return places

    def read_together(self, places: list[SecretAddress], state: object) -> list[StoredValue | Exception]:
        """Read all at the same moment: while one decrypt request is held up, the others come to wait for the next."""
        queues = self.vault._decryption._batches._queues
        key = (places[0].workspace, f"{places[0].workspace}.{places[0].visibility}")
        held, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            assert go_on.wait(30)

        fault = Fault("delay", path="/decrypt/", times=1, then=hold)
        with self.proxy.broken(fault), ThreadPoolExecutor(len(places)) as threads:
            asked = [threads.submit(self.vault.read_for_call, places[0], state=state)]
            assert held.wait(30)
            asked += [threads.submit(self.vault.read_for_call, at, state=state) for at in places[1:]]
            end = time.monotonic() + 60
            while len(queues[key]) < len(places) - 1 and time.monotonic() < end:
                time.sleep(0.005)
            assert len(queues[key]) == len(places) - 1
            go_on.set()
            return [_outcome(each) for each in asked]


def _outcome(asked: Future[StoredValue]) -> StoredValue | Exception:
    try:
        return asked.result(timeout=60)
    except VaultUnavailable as error:
        return error


def value_of(at: SecretAddress) -> SecretValue:
    return SecretValue(f"canary-{at.workspace}-{at.name}")


def decrypt_path(at: SecretAddress) -> str:
    return f"strongroom-transit/decrypt/{at.workspace}.{at.visibility}"


def data_path(at: SecretAddress) -> str:
    return f"strongroom/data/{at.workspace}/{at.visibility}/{at.name}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, key = tmp_path_factory.mktemp("vault") / "openbao", new_signing_key()
    running = embedded.start(folder)
    try:
        apply_embedded(folder, running.address, Setup(Mounts(), read_files(POLICIES), [public_key(key)]))
        with vault_proxy(running.address) as proxy:
            staged = Stage(folder, running.address, proxy, key)
            with closing(staged.vault):
                yield staged
    finally:
        running.stop()


def test_who_waits_for_the_same_key_shares_one_decrypt_request_and_the_read_is_spared(stage: Stage) -> None:
    places = stage.workspace(12)
    for at in places:
        assert stage.vault.read_for_call(at, state=1).value == value_of(at)
    before = len(stage.requests(decrypt_path(places[0])))
    reads = [len(stage.requests(data_path(at))) for at in places]
    read = stage.read_together(places, 1)
    assert [each.value for each in read if isinstance(each, StoredValue)] == [value_of(at) for at in places]
    made = [each["id"] for each in stage.requests(decrypt_path(places[0]))[before:]]
    assert len(made) == 2  # the one that was held up, and one for all who waited
    ids = [each.decrypt_id for each in read if isinstance(each, StoredValue)]
    assert ids == [made[0], *[made[1]] * 11]
    assert [len(stage.requests(data_path(at))) for at in places] == reads  # nobody read KV again
    assert all(each.request_id for each in read if isinstance(each, StoredValue))


BROKEN = {
    "tampered with": lambda text: text[:-8] + ("AAAAAAA=" if not text.endswith("AAAAAAA=") else "BBBBBBA="),
    "cut": lambda _text: "vault:v1:AAAA",
    "no base64": lambda _text: "vault:v1:???",
    "of no version": lambda text: text.replace("v1", "v9"),
    "without ciphertext": lambda _text: "vault:v1:",
    "empty": lambda _text: "",
    "no ciphertext": lambda _text: "hello",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_ciphertext_fails_alone_among_good_ones(stage: Stage, kind: str) -> None:
    places = stage.workspace(5)
    with stage.as_root() as ask:
        stored = ask("GET", data_path(places[2])).data["data"]
        broken = {"data": {"value": BROKEN[kind](stored["value"])}, "options": {"cas": 1}}
        assert ask("POST", data_path(places[2]), broken).status == 200
    wrong, good = places[2], [places[0], places[1], places[3], places[4]]
    if kind in ("without ciphertext", "empty", "no ciphertext"):  # never asked for: it would spoil all
        before = len(stage.requests(decrypt_path(wrong)))
        with pytest.raises(Undecryptable):
            stage.vault.read_for_call(wrong, state=1)
        assert len(stage.requests(decrypt_path(wrong))) == before
        assert all(isinstance(each, StoredValue) for each in stage.read_together(good, 1))
        return
    read = stage.read_together([good[0], good[1], wrong, good[2], good[3]], 1)
    assert [type(each) for each in read] == [StoredValue, StoredValue, Undecryptable, StoredValue, StoredValue]
    assert "canary" not in str(read[2])
    assert stage.vault._kept.get(wrong, 1) is None  # what can't be decrypted isn't kept
    mended = stage.vault.write_value(wrong, value_of(wrong), cas=2, role="owner")
    assert stage.vault.read_for_call(wrong, state=1).version == mended.version


def test_one_that_alone_fails_in_its_request_is_told_so(stage: Stage) -> None:
    at = stage.workspace(1)[0]
    with stage.as_root() as ask:
        ask("POST", data_path(at), {"data": {"value": "vault:v1:AAAA"}, "options": {"cas": 1}})
    with pytest.raises(Undecryptable) as caught:
        stage.vault.read_for_call(at)
    assert caught.value.code == "vault_unavailable"
    assert "can't be decrypted" in str(caught.value.detail)


def test_what_was_encrypted_and_is_no_text_is_told_without_showing_it(stage: Stage) -> None:
    at = stage.workspace(1)[0]
    with stage.as_root() as ask:
        plaintext = base64.b64encode(b"canary-\xff\xfe").decode()
        path = decrypt_path(at).replace("/decrypt/", "/encrypt/")
        made = ask("POST", path, {"plaintext": plaintext}).data["ciphertext"]
        ask("POST", data_path(at), {"data": {"value": made}, "options": {"cas": 1}})
    with pytest.raises(Undecryptable) as caught:
        stage.vault.read_for_call(at)
    told = caught.value
    assert (told.__cause__, told.__context__) == (None, None)


def test_where_vault_refuses_a_batch_as_a_whole_each_is_asked_for_by_itself(stage: Stage) -> None:
    places = stage.workspace(4)
    for at in places:
        stage.vault.read_for_call(at, state=1)
    queues, key = stage.vault._decryption._batches._queues, (places[0].workspace, f"{places[0].workspace}.restricted")
    read = stage.read_together(places, 1)
    assert all(isinstance(each, StoredValue) for each in read)
    before = len(stage.requests(decrypt_path(places[0])))
    refusing = Fault("answer", path="/decrypt/", status=400, content=b'{"errors": ["too many items"]}', times=1)
    with stage.proxy.broken(refusing):
        opened = stage.vault._decryption._open(key, [stage.vault._kept.get(at, 1).text for at in places])  # type: ignore[union-attr]
    assert [each.text() for each in opened if each] == [value_of(at).expose() for at in places]
    assert len(stage.requests(decrypt_path(places[0]))) - before == 4
    assert key not in queues


@pytest.mark.parametrize("change", ["new value", "roll back", "deleted"])
def test_another_state_reads_anew_within_the_ten_seconds(stage: Stage, change: str) -> None:
    at = stage.workspace(1)[0]
    stage.vault.write_value(at, SecretValue("canary-2"), cas=1, role="owner")
    assert stage.vault.read_for_call(at, state=1).value == SecretValue("canary-2")
    if change == "deleted":
        stage.vault.delete(at, role="owner")
        with pytest.raises(BindingMismatch):
            stage.vault.read_for_call(at, state=2)
        return
    if change == "new value":
        stage.vault.write_value(at, SecretValue("canary-3"), cas=2, role="owner")
    else:
        stage.vault.roll_back(at, version=1, cas=2, role="owner")
    wanted = SecretValue("canary-3") if change == "new value" else value_of(at)
    assert stage.vault.read_for_call(at, state=2).value == wanted
    assert stage.vault.read_for_call(at).value == wanted  # nor does a call that names no state go by what was kept


def test_kept_ciphertext_whose_key_version_was_retired_is_read_anew(stage: Stage) -> None:
    at = stage.workspace(1)[0]
    assert stage.vault.read_for_call(at, state=1).version == 1
    assert stage.vault.rotate_key(at.workspace, "restricted") == 2
    assert stage.vault.rewrap(at, role="owner") is not None
    config = f"strongroom-transit/keys/{at.workspace}.restricted/config"
    with stage.as_root() as ask:
        assert ask("POST", config, {"min_decryption_version": 2}).status in (200, 204)
    read = stage.vault.read_for_call(at, state=1)  # as if nobody had told of it
    assert (read.value, read.version) == (value_of(at), 2)


def test_kept_ciphertext_opens_nothing_without_the_key(stage: Stage) -> None:
    at = stage.workspace(1)[0]
    assert stage.vault.read_for_call(at, state=1).value == value_of(at)
    stage.vault.purge_workspace(at.workspace, "transit")
    with pytest.raises(VaultUnavailable):
        stage.vault.read_for_call(at, state=1)


@pytest.mark.slow
def test_what_an_operator_destroys_in_vault_is_gone_within_ten_seconds(stage: Stage) -> None:
    at = stage.workspace(1)[0]
    began = time.monotonic()
    assert stage.vault.read_for_call(at, state=1).version == 1
    with stage.as_root() as ask:
        destroyed = ask("PUT", data_path(at).replace("/data/", "/destroy/"), {"versions": [1]})
        assert destroyed.status in (200, 204)
    time.sleep(max(0.0, began + KEPT_SECONDS + 0.1 - time.monotonic()))
    with pytest.raises(BindingMismatch):
        stage.vault.read_for_call(at, state=1)


@pytest.mark.slow
def test_many_threads_get_each_their_own_value(stage: Stage) -> None:
    places = stage.workspace(6)
    big = SecretAddress(places[0].workspace, "transit", "restricted", "BIG")
    long = secrets.token_hex(32 * 1024)
    stage.vault.write_binding(big, "b" * 64, role="owner")
    stage.vault.write_value(big, SecretValue(long), cas=0, role="owner")
    wanted = {at: value_of(at) for at in places} | {big: SecretValue(long)}

    def call(number: int) -> None:
        for turn in range(12):
            at = [*places, big][(number + turn) % 7]
            assert stage.vault.read_for_call(at, state=turn // 4).value == wanted[at]

    before = len(stage.requests(decrypt_path(big)))
    with ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(call, number) for number in range(16)]:
            done.result(timeout=60)
    assert len(stage.requests(decrypt_path(big))) - before < 16 * 12 * 0.6
    assert stage.vault._decryption._batches._queues == {}
