"""A call whose answer goes on as it comes: what it stands on, how it ends, and what the record says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Final

from sqlalchemy.orm import Session

from app.access import Access, Permission, require
from app.audit.chain import Outcome
from app.audit.service import Deed, conclude, conclude_later
from app.db import VersionedCache
from app.kernel.errors import (
    ClientGone,
    Conflict,
    RecordUnavailable,
    StrongroomError,
    UpstreamTimeout,
    VaultUnavailable,
)
from app.outbound.inject import authority
from app.outbound.model import Origin, Response, ResponseStream
from app.resources import Resources
from app.telemetry import upstream_answered
from app.variables.secrets.binding import Source
from app.variables.secrets.managed import ManagedValues
from app.variables.secrets.references import UsableSecret, usable_secrets
from app.workspaces.service import settings_of

RequireSource = Callable[[Access, VersionedCache], None]

_GRANTS_EVERY: Final = 1.0
_GRANTS_UNKNOWN: Final = 10.0
"""After how many seconds grants are looked at again, and where Vault couldn't be asked."""


def outcome_facts(response: Response | ResponseStream, elapsed_ms: float) -> dict[str, object]:
    """Return what the record's outcome says of an answer.

    Args:
        elapsed_ms: How long it took until its last byte had come.
    """
    return {
        "status": response.status,
        "elapsed_ms": elapsed_ms,
        "sent_bytes": response.sent_bytes,
        "received_bytes": response.received_bytes,
        "redactions": response.redactions,
        "redirects": [authority(origin) for origin in response.redirects],
    }


@dataclass(frozen=True, slots=True)
class Ground:
    """What a stream stands on: it ends where one of these ends or is changed.

    Args:
        require_source: Raises where what was run is no more.
        secrets: By name, each secret's id and the digests of its rules.
        granted: Where values of it lie that Vault's operators manage, and have to grant on.
        origin: Where the call goes.
    """

    permission: Permission
    require_source: RequireSource
    secrets: Mapping[str, tuple[str, tuple[str, ...]]]
    granted: tuple[Source, ...]
    origin: Origin

    @classmethod
    def of(
        cls,
        permission: Permission,
        require_source: RequireSource,
        secrets: Mapping[str, UsableSecret],
        origin: Origin,
    ) -> Ground:
        """Return the ground of a call that carries these secrets to this origin."""
        facts = {name: (secret.id, secret.bindings) for name, secret in secrets.items()}
        granted = tuple(secret.source for secret in secrets.values() if secret.source)
        return cls(permission, require_source, facts, granted, origin)


