"""Ciphertext of transit workspaces: remembered for a moment, and decrypted together, for each call anew.

Ciphertext is no value: who has it needs Vault's key, and Vault's leave to use it, for every call. So what was read of
KV counts again for as long as the caller says that nothing was changed, and for ten seconds at most, so that what an
operator destroys in Vault itself is gone by then. What was decrypted is never kept.

Source: Vault docs, "Transit secrets engine (API)", decrypt data: ``batch_input``.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from hvac.api.secrets_engines import Transit

from app.vault import SecretAddress
from app.vault.answers import RETRY_AFTER
from app.vault.batches import Batches
from app.vault.paths import key_name
from app.vault.session import InvalidRequest, LoginRefused, VaultSession
from app.vault.transport import unavailable

KEPT_SECONDS: Final = 10.0
"""How long ciphertext counts at most, from the moment on at which its read began."""
_KEPT_BYTES: Final = 16 * 1024 * 1024
_CIPHERTEXT: Final = re.compile(r"vault:v[0-9]+:.")


_Key = tuple[str, str]
"""A workspace, and the name of one of its keys."""


class Undecryptable(InvalidRequest):
    """What lies in KV isn't ciphertext, or not under this key, or under a version of it that nobody may use."""


@dataclass(frozen=True, slots=True, repr=False)
class Ciphertext:
    """What lies in KV in a value's place, as it was read: with its version, its binding, and Vault's request id.

    ``began`` is when the read began, on the monotonic clock.
    """

    text: str
    forms: str | None
    version: int
    binding: str | None
    request_id: str | None
    began: float


@dataclass(frozen=True, slots=True, repr=False)
class Plaintext:
    """What was encrypted, in base64, and Vault's id of the request that it came by."""

    encoded: str
    request_id: str | None

    def text(self) -> str:
        """Return what was encrypted. Raises ``Undecryptable`` where that is no text."""
        return text_of(self.encoded)


class KeptCiphertexts:
    """Ciphertext by where it lies, bounded in bytes and in time. Safe to share among threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._kept: dict[SecretAddress, tuple[Hashable, Ciphertext]] = {}
        self._bytes = 0

    def get(self, address: SecretAddress, state: Hashable) -> Ciphertext | None:
        """Return what was kept in this state of the secret, where it still counts."""
        kept = self._kept.get(address)
        if kept is None or kept[0] != state or self._monotonic() - kept[1].began >= KEPT_SECONDS:
            return None
        return kept[1]

    def keep(self, address: SecretAddress, state: Hashable, ciphertext: Ciphertext) -> None:
        """Keep one, in the place of an older one of the same secret."""
        with self._lock:
            self._drop(address)
            self._kept[address] = (state, ciphertext)
            self._bytes += len(ciphertext.text)
            while self._kept:
                oldest = next(iter(self._kept))
                if self._bytes <= _KEPT_BYTES and self._monotonic() - self._kept[oldest][1].began < KEPT_SECONDS:
                    break
                self._drop(oldest)

    def forget(self, address: SecretAddress) -> None:
        """Let the next call read it anew."""
        with self._lock:
            self._drop(address)

    def _drop(self, address: SecretAddress) -> None:
        kept = self._kept.pop(address, None)
        if kept is not None:
            self._bytes -= len(kept[1].text)


class Decryption:
    """Decrypts for calls, in one request for all who wait for the same key."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session
        self._batches: Batches[_Key, Plaintext | None] = Batches(self._open)

    def decrypt(self, address: SecretAddress, ciphertext: str) -> Plaintext:
        """Decrypt as ``decrypt``.

        Raises:
            Undecryptable: This one can't be decrypted, whatever came of others.
            VaultUnavailable: Vault can't.
        """
        if not _CIPHERTEXT.match(ciphertext):  # an item without ciphertext would spoil all
            raise _undecryptable()
        opened = self._batches.ask((address.workspace, key_name(address.workspace, address.visibility)), ciphertext)
        if opened is None:
            raise _undecryptable()
        return opened

    def _open(self, key: _Key, ciphertexts: Sequence[str]) -> Sequence[Plaintext | None]:
        """Decrypt each, whatever becomes of the others; None for one that can't be."""
        different = list(dict.fromkeys(ciphertexts))
        try:
            opened = self._request(key, different)
        except InvalidRequest:  # Vault names none, so each is asked for by itself
            opened = {each: self._open_alone(key, each) for each in different}
        return [opened[each] for each in ciphertexts]

    def _open_alone(self, key: _Key, ciphertext: str) -> Plaintext | None:
        try:
            return self._request(key, [ciphertext])[ciphertext]
        except InvalidRequest:
            return None

    def _request(self, key: _Key, ciphertexts: Sequence[str]) -> Mapping[str, Plaintext | None]:
        """Decrypt in one request.

        Until an operator has applied the policies of this version, ``decrypt`` is no role, and ``runtime`` still
        decrypts: so old and new processes work side by side.
        """
        try:
            answer = self._ask("decrypt", key, ciphertexts)
        except LoginRefused:
            answer = self._ask("runtime", key, ciphertexts)
        results = answer["data"]["batch_results"]
        if len(results) != len(ciphertexts):
            raise unavailable("Vault's answer has another number of values than it was asked for.")
        return {
            ciphertext: _judge(result, answer.get("request_id"))
            for ciphertext, result in zip(ciphertexts, results, strict=True)
        }

    def _ask(self, role: str, key: _Key, ciphertexts: Sequence[str]) -> Any:
        items = [{"ciphertext": each} for each in ciphertexts]
        return self._session.transit(key[0], role, Transit.decrypt_data, key[1], batch_input=items)


def _judge(result: Any, request_id: str | None) -> Plaintext | None:
    """Tell what came of one item: beside others that went well, one that didn't has an error of its own."""
    if not isinstance(result, dict) or result.get("error") or not isinstance(result.get("plaintext"), str):
        return None
    return Plaintext(result["plaintext"], request_id)


def text_of(plaintext: str) -> str:
    """Return the text that transit gives in base64.

    Raises:
        Undecryptable: It is no text, and so none of ours.
    """
    try:
        return base64.b64decode(plaintext).decode()
    except ValueError:
        pass  # the error holds the value
    raise _undecryptable()


def _undecryptable() -> Undecryptable:
    return Undecryptable(
        "Vault's entry for this secret can't be decrypted. Store a new value, or roll back to another version.",
        retry_after=RETRY_AFTER,
    )
