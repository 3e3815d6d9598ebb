"""One deed for one key: whoever comes first claims it, and whoever comes later gets the first one's answer.

The claim is a row, so it holds for every process on the database. Whatever is recorded of a deed names the deed in the
claim, in the same transaction, and isn't recorded where somebody else has the claim by then. A process that dies leaves
its claim behind: when its lease has been out for a while, however long the request may take, the key is free if no deed
was recorded. Where one was, and nobody can know how far it came, the key stays taken.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.db import Cursor, Sessions, live_processes
from app.idempotency.models import KeyedRequestRow
from app.kernel.clock import Clock
from app.kernel.errors import Conflict, IdempotencyKeyReused, in_header

T = TypeVar("T")
_State = Literal["over", "under way", "in doubt", "answered"]

KEPT_FOR: Final = timedelta(hours=24)
HELD: Final = "-"
"""In the place of a process's name: the key stays taken, whoever dies."""
_WITHOUT_LEASE: Final = timedelta(seconds=150)
"""How long a claim counts that a process made which had no lease: of a version before this one, during an update."""
_ATTEMPT_OF: Final = "SELECT attempt FROM keyed_requests WHERE id = ?"
_NAME_DEED: Final = "UPDATE keyed_requests SET deed_id = ? WHERE id = ? AND attempt = ?"
_STORE_ANSWER: Final = "UPDATE keyed_requests SET answer = ? WHERE id = ? AND attempt = ?"
_HOLD: Final = "UPDATE keyed_requests SET process = ? WHERE id = ? AND attempt = ?"
_RELEASE: Final = "DELETE FROM keyed_requests WHERE id = ? AND attempt = ?"
_TRY_AGAIN_SECONDS: Final = 1


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The service's keys: one for digests, one for answers."""

    digests: bytes
    answers: Fernet


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under a key, as far as it matters here: who, where, which key, and all that makes it this request."""

    actor: str
    workspace: str | None
    key: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do the deed, for the one who got it."""

    id: str
    attempt: str


def derive_keys(secret: bytes) -> Keys:
    """Derive both keys from the service's secret key. Source: RFC 5869."""

    def _derive(purpose: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)

    return Keys(
        _derive(b"strongroom idempotency digests"),
        Fernet(base64.urlsafe_b64encode(_derive(b"strongroom idempotency answers"))),
    )


def claim(asked: KeyedRequest, *, keys: Keys, sessions: Sessions, clock: Clock) -> Claim | bytes:
    """Claim the deed, or return the answer that it had.

    Raises:
        IdempotencyKeyReused: the key came before with another request.
        Conflict: the first request under the key is still under way.
    """
    wanted = KeyedRequestRow(
        id=_digest(keys, asked.actor.encode() + b"\0" + asked.key.encode()),
        workspace=asked.workspace,
        fingerprint=_digest(keys, asked.request),
        attempt=uuid.uuid4().hex,
        begun_at=clock(),
        process=sessions.lease.process,
        deed_id=None,
        answer=None,
    )
    try:
        with sessions.begin() as session:
            found = session.get(KeyedRequestRow, wanted.id, with_for_update=True)
            if found is None:
                session.add(wanted)  # never in the place of a row: one that came since then is somebody's claim
                return Claim(wanted.id, wanted.attempt)
            state = _state_of(found, now=wanted.begun_at, live=live_processes(session))
            if state == "over":
                session.merge(wanted)
                return Claim(wanted.id, wanted.attempt)
            return _answer_of(found, wanted, state=state, keys=keys)
    except IntegrityError:  # somebody else was first, by a moment
        raise _under_way() from None


def _digest(keys: Keys, text: bytes) -> str:
    return hmac.digest(keys.digests, text, "sha256").hex()


