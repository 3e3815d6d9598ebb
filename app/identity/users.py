"""Users: who is known, who can sign in, their passwords, and the end of their rights."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import OPERATOR, Access, Actor
from app.audit.actions import Action
from app.audit.service import Target, recorded
from app.db import Sessions
from app.identity.models import SessionRow, TokenRow, UserRow
from app.kernel.clock import Clock
from app.kernel.errors import (
    Conflict,
    FieldLocation,
    Forbidden,
    NameTaken,
    NotFound,
    TooShort,
    ValidationFailed,
    in_body,
    in_header,
    in_path,
)

USER_ID: Final = re.compile(r"[A-Za-z0-9@._:+-]{1,128}")
_USER_IN_PATH: Final = in_path("user")
_PASSWORDS: Final = PasswordHasher()
# Verified against where there is no such user, so that both answers take alike long. It is written and not computed,
# which every process would wait for at its start: random bytes in the place of a digest are no password's.
_NO_USERS_HASH: Final = "$".join(
    (
        f"$argon2id$v={ARGON2_VERSION}",
        f"m={_PASSWORDS.memory_cost},t={_PASSWORDS.time_cost},p={_PASSWORDS.parallelism}",
        *(
            b64encode(secrets.token_bytes(size)).decode().rstrip("=")
            for size in (_PASSWORDS.salt_len, _PASSWORDS.hash_len)
        ),
    )
)
_PASSWORD_MIN_CHARACTERS: Final = 12
_BY_OPERATOR: Final = Access(OPERATOR, workspace=None, role=None)


@dataclass(frozen=True, slots=True)
class User:
    """A user as the sign-in pages know them."""

    id: str
    must_change_password: bool


class Users:
    """Creates, disables and looks after users; bound to the database and the clock."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def create(self, user_id: str, password: str, *, must_change: bool, access: Access = _BY_OPERATOR) -> None:
        """Give a user a password for the pages; makes an unknown user known and enables a disabled one.

        Raises:
            NameTaken: The user can sign in already.
            TooShort: The password has fewer than 12 characters.
            ValidationFailed: The text can't be a user's id.
        """
        with self._record("user.create", user_id, access) as deed:
            _check_password(password)
            with self._sessions.begin() as session:
                ensure_user(session, user_id, now=self._clock())
                row = session.get_one(UserRow, user_id)
                if row.password_hash is not None and not row.disabled:
                    raise NameTaken(f"{user_id} can sign in already; reset the password instead.")
                deed.action = "user.enable" if row.disabled else "user.create"
                row.password_hash, row.must_change_password = _PASSWORDS.hash(password), must_change
                row.disabled = False
                deed.complete(session, self._clock)

    def reset_password(self, user_id: str, password: str, *, must_change: bool) -> None:
        """Set a user's password as the operator, and end all their sessions.

        Raises:
            NotFound: There is no such user.
            Conflict: The user is disabled.
            TooShort: The password has fewer than 12 characters.
        """
        self._set_password(user_id, password, "user.reset_password", must_change=must_change, access=_BY_OPERATOR)

    def change_password(self, user_id: str, current: str | None, new: str, *, request_id: str | None = None) -> User:
        """Let a signed-in user set another password, and end all their sessions.

        Args:
            current: The password in force; None only where the user came in with a one-time password.

        Raises:
            ValidationFailed: The current password is wrong, or the new one is the same.
            TooShort: The new password has fewer than 12 characters.
            Conflict, NotFound: The user was disabled or deleted meanwhile.
        """
        with self._sessions.read() as session:
            row = session.get_one(UserRow, user_id)
        stored = row.password_hash or _NO_USERS_HASH
        if not (current is None and row.must_change_password) and not password_matches(stored, current or ""):
            raise ValidationFailed("The current password is wrong.", errors={in_body("current"): ["Is wrong."]})
        if password_matches(stored, new):
            raise ValidationFailed(
                "The new password is the old one.",
                errors={in_body("password"): ["Choose a password other than the current one."]},
            )
        access = Access(Actor("user", user_id), workspace=None, role=None, request_id=request_id)
        return self._set_password(user_id, new, "user.change_password", must_change=False, access=access)

    def _set_password(self, user_id: str, password: str, action: Action, *, must_change: bool, access: Access) -> User:
        with self._record(action, user_id, access) as deed:
            _check_password(password)
            with self._sessions.begin() as session:
                row = _row(session, user_id)
                if row.disabled:
                    raise Conflict(
                        f"{user_id} is disabled; `strongroom user create {user_id}` lets them sign in again."
                    )
                row.password_hash, row.must_change_password = _PASSWORDS.hash(password), must_change
                session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))
                deed.complete(session, self._clock)
                return as_user(row)

    def with_password(self, user_ids: Collection[str]) -> frozenset[str]:
        """Return which of these users can sign in with a password."""
        query = select(UserRow.id).where(
            UserRow.id.in_(user_ids), ~UserRow.disabled, UserRow.password_hash.is_not(None)
        )
        with self._sessions.read() as session:
            return frozenset(session.scalars(query))

    def disable(self, user_id: str) -> None:
        """Take a user's sign-in away, end their sessions, and revoke the tokens that they made, all at once.

        Raises:
            NotFound: There is no such user.
        """
        with self._record("user.disable", user_id, _BY_OPERATOR) as deed, self._sessions.begin() as session:
            row = _row(session, user_id)
            row.disabled = True
            session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))
            deed.detail["tokens_revoked"] = revoke_tokens_made_by(session, user_id, now=self._clock())
            deed.complete(session, self._clock)

    def act_for(self, user_id: str) -> None:
        """Let the platform act for a user; one that was never seen before becomes known.

        Raises:
            Forbidden: The user is disabled.
            ValidationFailed: The text can't be a user's id.
        """
        check_user_id(user_id, field=in_header("Strongroom-Act-As"))
        with self._sessions.read() as session:
            row = session.get(UserRow, user_id)
        if row is not None and row.disabled:
            raise Forbidden("This user is disabled.", extra={"action": "act_as"})
        if row is None:
            with self._sessions.begin() as session:
                ensure_user(session, user_id, now=self._clock())

    def _record(self, action: Action, user_id: str, access: Access) -> recorded:
        name = user_id[:128]
        return recorded(
            sessions=self._sessions,
            clock=self._clock,
            access=access,
            action=action,
            target=Target("user", name, name),
            intent=False,
        )


