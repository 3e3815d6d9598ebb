"""Accepting an older database that was restored: what is missing is named, in the record and in Vault, for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.access import OPERATOR, Access
from app.audit.chain import BEGINNING, Restore
from app.audit.checkpoints import chains, checkpoints_of, sign_now, verify_stored
from app.audit.newest import Newest, read_newest, replace_newest
from app.audit.service import SERVICE_CHAIN, Target, recorded
from app.kernel.errors import Conflict, VaultUnavailable
from app.resources import Resources


@dataclass(frozen=True, slots=True)
class Missing:
    """What an older database lacks of a chain: Vault has a checkpoint at event ``through``.

    ``after`` is the last event that is surely the same in both.
    """

    chain: str
    after: int
    through: int


class Restores:
    """Finds and accepts what a restored database lacks; bound to the resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def missing(self) -> Sequence[Missing]:
        """List what Vault has and the database doesn't.

        Raises:
            Conflict: Something else than an older database: a chain doesn't fit in itself.
            VaultUnavailable: Vault can't be asked.
        """
        sessions, vault = self._resources.sessions, self._resources.vault
        keys = vault.checkpoint_public_keys()
        found = []
        for chain in sorted({*chains(sessions), *vault.chains_with_checkpoint()}):
            newest = read_newest(chain, vault)
            if newest is None or verify_stored(chain, sessions=sessions, keys=keys, newest=newest).fault is None:
                continue
            alone = verify_stored(chain, sessions=sessions, keys=keys)
            if alone.fault is not None or newest.checkpoint is None:
                raise Conflict(f"The chain {chain or '(service)'} is no older one: run `strongroom audit verify`.")
            found.append(Missing(chain, self._common(chain, newest), newest.checkpoint.seq))
        return found

    def _common(self, chain: str, newest: Newest) -> int:
        """Return the last event that both have, as far as signatures say."""
        until = newest.checkpoint
        known = [
            each.seq
            for each in checkpoints_of(chain, self._resources.sessions)
            if until is not None and each.seq < until.seq and each.at <= until.at
        ]
        return max(known, default=BEGINNING.seq)

    def accept(self, missing: Sequence[Missing]) -> None:
        """Take the database's record as it is, and say in it and in Vault what it lacks.

        Raises:
            RecordUnavailable, VaultUnavailable: Some of it is still to be accepted.
            WriteConflict: Vault has a newer checkpoint by now.
        """
        for each in missing:
            self._accept(each)

    def _accept(self, missing: Missing) -> None:
        sessions, vault, clock = self._resources.sessions, self._resources.vault, self._resources.clock
        newest = read_newest(missing.chain, vault)
        if newest is None:
            raise VaultUnavailable("Vault has lost the newest checkpoint in this moment.", retry_after=5)
        access = Access(OPERATOR, None if missing.chain == SERVICE_CHAIN else missing.chain, None)
        with recorded(
            sessions=sessions, clock=clock, access=access, action="audit.accept_restore", target=Target("audit")
        ) as deed:
            deed.detail |= {"after": missing.after, "through": missing.through}
        restore = Restore(missing.after, missing.through, clock())
        replace_newest(missing.chain, None, restore, instead_of=newest, vault=vault)
        sign_now(missing.chain, sessions=sessions, vault=vault, clock=clock)
