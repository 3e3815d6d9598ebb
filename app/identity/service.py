"""Users and service tokens: making them, proving them, taking them away."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Row, Table, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access import OPERATOR, Access, Actor, Permission, Principal, Role, require
from app.audit.service import Target, recorded
from app.db import Raw, Sessions, VersionedCache
from app.identity.models import TokenRow, UserRow
from app.kernel.clock import Clock
from app.kernel.errors import (
    Conflict,
    FieldLocation,
    Forbidden,
    NameTaken,
    NotFound,
    TooShort,
    Unauthenticated,
    ValidationFailed,
    in_body,
    in_header,
    in_path,
)

USER_ID: Final = re.compile(r"[A-Za-z0-9@._:+-]{1,128}")
_USER_IN_PATH: Final = in_path("user")
_TOKEN: Final = re.compile(r"srm_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")
_PASSWORDS: Final = PasswordHasher()
# Verified against when there is no such user, so that both answers take alike long.
_NOBODYS_HASH: Final = _PASSWORDS.hash(secrets.token_urlsafe(16))
_UNUSED_HASH: Final = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
_PASSWORD_LEAST: Final = 12
_USE_NOTED_EVERY: Final = timedelta(minutes=1)
# Made once, and of plain columns, which can be remembered: a row of the ORM belongs to its session.
_TOKENS: Final = cast(Table, TokenRow.__table__)
_TOKEN_BY_ID: Final = select(_TOKENS).where(_TOKENS.c.id == bindparam("token_id"))
_NOTE_USE: Final = "UPDATE tokens SET last_used_at = ? WHERE id = ?"


@dataclass(frozen=True, slots=True)
class User:
    """A user as the sign-in pages know them."""

    id: str
    must_change_password: bool
    session_epoch: int


@dataclass(frozen=True, slots=True)
class Token:
    """A service token, without what proves it."""

    id: str
    role: Role
    workspace: str | None
    label: str
    ad_hoc: bool
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is made of."""

    role: Role
    label: str = ""
    expires_at: datetime | None = None
    ad_hoc: bool = False


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token at the one moment when it can be read whole."""

    token: Token
    bearer: str

    def __repr__(self) -> str:
        return f"IssuedToken(token={self.token!r}, bearer='********')"


def authenticate(
    bearer: str | None, act_as: str | None, *, cache: VersionedCache, sessions: Sessions, clock: Clock
) -> Principal:
    """Prove a bearer token. Unknown, malformed, expired and revoked ones are told in the same words.

    Raises:
        Unauthenticated: the token proves nothing.
        Forbidden: ``act_as`` came with a token that isn't the platform's, or names a disabled user.
        ValidationFailed: ``act_as`` is no user id.
    """
    now = clock()
    row = _prove(bearer, cache=cache, now=now)
    role = Role(row.role)
    _note_use(row, cache=cache, sessions=sessions, now=now)
    if act_as is None:
        return Principal(Actor("token", row.id), role=role, workspace=row.workspace, ad_hoc=row.ad_hoc)
    if role is not Role.PLATFORM:
        raise Forbidden("Only a platform token acts for users.", extra={"action": "act_as"})
    _know_acting(act_as, sessions=sessions, now=now)
    return Principal(Actor("token", row.id, acting_for=act_as))


def token_id_of(bearer: str | None) -> str | None:
    """Return the id that a token gives; None where it doesn't even look like one."""
    match = _TOKEN.fullmatch(bearer or "")
    return match[1] if match else None


def _prove(bearer: str | None, *, cache: VersionedCache, now: datetime) -> Row[Any]:
    match = _TOKEN.fullmatch(bearer or "")
    token_id, random = match.groups() if match else ("", "")
    row = cache.get(("token", token_id), partial(_find_token, token_id=token_id))
    right = hmac.compare_digest(_hash(random), row.secret_hash if row else _UNUSED_HASH)
    if row is None or not right or row.revoked_at or (row.expires_at and row.expires_at <= now):
        raise Unauthenticated("This needs a valid bearer token: Authorization: Bearer srm_…")
    return row


def _find_token(session: Session, *, token_id: str) -> Row[Any] | None:
    return session.execute(_TOKEN_BY_ID, {"token_id": token_id}).first()