def check_user_id(user_id: str, *, field: FieldLocation = _USER_IN_PATH) -> None:
    """Check the form of a user's id.

    Args:
        field: Where it stood, as the error names it.

    Raises:
        ValidationFailed: The text can't be a user's id.
    """
    if not USER_ID.fullmatch(user_id):
        raise ValidationFailed(
            "A user id is 1 to 128 ASCII letters, digits and @ . _ : + -",
            errors={field: ["Must be 1 to 128 ASCII letters, digits or @ . _ : + -"]},
        )


def ensure_user(session: Session, user_id: str, *, now: datetime) -> None:
    """Make a user known; does nothing where they are known already.

    Raises:
        ValidationFailed: The text can't be a user's id.
    """
    check_user_id(user_id)
    if session.get(UserRow, user_id) is None:
        with suppress(IntegrityError), session.begin_nested():  # or made known at the same moment
            session.add(UserRow(id=user_id, created_at=now))


def revoke_tokens_made_by(session: Session, user_id: str, *, workspace: str | None = None, now: datetime) -> int:
    """Revoke the tokens that a user made.

    Args:
        workspace: Only those of this workspace; None: all.

    Returns:
        How many were in force until now.
    """
    query = update(TokenRow).where(TokenRow.created_by == user_id, TokenRow.revoked_at.is_(None))
    if workspace is not None:
        query = query.where(TokenRow.workspace == workspace)
    return len(session.execute(query.values(revoked_at=now).returning(TokenRow.id)).all())


def one_time_password() -> str:
    """Return a fresh random password of 120 bits."""
    return secrets.token_urlsafe(15)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Compare a password with its Argon2 hash; takes as long where there is no hash, and is False then."""
    try:
        _PASSWORDS.verify(password_hash or _NO_USERS_HASH, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def as_user(row: UserRow) -> User:
    """Return what the pages may know of a user."""
    return User(row.id, must_change_password=row.must_change_password)


def _row(session: Session, user_id: str) -> UserRow:
    row = session.get(UserRow, user_id)
    if row is None:
        raise NotFound(f"There is no user {user_id}.")
    return row


def _check_password(password: str) -> None:
    if len(password) < _PASSWORD_MIN_CHARACTERS:
        raise TooShort(
            f"A password has at least {_PASSWORD_MIN_CHARACTERS} characters.",
            errors={in_body("password"): [f"At least {_PASSWORD_MIN_CHARACTERS} characters."]},
        )
