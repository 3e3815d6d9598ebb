"""The newest checkpoint of each chain as Vault has it, where nobody who can only write to the database can change it.

A record that was cut back to an older checkpoint, a chain that was removed and a record that was emptied fit in
themselves; compared with what Vault has, something is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.audit.chain import Checkpoint, Restore, rfc3339
from app.kernel.errors import WriteConflict
from app.vault import Vault

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Newest:
    """What Vault has of a chain: its newest checkpoint (None: of a chain that was accepted as empty), and restores."""

    checkpoint: Checkpoint | None
    restores: Sequence[Restore]
    version: int


def read_newest(chain: str, vault: Vault) -> Newest | None:
    """Return what Vault has of a chain; None where it has nothing.

    Raises:
        VaultUnavailable: Vault can't be asked.
    """
    stored = vault.read_newest_checkpoint(chain)
    if stored is None:
        return None
    document = stored.document
    restores = [_as_restore(each) for each in document.get("restores", ())]
    return Newest(_as_checkpoint(chain, document) if document.get("seq") else None, restores, stored.version)


def store_newest(checkpoint: Checkpoint, vault: Vault) -> None:
    """Keep a chain's newest checkpoint in Vault; one that Vault has of a later event stays.

    Whoever calls has compared what Vault has with the chain.

    Raises:
        VaultUnavailable: Vault can't be asked.
        WriteConflict: Others were faster, each time.
    """
    for _ in range(_TRIES):
        newest = read_newest(checkpoint.chain, vault)
        if newest is not None and newest.checkpoint is not None and newest.checkpoint.seq >= checkpoint.seq:
            return None
        restores = newest.restores if newest else ()
        try:
            return _store(checkpoint.chain, checkpoint, restores, vault, cas=newest.version if newest else 0)
        except WriteConflict:
            continue
    raise WriteConflict("Other processes store this chain's checkpoint at the same moment.")


def replace_newest(
    chain: str, checkpoint: Checkpoint | None, restore: Restore, *, instead_of: Newest, vault: Vault
) -> None:
    """Keep an older checkpoint in the place of a newer one, and that this was accepted.

    Raises:
        VaultUnavailable: Vault can't be asked.
        WriteConflict: Vault has another one by now.
    """
    _store(chain, checkpoint, [*instead_of.restores, restore], vault, cas=instead_of.version)


def _store(chain: str, checkpoint: Checkpoint | None, restores: Sequence[Restore], vault: Vault, *, cas: int) -> None:
    document: dict[str, Any] = {"seq": 0}
    if checkpoint is not None:
        document = {
            "seq": checkpoint.seq,
            "hash": checkpoint.hash,
            "at": rfc3339(checkpoint.at),
            "signature": checkpoint.signature,
        }
    if restores:
        document["restores"] = [
            {"after": each.after, "through": each.through, "at": rfc3339(each.at)} for each in restores
        ]
    vault.store_newest_checkpoint(chain, document, cas=cas)


def _as_checkpoint(chain: str, document: Mapping[str, Any]) -> Checkpoint:
    at = datetime.fromisoformat(document["at"])
    return Checkpoint(chain, int(document["seq"]), str(document["hash"]), at, str(document["signature"]))


def _as_restore(document: Mapping[str, Any]) -> Restore:
    return Restore(int(document["after"]), int(document["through"]), datetime.fromisoformat(document["at"]))
