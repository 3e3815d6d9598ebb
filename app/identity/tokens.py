"""Service tokens: issued, proved, revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from sqlalchemy import Row, Table, bindparam, delete, func, select
from sqlalchemy.orm import Session

from app.access import OPERATOR, Access, Actor, Permission, Principal, Role, require
from app.audit.service import Target, recorded
from app.db import Cursor, Sessions, VersionedCache
from app.identity.models import TokenRow
from app.identity.users import Users
from app.kernel.clock import Clock
from app.kernel.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed, in_body

_TOKEN: Final = re.compile(r"srm_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")
# Compared with where there is no such token, so that both answers take alike long.
_NO_TOKENS_HASH: Final = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
_USE_STORED_EVERY: Final = timedelta(minutes=1)
# Written once, and of plain columns, which can be cached: a row of the ORM belongs to its session.
_TOKENS: Final = cast(Table, TokenRow.__table__)
_TOKEN_BY_ID: Final = select(_TOKENS).where(_TOKENS.c.id == bindparam("token_id"))
_STORE_USE: Final = "UPDATE tokens SET last_used_at = ? WHERE id = ?"


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


class Tokens:
    """Issues, proves and revokes service tokens; bound to the database and the clock."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def authenticate(self, bearer: str | None, act_as: str | None, *, cache: VersionedCache) -> Principal:
        """Prove a bearer token. Unknown, malformed, expired and revoked ones are told in the same words.

        Args:
            bearer: What stood after ``Bearer``; None where nothing did.
            act_as: The user whom a platform token acts for.

        Raises:
            Unauthenticated: The token proves nothing.
            Forbidden: ``act_as`` came with a token that isn't the platform's, or names a disabled user.
            ValidationFailed: ``act_as`` is no user id.
        """
        now = self._clock()
        row = _prove(bearer, cache=cache, now=now)
        role = Role(row.role)
        self._store_use(row, cache=cache, now=now)
        if act_as is None:
            return Principal(Actor("token", row.id), role=role, workspace=row.workspace, ad_hoc=row.ad_hoc)
        if role is not Role.PLATFORM:
            raise Forbidden("Only a platform token acts for users.", extra={"action": "act_as"})
        Users(self._sessions, self._clock).act_for(act_as)
        return Principal(Actor("token", row.id, acting_for=act_as))

    def _store_use(self, row: Row[Any], *, cache: VersionedCache, now: datetime) -> None:
        # Once a minute is enough to show when a token was last used, and keeps a write out of every call's way.
        if row.last_used_at and now - row.last_used_at < _USE_STORED_EVERY:
            return
        self._sessions.write_together((row.id, now), _write_uses)
        cache.forget(("token", row.id))

    def issue(self, new: NewToken, *, access: Access) -> IssuedToken:
        """Make a token: of the workspace that ``access`` stands in, or a platform token where it stands in none.

        Raises:
            Forbidden: Only owners and admins, and the platform, make tokens; a workspace's own token makes none.
            ValidationFailed: The role doesn't go with the place, or the expiry is over.
        """
        target = Target("token", name=new.label or None)
        with recorded(
            sessions=self._sessions,
            clock=self._clock,
            access=access,
            action="token.create",
            target=target,
            intent=False,
        ) as deed:
            _require_rights(access)
            _refuse_tokens_making_tokens(access)
            _check_new_token(new, access, now=self._clock())
            random = secrets.token_urlsafe(32)
            row = _new_row(new, random, access=access, now=self._clock())
            deed.target = Target("token", row.id, new.label or None)
            deed.detail |= {"role": new.role.value, "ad_hoc": new.ad_hoc}
            with self._sessions.begin() as session:
                session.add(row)
                deed.complete(session, self._clock)
        return IssuedToken(_as_token(row), bearer=f"srm_{row.id}_{random}")

    def list(
        self, *, access: Access, limit: int, after: tuple[datetime, str] | None = None, offset: int = 0
    ) -> Sequence[Token]:
        """List the tokens of the workspace that ``access`` stands in (or the platform's), oldest first.

        Args:
            limit: How many at most.
            after: When the last one of the page before was created, and its id.
            offset: How many to leave out, where the list is asked for by the number of a page.

        Raises:
            Forbidden: The actor may not manage tokens here.
        """
        _require_rights(access)
        query = select(TokenRow).where(TokenRow.workspace == access.workspace)
        if after is not None:
            moment, token_id = after
            query = query.where(
                (TokenRow.created_at > moment) | ((TokenRow.created_at == moment) & (TokenRow.id > token_id))
            )
        query = query.order_by(TokenRow.created_at, TokenRow.id).offset(offset).limit(limit)
        with self._sessions.read() as session:
            return [_as_token(row) for row in session.scalars(query)]

    def count(self, *, access: Access) -> int:
        """Return how many tokens ``list`` lists altogether.

        Raises:
            Forbidden: The actor may not manage tokens here.
        """
        _require_rights(access)
        query = select(func.count()).select_from(TokenRow).where(TokenRow.workspace == access.workspace)
        with self._sessions.read() as session:
            return session.scalar(query) or 0

    def get(self, token_id: str, *, access: Access) -> Token:
        """Return one token.

        Raises:
            Forbidden: The actor may not manage tokens here.
            NotFound: There is none, or it belongs to another workspace.
        """
        _require_rights(access)
        with self._sessions.read() as session:
            return _as_token(_token_row(session, token_id, access))

    def revoke(self, token_id: str, *, access: Access) -> None:
        """Revoke a token at once; revoking it twice does nothing more.

        Raises:
            Forbidden: The actor may not manage tokens here.
            NotFound: There is none, or it belongs to another workspace.
        """
        with recorded(
            sessions=self._sessions,
            clock=self._clock,
            access=access,
            action="token.revoke",
            target=Target("token", token_id[:32]),
            intent=False,
        ) as deed:
            _require_rights(access)
            with self._sessions.begin() as session:
                row = _token_row(session, token_id, access)
                row.revoked_at = row.revoked_at or self._clock()
                deed.target = Target("token", row.id, row.label or None)
                deed.complete(session, self._clock)

    def list_all(self) -> Sequence[Token]:
        """List every token of the service, for its operator."""
        query = select(TokenRow).order_by(TokenRow.created_at, TokenRow.id)
        with self._sessions.read() as session:
            return [_as_token(row) for row in session.scalars(query)]

    def revoke_any(self, token_id: str) -> None:
        """Revoke a token of whatever workspace, as the operator.

        Raises:
            NotFound: There is no such token.
        """
        with self._sessions.read() as session:
            row = session.get(TokenRow, token_id)
        if row is None:
            raise NotFound("There is no such token.")
        self.revoke(token_id, access=Access(OPERATOR, row.workspace, Role.PLATFORM))

    def purge(self, workspace: str) -> None:
        """Delete every token of a workspace that is being deleted."""
        with self._sessions.begin() as session:
            session.execute(delete(TokenRow).where(TokenRow.workspace == workspace))