def _note_use(row: Row[Any], *, cache: VersionedCache, sessions: Sessions, now: datetime) -> None:
    # Once a minute is enough to show when a token was last used, and keeps a write out of every call's way.
    if row.last_used_at and now - row.last_used_at < _USE_NOTED_EVERY:
        return
    sessions.together((row.id, now), _write_uses)
    cache.forget(("token", row.id))


def _write_uses(raw: Raw, uses: Sequence[tuple[str, datetime]]) -> None:
    # In one order everywhere, so that no two processes wait for each other.
    raw.run(_NOTE_USE, [(raw.moment(moment), token_id) for token_id, moment in sorted(uses)])


def _know_acting(user_id: str, *, sessions: Sessions, now: datetime) -> None:
    check_user_id(user_id, field=in_header("Strongroom-Act-As"))
    with sessions.read() as session:
        user = session.get(UserRow, user_id)
    if user is not None and user.disabled:
        raise Forbidden("This user is disabled.", extra={"action": "act_as"})
    if user is None:
        with sessions.begin() as session:
            know_user(session, user_id, now=now)


def check_user_id(user_id: str, *, field: FieldLocation = _USER_IN_PATH) -> None:
    """Raise ``ValidationFailed``, naming the field, where the text can't be a user's id."""
    if not USER_ID.fullmatch(user_id):
        raise ValidationFailed(
            "A user id is 1 to 128 ASCII letters, digits and @ . _ : + -",
            errors={field: ["Must be 1 to 128 ASCII letters, digits or @ . _ : + -"]},
        )


def know_user(session: Session, user_id: str, *, now: datetime) -> None:
    """Make a user known; nothing happens where they are known already."""
    check_user_id(user_id)
    if session.get(UserRow, user_id) is None:
        with suppress(IntegrityError), session.begin_nested():  # or made known at the same moment
            session.add(UserRow(id=user_id, created_at=now))


def create_user(user_id: str, password: str, *, must_change: bool, sessions: Sessions, clock: Clock) -> None:
    """Give a user a password for the pages (making the user known where needed, and enabled where disabled).

    Raises:
        NameTaken: the user can sign in already.
        TooShort: the password has fewer than 12 characters.
    """
    _check_password(password)
    with sessions.begin() as session:
        know_user(session, user_id, now=clock())
        row = session.get_one(UserRow, user_id)
        if row.password_hash is not None and not row.disabled:
            raise NameTaken(f"{user_id} can sign in already; reset the password instead.")
        row.password_hash, row.must_change_password, row.disabled = _PASSWORDS.hash(password), must_change, False


def set_password(user_id: str, password: str, *, must_change: bool, sessions: Sessions) -> User:
    """Set a user's password, and sign the user out everywhere.

    Raises:
        NotFound: there is no such user.
        Conflict: the user is disabled.
        TooShort: the password has fewer than 12 characters.
    """
    _check_password(password)
    with sessions.begin() as session:
        row = session.get(UserRow, user_id)
        if row is None:
            raise NotFound(f"There is no user {user_id}.")
        if row.disabled:
            raise Conflict(f"{user_id} is disabled; `strongroom user create {user_id}` lets them sign in again.")
        row.password_hash, row.must_change_password = _PASSWORDS.hash(password), must_change
        row.session_epoch += 1
        return _as_user(row)


def change_password(user_id: str, current: str | None, new: str, *, sessions: Sessions) -> User:
    """Let a signed-in user set another password, and sign them out everywhere else.

    ``current`` may be None only where the user came in with a one-time password, which this ends.

    Raises:
        ValidationFailed: the current password is wrong, or the new one is the same.
        TooShort: the new password has fewer than 12 characters.
    """
    with sessions.read() as session:
        row = session.get_one(UserRow, user_id)
    now = row.password_hash or _NOBODYS_HASH
    if not (current is None and row.must_change_password) and not _password_matches(now, current or ""):
        raise ValidationFailed("The current password is wrong.", errors={in_body("current"): ["Is wrong."]})
    if _password_matches(now, new):
        raise ValidationFailed(
            "The new password is the old one.", errors={in_body("password"): ["Choose another than now."]}
        )
    return set_password(user_id, new, must_change=False, sessions=sessions)


