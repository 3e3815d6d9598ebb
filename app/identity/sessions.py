"""Sessions of the pages: a row each, whose id the cookie holds, signed; what ends the row ends every copy of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import Access, Actor
from app.audit.actions import Action
from app.audit.service import Target, recorded
from app.db import Sessions
from app.identity.models import SessionRow, UserRow
from app.identity.single_sign_on import Identity, Logout
from app.identity.users import USER_ID, User, as_user, ensure_user, password_matches
from app.kernel.clock import Clock
from app.kernel.errors import NotFound, Unauthenticated

UNKNOWN_USER: Final = "?"
"""Who tried to sign in as nobody that is known; it can't be a user's id."""
_SEEN_EVERY: Final = timedelta(minutes=1)
_AGENT_MAX_CHARACTERS: Final = 200
_ADDRESS_MAX_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session is used from, for its owner to recognise it: the browser's own words, and its address."""

    agent: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class UserSession:
    """A session as its owner sees it; ``ends_at`` is its end at the latest."""

    id: str
    user_id: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user, and the session through which they act."""

    session_id: str
    user: User


class UserSessions:
    """Begins, finds and ends the pages' sessions; bound to the database and the clock.

    Args:
        hours: How long a session lasts at most, whatever is done with it.
        idle: How long one lasts without a request.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        hours: float = 12,
        idle: timedelta = timedelta(minutes=30),
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._lasts = timedelta(hours=hours)
        self._idle = idle

    def sign_in(
        self, user_id: str, password: str, *, device: Device = Device(), request_id: str | None = None
    ) -> SignedIn:
        """Check a password and begin a session. A wrong one, an unknown and a disabled user are told in the same words.

        The refusal of an unknown user is an event of ``UNKNOWN_USER``: a stranger writes nothing of their own into the
        record, and what was typed there may be a password.

        Raises:
            Unauthenticated: The pair proves nobody.
        """
        with self._sessions.read() as session:
            row = session.get(UserRow, user_id)
        right = password_matches(row.password_hash if row else None, password)
        with self._record("session.sign_in", row.id if row else UNKNOWN_USER, request_id) as deed:
            if row is None or row.disabled or not right:
                raise Unauthenticated("User or password is wrong.")
            with self._sessions.begin() as session:
                begun = self._add(session, row.id, device)
                deed.target = Target("session", begun.id[:12], row.id)
                deed.complete(session, self._clock)
        return SignedIn(begun.id, as_user(row))

    def begin(self, user: User, *, device: Device = Device()) -> SignedIn:
        """Begin a session of a user who has just proved who they are by other means: a new password."""
        with self._sessions.begin() as session:
            return SignedIn(self._add(session, user.id, device).id, user)

    def begin_confirmed(
        self, identity: Identity, *, attempt: str, device: Device = Device(), request_id: str | None = None
    ) -> SignedIn:
        """Begin a session of somebody whom the identity provider confirmed; an unknown user becomes known.

        Args:
            attempt: What names this attempt to sign in; each serves once.

        Raises:
            Unauthenticated: The user is disabled, has an id that can't be one here, or the attempt was used before.
        """
        if not USER_ID.fullmatch(identity.user_id):
            raise Unauthenticated("The identity provider calls you by a name that can't be a user id here.")
        with self._record("session.sign_in", identity.user_id, request_id) as deed:
            deed.detail["single_sign_on"] = True
            try:
                with self._sessions.begin() as session:
                    ensure_user(session, identity.user_id, now=self._clock())
                    row = session.get_one(UserRow, identity.user_id)
                    if row.disabled:
                        raise Unauthenticated("This user is disabled here.")
                    begun = self._add(session, row.id, device)
                    begun.provider_subject = identity.subject
                    begun.provider_session = identity.provider_session
                    begun.attempt = attempt
                    session.flush()
                    deed.target = Target("session", begun.id[:12], row.id)
                    deed.complete(session, self._clock)
            except IntegrityError:
                raise Unauthenticated("This sign-in has been used already. Begin again.") from None
        return SignedIn(begun.id, User(row.id, must_change_password=False))

    def end_confirmed(self, logout: Logout, *, request_id: str | None = None) -> int:
        """End the sessions that the identity provider says are over. Returns how many ended."""
        query = select(SessionRow)
        if logout.provider_session is not None:
            query = query.where(SessionRow.provider_session == logout.provider_session)
        if logout.subject is not None:
            query = query.where(SessionRow.provider_subject == logout.subject)
        with self._sessions.read() as session:
            found = session.scalars(query).all()
        for row in found:
            with suppress(NotFound):  # ended by its user at the same moment
                self.end(row.user_id, row.id, request_id=request_id)
        return len(found)

    def find(self, session_id: str) -> SignedIn | None:
        """Return whose session this is; None where it has ended, or the user is disabled."""
        now = self._clock()
        query = select(SessionRow, UserRow).join(UserRow, UserRow.id == SessionRow.user_id)
        with self._sessions.read() as session:
            found = session.execute(query.where(SessionRow.id == session_id, *self._live(now))).first()
        if found is None or found[1].disabled:
            return None
        if now - found[0].seen_at >= min(_SEEN_EVERY, self._idle / 4):
            with self._sessions.begin() as session:
                row = session.get(SessionRow, session_id)
                if row is not None:
                    row.seen_at = now
        return SignedIn(session_id, as_user(found[1]))

    def list(self, user_id: str) -> Sequence[UserSession]:
        """List a user's sessions that are still good, the newest first."""
        query = select(SessionRow).where(SessionRow.user_id == user_id, *self._live(self._clock()))
        with self._sessions.read() as session:
            return [_as_session(row) for row in session.scalars(query.order_by(SessionRow.created_at.desc()))]

    def end(self, user_id: str, session_id: str, *, request_id: str | None = None) -> None:
        """End one session of a user, in every copy of its cookie and every process. Recorded as ``session.sign_out``.

        Raises:
            NotFound: The user has no such session.
        """
        with (
            self._record("session.sign_out", user_id, request_id, session_id=session_id) as deed,
            self._sessions.begin() as session,
        ):
            row = session.get(SessionRow, session_id)
            if row is None or row.user_id != user_id:
                raise NotFound("There is no such session.")
            session.delete(row)
            deed.complete(session, self._clock)

    def end_all(self, user_id: str, *, keep: str | None = None, request_id: str | None = None) -> int:
        """End all sessions of a user.

        Args:
            keep: The id of one that goes on.

        Returns:
            How many ended.
        """
        with self._record("session.sign_out", user_id, request_id) as deed, self._sessions.begin() as session:
            query = delete(SessionRow).where(SessionRow.user_id == user_id)
            if keep is not None:
                query = query.where(SessionRow.id != keep)
            ended = len(session.execute(query.returning(SessionRow.id)).all())
            deed.detail["sessions"] = ended
            deed.complete(session, self._clock)
        return ended

    def _add(self, session: Session, user_id: str, device: Device) -> SessionRow:
        now = self._clock()
        session.execute(delete(SessionRow).where(SessionRow.ends_at <= now))
        row = SessionRow(
            id=secrets.token_urlsafe(24),
            user_id=user_id,
            created_at=now,
            seen_at=now,
            ends_at=now + self._lasts,
            agent=_storable(device.agent)[:_AGENT_MAX_CHARACTERS],
            address=_storable(device.address)[:_ADDRESS_MAX_CHARACTERS],
        )
        session.add(row)
        return row

    def _live(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        # What was seen is noted once in a while only, hence the minute.
        return (SessionRow.ends_at > now, SessionRow.seen_at > now - self._idle - _SEEN_EVERY)

    def _record(
        self, action: Action, user_id: str, request_id: str | None, *, session_id: str | None = None
    ) -> recorded:
        access = Access(Actor("user", user_id), workspace=None, role=None, request_id=request_id)
        target = Target("session", session_id and session_id[:12], user_id)
        return recorded(
            sessions=self._sessions, clock=self._clock, access=access, action=action, target=target, intent=False
        )


def _storable(text: str) -> str:
    """Return what a browser says of itself without what no database takes."""
    return text.encode(errors="replace").decode().replace("\x00", "")


def _as_session(row: SessionRow) -> UserSession:
    return UserSession(**{name: getattr(row, name) for name in UserSession.__slots__})