def token_id_of(bearer: str | None) -> str | None:
    """Return the id that a token gives; None where it doesn't even look like one."""
    match = _TOKEN.fullmatch(bearer or "")
    return match[1] if match else None


def _prove(bearer: str | None, *, cache: VersionedCache, now: datetime) -> Row[Any]:
    match = _TOKEN.fullmatch(bearer or "")
    token_id, random = match.groups() if match else ("", "")
    row = cache.get(("token", token_id), partial(_find_token, token_id=token_id))
    right = hmac.compare_digest(_hash(random), row.secret_hash if row else _NO_TOKENS_HASH)
    if row is None or not right or row.revoked_at or (row.expires_at and row.expires_at <= now):
        raise Unauthenticated("This needs a valid bearer token: Authorization: Bearer srm_…")
    return row


def _find_token(session: Session, *, token_id: str) -> Row[Any] | None:
    return session.execute(_TOKEN_BY_ID, {"token_id": token_id}).first()


def _write_uses(cursor: Cursor, uses: Sequence[tuple[str, datetime]]) -> None:
    # In one order everywhere, so that no two processes wait for each other.
    cursor.run(_STORE_USE, [(cursor.moment(moment), token_id) for token_id, moment in sorted(uses)])


def _new_row(new: NewToken, random: str, *, access: Access, now: datetime) -> TokenRow:
    return TokenRow(
        id="".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(16)),
        secret_hash=_hash(random),
        role=new.role.value,
        workspace=access.workspace,
        label=new.label,
        ad_hoc=new.ad_hoc,
        created_at=now,
        created_by=access.actor.name,
        expires_at=new.expires_at,
    )


def _require_rights(access: Access) -> None:
    require(access, _permission(access))


def _permission(access: Access) -> Permission:
    return Permission.TOKEN_MANAGE if access.workspace else Permission.PLATFORM_TOKEN_MANAGE


def _refuse_tokens_making_tokens(access: Access) -> None:
    # A leaked admin token must not be able to outlive its own revocation by making others.
    if access.actor.type == "token" and access.actor.acting_for is None and access.role is not Role.PLATFORM:
        raise Forbidden("A workspace's own token makes no tokens.", extra={"action": _permission(access).value})


def _check_new_token(new: NewToken, access: Access, *, now: datetime) -> None:
    roles = (Role.RUNTIME, Role.EDITOR, Role.ADMIN) if access.workspace else (Role.PLATFORM,)
    if new.role not in roles:
        allowed = ", ".join(role.value for role in roles)
        raise ValidationFailed(
            f"A token made here has one of the roles {allowed}.", errors={in_body("role"): [f"One of: {allowed}."]}
        )
    if new.ad_hoc and new.role is not Role.RUNTIME:
        raise ValidationFailed(
            "Only a runtime token needs ad_hoc.", errors={in_body("ad_hoc"): ["Only with the role runtime."]}
        )
    if new.expires_at is not None and new.expires_at <= now:
        raise ValidationFailed(
            "The token would be expired at once.", errors={in_body("expires_at"): ["Is over already."]}
        )


def _token_row(session: Session, token_id: str, access: Access) -> TokenRow:
    row = session.get(TokenRow, token_id)
    if row is None or row.workspace != access.workspace:
        raise NotFound("There is no such token.")
    return row


def _hash(random: str) -> str:
    return hashlib.sha256(random.encode()).hexdigest()


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