def disable_user(user_id: str, *, sessions: Sessions) -> None:
    """Take the user's sign-in away, and sign them out everywhere. Raises ``NotFound`` for an unknown one."""
    with sessions.begin() as session:
        row = session.get(UserRow, user_id)
        if row is None:
            raise NotFound(f"There is no user {user_id}.")
        row.disabled = True
        row.session_epoch += 1


def _check_password(password: str) -> None:
    if len(password) < _PASSWORD_LEAST:
        raise TooShort(
            f"A password has at least {_PASSWORD_LEAST} characters.",
            errors={in_body("password"): [f"At least {_PASSWORD_LEAST} characters."]},
        )


def one_time_password() -> str:
    """Return a fresh random password of 120 bits."""
    return secrets.token_urlsafe(15)


def sign_in(user_id: str, password: str, *, request_id: str | None, sessions: Sessions, clock: Clock) -> User:
    """Check a password. A wrong one, an unknown user and a disabled one are told in the same words.

    Raises:
        Unauthenticated: the pair proves nobody.
    """
    access = Access(Actor("user", user_id[:128]), workspace=None, role=None, request_id=request_id)
    with recorded(
        sessions=sessions, clock=clock, access=access, action="session.sign_in",
        target=Target("session", name=user_id[:128]), intent=False,
    ):  # fmt: skip
        with sessions.read() as session:
            row = session.get(UserRow, user_id)
        right = _password_matches(row.password_hash if row and row.password_hash else _NOBODYS_HASH, password)
        if row is None or row.password_hash is None or row.disabled or not right:
            raise Unauthenticated("User or password is wrong.")
        return _as_user(row)


def sign_out(user_id: str, *, request_id: str | None, sessions: Sessions, clock: Clock) -> None:
    """Record that a user signed out; their cookie is the page's to take away."""
    access = Access(Actor("user", user_id), workspace=None, role=None, request_id=request_id)
    target = Target("session", name=user_id)
    with recorded(
        sessions=sessions, clock=clock, access=access, action="session.sign_out", target=target, intent=False
    ):
        pass


def signed_in_user(user_id: str, session_epoch: int, *, sessions: Sessions) -> User | None:
    """Return the user of a session cookie, or None where the session has ended meanwhile."""
    with sessions.read() as session:
        row = session.get(UserRow, user_id)
    if row is None or row.disabled or row.session_epoch != session_epoch:
        return None
    return _as_user(row)


def _password_matches(password_hash: str, password: str) -> bool:
    try:
        return _PASSWORDS.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def issue_token(new: NewToken, *, access: Access, sessions: Sessions, clock: Clock) -> IssuedToken:
    """Make a token: of the workspace that ``access`` stands in, or a platform token where it stands in none.

    Raises:
        Forbidden: only owners and admins, and the platform, make tokens; a workspace's own token makes none.
        ValidationFailed: the role doesn't go with the place, or the expiry is over.
    """
    target = Target("token", name=new.label or None)
    with recorded(
        sessions=sessions, clock=clock, access=access, action="token.create", target=target, intent=False
    ) as deed:
        _require_token_rights(access)
        _refuse_tokens_making_tokens(access)
        _check_new_token(new, access, now=clock())
        random = secrets.token_urlsafe(32)
        row = TokenRow(
            id=_token_id(),
            secret_hash=_hash(random),
            role=new.role.value,
            workspace=access.workspace,
            label=new.label,
            ad_hoc=new.ad_hoc,
            created_at=clock(),
            created_by=access.actor.name,
            expires_at=new.expires_at,
        )
        deed.target = Target("token", row.id, new.label or None)
        deed.detail |= {"role": new.role.value, "ad_hoc": new.ad_hoc}
        with sessions.begin() as session:
            session.add(row)
            deed.done(session, clock)
    return IssuedToken(_as_token(row), bearer=f"srm_{row.id}_{random}")


def _require_token_rights(access: Access) -> None:
    require(access, _token_permission(access))


def _refuse_tokens_making_tokens(access: Access) -> None:
    # A leaked admin token must not be able to outlive its own revocation by making others.
    if access.actor.type == "token" and access.actor.acting_for is None and access.role is not Role.PLATFORM:
        raise Forbidden("A workspace's own token makes no tokens.", extra={"action": _token_permission(access).value})


def _token_permission(access: Access) -> Permission:
    return Permission.TOKEN_MANAGE if access.workspace else Permission.PLATFORM_TOKEN_MANAGE