class StreamedCall:
    """An answer on its way to the client, from the first byte to the recorded outcome; for one thread at a time."""

    def __init__(
        self, deed: Deed, answer: ResponseStream, ground: Ground, held: ExitStack, resources: Resources
    ) -> None:
        self.call_id = deed.id
        self.status = answer.status
        self.headers = answer.headers
        self.ground = ground
        self.workspace = str(deed.access.workspace)
        self.idle_seconds = answer.idle_seconds
        self.asks_vault = bool(ground.granted)
        self._deed = deed
        self._answer = answer
        self._held = held
        self._resources = resources
        self._began = monotonic()
        self._moved = self._came = self._began
        self._concluded = False
        self._next_look_at_grants = self._began

    @property
    def redactions(self) -> int:
        """How many places were redacted so far."""
        return self._answer.redactions

    @property
    def over(self) -> bool:
        """Whether the upstream's answer has ended, and all of it was taken."""
        return self._answer.over

    @property
    def more(self) -> bool:
        """Whether ``take`` has more to give at once, without a wait for the socket."""
        return self._answer.more

    @property
    def late(self) -> bool:
        """Whether nothing came for longer than the call allows, or the whole takes too long."""
        now = monotonic()
        return now - self._moved > self.idle_seconds or now - self._began > self._resources.limits.stream_seconds

    def fileno(self) -> int:
        """Return the number of the socket that the rest comes from; -1 where nothing is to come."""
        return self._answer.fileno()

    def take(self) -> bytes:
        """Give what has come and may go on, without waiting.

        Raises:
            UpstreamTimeout: Nothing came for longer than the call allows, or the whole took too long.
            UpstreamError, Stopping
        """
        piece = self._answer.take()
        now = monotonic()
        if self._answer.moved:
            self._moved = self._came = now
        elif not self.over and not self.more and now - self._moved > self.idle_seconds:
            raise UpstreamTimeout("The upstream paused for longer than the call allows.")
        if now - self._began > self._resources.limits.stream_seconds:
            raise UpstreamTimeout("The stream took longer than a stream may.")
        return piece

    def wait_on(self) -> None:
        """Count the time that the client took as none of the upstream's."""
        self._moved = monotonic()

    def require_recordable(self) -> None:
        """Look whether how the stream ends could be recorded now; asks nobody.

        Raises:
            RecordUnavailable
        """
        if not self._resources.sessions.lease.held:
            raise RecordUnavailable("The record can't be written at the moment, so the stream is cut.")

    def require_ground(self, access: Access, cache: VersionedCache) -> None:
        """Look whether everything that the stream stands on is as it was when it began.

        Args:
            access: The standing that its caller has now.
            cache: What was looked up before and still holds at this moment.

        Raises:
            Stopping: The service stops.
            Forbidden: The caller lost the permission.
            NotFound: The block is no more.
            Conflict: A secret was deleted, or its hosts, places or requests were changed.
            NotGranted: Vault's operators don't grant a value any more.
        """
        self._answer.require_running()
        require(access, self.ground.permission)
        self.ground.require_source(access, cache)
        if not self.ground.secrets:
            return
        names = tuple(sorted(self.ground.secrets))
        found = cache.get(("stream", self.workspace, names), lambda session: self._secrets_now(names, session))
        if found != self.ground.secrets:
            raise Conflict("A secret of this call was deleted, or may no longer go where it goes.")
        self._require_grants()

    def _require_grants(self) -> None:
        """Look now and then whether the operators grant on what the stream took from elsewhere in Vault."""
        now = monotonic()
        if not self.ground.granted or now < self._next_look_at_grants:
            return
        self._next_look_at_grants = now + _GRANTS_EVERY
        managed = ManagedValues(self._resources)
        try:
            for source in self.ground.granted:
                managed.require_destination(source, self.ground.origin, workspace=self.workspace)
        except VaultUnavailable:  # nobody can tell, and every stream waits for who asks
            self._next_look_at_grants = now + _GRANTS_UNKNOWN

    def _secrets_now(self, names: tuple[str, ...], session: Session) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        workspace = settings_of(self.workspace, session)
        found = usable_secrets(names, workspace=workspace, session=session)
        return {name: (secret.id, secret.bindings) for name, secret in found.items()}

    def close(self) -> None:
        """End the call upstream, and count the stream no more."""
        self._held.close()

    def finish(self) -> None:
        """Record that the whole answer went on. Raises ``RecordUnavailable``, where its last bytes must not."""
        self._conclude(None)

    def fail(self, error: StrongroomError, document: Mapping[str, object]) -> bytes:
        """Record why the stream ended early, and return what tells its reader; nothing where none can be told.

        Args:
            document: The problem document of ``error``.
        """
        self._conclude(error.code)
        upstream_answered(error.code, redactions=self._answer.redactions)
        return self._answer.farewell(json.dumps(document).encode())

    def abandon(self, *code: str) -> None:
        """Record that the client went away, or by its code why else nobody reads on, and end the call upstream."""
        self._conclude(*code or (ClientGone.code,))

    def cut(self, error: RecordUnavailable) -> None:
        """End a stream whose end can't be recorded now; it is later."""
        self._conclude(error.code, later=True)

    def _conclude(self, code: str | None, *, later: bool = False) -> None:
        self.close()
        if self._concluded:
            return
        self._concluded = True
        self._deed.detail |= outcome_facts(self._answer, round((self._came - self._began) * 1000, 1))
        if code is not None:
            self._deed.detail["code"] = code
        outcome: Outcome = "done" if code is None else "failed"
        record = conclude_later if later else conclude
        record(self._deed, outcome, sessions=self._resources.sessions, clock=self._resources.clock)