def _state_of(row: KeyedRequestRow, *, now: datetime, live: frozenset[str]) -> _State:
    age = now - row.begun_at
    if age > KEPT_FOR:
        return "over"
    if row.answer is not None:
        return "answered"
    if row.process == HELD:
        return "in doubt"
    if row.process is None:
        return "over" if age > _WITHOUT_LEASE else "under way"
    if row.process in live:
        return "under way"
    return "over" if row.deed_id is None else "in doubt"


def _answer_of(row: KeyedRequestRow, wanted: KeyedRequestRow, *, state: _State, keys: Keys) -> bytes:
    if not hmac.compare_digest(row.fingerprint, wanted.fingerprint):
        raise IdempotencyKeyReused(
            "This Idempotency-Key came before with another request.",
            errors={in_header("Idempotency-Key"): ["Take a new key for a new request."]},
        )
    if state == "in doubt":
        raise Conflict(
            "The first request with this Idempotency-Key was broken off, and what came of it isn't known; the record"
            " has what is known. Take a new key to do it again.",
            extra={} if row.deed_id is None else {"call_id": row.deed_id},
        )
    if row.answer is None:
        raise _under_way()
    return keys.answers.decrypt(row.answer)


def _under_way() -> Conflict:
    return Conflict("The first request with this Idempotency-Key is still under way.", retry_after=_TRY_AGAIN_SECONDS)


def mark(claimed: Claim) -> Callable[[Cursor, str], None]:
    """Return what names a deed in the claim, in the transaction that records it. It raises ``Conflict``.

    A process that stood still for so long that another took its claim begins nothing when it goes on.
    """

    def _name_deed(cursor: Cursor, deed_id: str) -> None:
        found = cursor.first(_ATTEMPT_OF + cursor.for_update, claimed.id)
        if found is None or found[0] != claimed.attempt:
            raise _under_way()
        cursor.run(_NAME_DEED, [(deed_id, claimed.id, claimed.attempt)])

    return _name_deed


def keep(claimed: Claim, answer: bytes, *, keys: Keys, sessions: Sessions) -> None:
    """Keep the answer of a deed that was done. Where the database is away, it is stored as soon as it is back."""
    _settle((claimed.id, claimed.attempt, keys.answers.encrypt(answer)), _store_answers, sessions=sessions)


def hold(claimed: Claim, *, sessions: Sessions) -> None:
    """Keep the key taken: the deed was begun, and nobody knows how far it came. The same where the database is away."""
    _settle((claimed.id, claimed.attempt), _hold, sessions=sessions)


def release(claimed: Claim, *, sessions: Sessions) -> None:
    """Free the key: nothing was done. The same where the database is away."""
    _settle((claimed.id, claimed.attempt), _release, sessions=sessions)


def _settle(row: T, write: Callable[[Cursor, Sequence[T]], None], *, sessions: Sessions) -> None:
    try:
        sessions.write_together(row, write)
    except SQLAlchemyError:
        sessions.lease.later(row, write)


def _store_answers(cursor: Cursor, rows: Sequence[tuple[str, str, bytes]]) -> None:
    # In one order everywhere, so that no two processes wait for each other.
    cursor.run(_STORE_ANSWER, [(answer, key, attempt) for key, attempt, answer in sorted(rows)])


def _hold(cursor: Cursor, rows: Sequence[tuple[str, str]]) -> None:
    cursor.run(_HOLD, [(HELD, *row) for row in sorted(rows)])


def _release(cursor: Cursor, rows: Sequence[tuple[str, str]]) -> None:
    cursor.run(_RELEASE, sorted(rows))


def forget_old_answers(*, sessions: Sessions, clock: Clock) -> None:
    """Delete what is older than it is kept for."""
    with sessions.begin() as session:
        session.execute(delete(KeyedRequestRow).where(KeyedRequestRow.begun_at < clock() - KEPT_FOR))


def purge_answers(workspace: str, *, sessions: Sessions) -> None:
    """Delete every answer of a workspace that is being deleted."""
    with sessions.begin() as session:
        session.execute(delete(KeyedRequestRow).where(KeyedRequestRow.workspace == workspace))