def _check_new_token(new: NewToken, access: Access, *, now: datetime) -> None:
    roles = (Role.RUNTIME, Role.EDITOR, Role.ADMIN) if access.workspace else (Role.PLATFORM,)
    if new.role not in roles:
        allowed = ", ".join(role.value for role in roles)
        raise ValidationFailed(
            f"A token made here has one of the roles {allowed}.",
            errors={in_body("role"): [f"One of: {allowed}."]},
        )
    if new.ad_hoc and new.role is not Role.RUNTIME:
        raise ValidationFailed(
            "Only a runtime token needs ad_hoc.", errors={in_body("ad_hoc"): ["Only with the role runtime."]}
        )
    if new.expires_at is not None and new.expires_at <= now:
        raise ValidationFailed(
            "The token would be expired at once.", errors={in_body("expires_at"): ["Is over already."]}
        )


def list_tokens(
    *, access: Access, sessions: Sessions, limit: int, after: tuple[datetime, str] | None = None
) -> Sequence[Token]:
    """List the tokens of the workspace that ``access`` stands in (or the platform's), oldest first."""
    _require_token_rights(access)
    query = select(TokenRow).where(TokenRow.workspace == access.workspace).order_by(TokenRow.created_at, TokenRow.id)
    if after is not None:
        moment, token_id = after
        query = query.where(
            (TokenRow.created_at > moment) | ((TokenRow.created_at == moment) & (TokenRow.id > token_id))
        )
    with sessions.read() as session:
        return [_as_token(row) for row in session.scalars(query.limit(limit))]


def get_token(token_id: str, *, access: Access, sessions: Sessions) -> Token:
    """Return one token. Raises ``NotFound`` where it belongs to somebody else."""
    _require_token_rights(access)
    with sessions.read() as session:
        return _as_token(_token_row(session, token_id, access))


def revoke_token(token_id: str, *, access: Access, sessions: Sessions, clock: Clock) -> None:
    """Revoke a token at once; revoking it twice does nothing more. Raises ``NotFound`` as ``get_token`` does."""
    with recorded(
        sessions=sessions, clock=clock, access=access, action="token.revoke",
        target=Target("token", token_id[:32]), intent=False,
    ) as deed:  # fmt: skip
        _require_token_rights(access)
        with sessions.begin() as session:
            row = _token_row(session, token_id, access)
            row.revoked_at = row.revoked_at or clock()
            deed.target = Target("token", row.id, row.label or None)
            deed.done(session, clock)


def revoke_tokens_of(session: Session, user_id: str, workspace: str, *, now: datetime) -> None:
    """Revoke the tokens that a user made in a workspace."""
    session.execute(
        update(TokenRow)
        .where(TokenRow.workspace == workspace, TokenRow.created_by == user_id, TokenRow.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def purge_tokens(workspace: str, *, sessions: Sessions) -> None:
    """Delete every token of a workspace."""
    with sessions.begin() as session:
        session.execute(delete(TokenRow).where(TokenRow.workspace == workspace))


def _token_row(session: Session, token_id: str, access: Access) -> TokenRow:
    row = session.get(TokenRow, token_id)
    if row is None or row.workspace != access.workspace:
        raise NotFound("There is no such token.")
    return row


def _token_id() -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(16))


def _hash(random: str) -> str:
    return hashlib.sha256(random.encode()).hexdigest()


def _as_user(row: UserRow) -> User:
    return User(row.id, must_change_password=row.must_change_password, session_epoch=row.session_epoch)


def _as_token(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        role=Role(row.role),
        workspace=row.workspace,
        label=row.label,
        ad_hoc=row.ad_hoc,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def list_all_tokens(*, sessions: Sessions) -> Sequence[Token]:
    """List every token of the service, for its operator."""
    with sessions.read() as session:
        return [_as_token(row) for row in session.scalars(select(TokenRow).order_by(TokenRow.created_at, TokenRow.id))]


def revoke_any_token(token_id: str, *, sessions: Sessions, clock: Clock) -> None:
    """Revoke a token of whatever workspace, as the operator. Raises ``NotFound``."""
    with sessions.read() as session:
        row = session.get(TokenRow, token_id)
    if row is None:
        raise NotFound("There is no such token.")
    revoke_token(token_id, access=Access(OPERATOR, row.workspace, Role.PLATFORM), sessions=sessions, clock=clock)
