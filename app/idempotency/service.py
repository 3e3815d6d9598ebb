"""One deed for one key: whoever comes first claims it, and whoever comes later gets the first one's answer.

The claim is a row, so it holds for every process on the database. A process that dies leaves its claim behind; it
counts for ``DEAD_AFTER``, which is longer than any request can take, and then the key is free.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from app.db import Sessions
from app.idempotency.models import KeyedRequestRow
from app.kernel.clock import Clock
from app.kernel.errors import Conflict, IdempotencyKeyReused, in_header

KEPT_FOR: Final = timedelta(hours=24)
DEAD_AFTER: Final = timedelta(seconds=150)
_TRY_AGAIN_SECONDS: Final = 1


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The service's keys: one for digests, one for answers."""

    digests: bytes
    answers: Fernet


@dataclass(frozen=True, slots=True)
class Asked:
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


def claim(asked: Asked, *, keys: Keys, sessions: Sessions, clock: Clock) -> Claim | bytes:
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
        answer=None,
    )
    try:
        with sessions.begin() as session:
            found = session.get(KeyedRequestRow, wanted.id, with_for_update=True)
            if found is None:
                session.add(wanted)  # never in the place of a row: one that came since then is somebody's claim
            elif _is_over(found, now=wanted.begun_at):
                session.merge(wanted)
            else:
                return _answer_of(found, wanted, keys=keys)
    except IntegrityError:  # somebody else was first, by a moment
        raise _under_way() from None
    return Claim(wanted.id, wanted.attempt)


def _digest(keys: Keys, text: bytes) -> str:
    return hmac.digest(keys.digests, text, "sha256").hex()


def _is_over(row: KeyedRequestRow, *, now: datetime) -> bool:
    return now - row.begun_at > (DEAD_AFTER if row.answer is None else KEPT_FOR)


def _answer_of(row: KeyedRequestRow, wanted: KeyedRequestRow, *, keys: Keys) -> bytes:
    if not hmac.compare_digest(row.fingerprint, wanted.fingerprint):
        raise IdempotencyKeyReused(
            "This Idempotency-Key came before with another request.",
            errors={in_header("Idempotency-Key"): ["Take a new key for a new request."]},
        )
    if row.answer is None:
        raise _under_way()
    return keys.answers.decrypt(row.answer)


def _under_way() -> Conflict:
    return Conflict("The first request with this Idempotency-Key is still under way.", retry_after=_TRY_AGAIN_SECONDS)


def keep(claimed: Claim, answer: bytes, *, keys: Keys, sessions: Sessions) -> None:
    """Keep the answer of a deed that was done."""
    with sessions.begin() as session:
        session.execute(
            update(KeyedRequestRow)
            .where(KeyedRequestRow.id == claimed.id, KeyedRequestRow.attempt == claimed.attempt)
            .values(answer=keys.answers.encrypt(answer))
        )


def release(claimed: Claim, *, sessions: Sessions) -> None:
    """Free the key: nothing was done."""
    with sessions.begin() as session:
        session.execute(
            delete(KeyedRequestRow).where(KeyedRequestRow.id == claimed.id, KeyedRequestRow.attempt == claimed.attempt)
        )


def forget_old_answers(*, sessions: Sessions, clock: Clock) -> None:
    """Delete what is older than it is kept for."""
    with sessions.begin() as session:
        session.execute(delete(KeyedRequestRow).where(KeyedRequestRow.begun_at < clock() - KEPT_FOR))


def purge_answers(workspace: str, *, sessions: Sessions) -> None:
    """Delete every answer of a workspace that is being deleted."""
    with sessions.begin() as session:
        session.execute(delete(KeyedRequestRow).where(KeyedRequestRow.workspace == workspace))
