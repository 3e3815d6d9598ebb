"""The two keys of a workspace with the transit engine: rotating them, and moving values to the newest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from app.access import Access, Permission, require
from app.audit.service import Deed, Target, recorded
from app.kernel.errors import Conflict, NotFound, StrongroomError, WriteConflict
from app.resources import Resources
from app.variables.models import VariableRow
from app.variables.secrets.changes import ChangeEvent
from app.variables.secrets.deposits import KEY_TYPES
from app.variables.secrets.store import (
    address_of,
    begin,
    lock,
    note_version,
    person,
    require_for,
    secret_row,
    settle,
)
from app.vault import VISIBILITIES, Visibility
from app.workspaces.service import settings_of

Outcome = Literal["rewrapped", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What became of one secret; ``problem`` says in words why it failed."""

    name: str
    outcome: Outcome
    problem: str | None = None


class WorkspaceKeys:
    """Rotates a workspace's two keys and moves its values to the newest; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def rotate(self, *, access: Access) -> Mapping[Visibility, int]:
        """Rotate the two keys and return their new versions. What is stored stays readable.

        Raises:
            Conflict: The workspace's engine has no keys.
            Forbidden: The role may not.
            NotFound: There is no such workspace.
            VaultUnavailable: Vault can't be asked.
        """
        self._require_transit(access)
        with self._record(access) as deed:
            require(access, Permission.WORKSPACE_UPDATE)
            workspace = str(access.workspace)
            versions = {each: self._resources.vault.rotate_key(workspace, each) for each in VISIBILITIES}
            deed.detail |= {"changed": ["keys"], "key_versions": dict(versions)}
        return versions

    def secrets_to_rewrap(self, *, access: Access) -> Sequence[str]:
        """Name the secrets that ``rewrap`` will look at, sorted.

        Raises:
            Conflict: The workspace's engine has no keys.
            Forbidden: The role may not.
        """
        require_for(access, ChangeEvent.REWRAP)
        self._require_transit(access)
        query = select(VariableRow.name).where(
            VariableRow.workspace == access.workspace,
            VariableRow.kind == "secret",
            VariableRow.state == "active",
            VariableRow.type.not_in(KEY_TYPES),
            VariableRow.source.is_(None),
        )
        with self._resources.sessions.read() as session:
            return session.scalars(query.order_by(VariableRow.name)).all()

    def rewrap(self, names: Sequence[str], *, access: Access) -> Iterator[Rewrapped]:
        """Move the value in force of each secret to its key's newest version, telling of each as it is done.

        It may be broken off anywhere and called again: what was moved already stays as it is. A value that somebody
        stores at the same moment wins, since it is under the newest key anyway. Older versions aren't moved; they stay
        readable, by the older key versions that Vault keeps.
        """
        with self._record(access) as deed:
            require_for(access, ChangeEvent.REWRAP)
            moved = 0
            deed.detail["changed"] = ["encryption"]
            for name in names:
                one = self._rewrap_alone(name, access=access)
                moved += one.outcome == "rewrapped"
                yield one
            deed.detail["rewrapped"] = moved

    def _rewrap_alone(self, name: str, *, access: Access) -> Rewrapped:
        try:
            moved = self._rewrap(name, access=access)
        except (NotFound, WriteConflict):  # deleted, or given a new value, in the meantime
            return Rewrapped(name, "unchanged")
        except StrongroomError as error:
            return Rewrapped(name, "failed", error.detail)
        return Rewrapped(name, "rewrapped" if moved else "unchanged")

    def _rewrap(self, name: str, *, access: Access) -> bool:
        """Store one value anew where it is under an older key version: a new version of it, with the same value."""
        sessions, clock = self._resources.sessions, self._resources.clock
        with sessions.begin() as session:
            row = secret_row(session, access, name, for_update=True)
            begin(session, row, ChangeEvent.REWRAP, access=access, at=clock())
            address = address_of(row, settings_of(row.workspace, session).engine)
        began = row.touched_at
        written = self._resources.vault.rewrap(address, role=person(access))
        with sessions.begin() as session:
            row = lock(session, row.id, state="active")
            if written is None:
                row.unfinished = row.touched_at != began
            else:
                settle(row, began=began, version=written.version, access=access, at=clock())
                note_version(session, row, written.version, by=access.actor.name)
        return written is not None

    def _record(self, access: Access) -> AbstractContextManager[Deed]:
        target = Target("workspace", access.workspace, access.workspace)
        resources = self._resources
        return recorded(
            sessions=resources.sessions, clock=resources.clock, access=access, action="workspace.update", target=target
        )

    def _require_transit(self, access: Access) -> None:
        with self._resources.sessions.read() as session:
            if settings_of(str(access.workspace), session).engine != "transit":
                raise Conflict(f"The workspace {access.workspace} has the engine kv: it has no keys of its own.")
