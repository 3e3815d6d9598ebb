"""The tokens of ``oauth2`` secrets: used while they live, renewed by one at a time over all processes.

Who renews writes so into the tokens' entry, by check-and-set, before anybody is asked. A token is used only once Vault
has it. So a crash leaves the old refresh token to be tried once more, or a grant of which it is known that it is over.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn

from sqlalchemy import update

from app.access import Access
from app.audit.service import Deed, Target, recorded
from app.kernel.errors import (
    BindingMismatch,
    DestinationNotAllowed,
    PayloadTooLarge,
    ReconnectRequired,
    StrongroomError,
    TokenUnavailable,
    Unanswered,
    UnknownSecret,
    UpstreamError,
    ValueNotAllowedHere,
    VaultError,
    WriteConflict,
)
from app.kernel.secret import SecretValue
from app.kernel.turns import yield_turn
from app.outbound.model import TokenAnswer, UsedSecret
from app.outbound.urls import parse_url
from app.resources import Resources
from app.variables.models import VariableRow
from app.variables.secrets.references import UsableSecret, check_binding, parts_by_binding, usable_secrets
from app.variables.secrets.signing import CallMoment, Signing
from app.variables.secrets.token_request import (
    basic_differs,
    failure_of,
    is_over,
    is_refused_client,
    token_fields,
    token_request,
)
from app.variables.secrets.token_store import Owner, TokenState
from app.variables.secrets.types import JwtParts, OAuth2Parts
from app.vault import VERSIONS_KEPT
from app.workspaces.service import settings_of

_LOOK_EVERY: Final = 0.25
_STORED_WITHIN: Final = 60.0
"""For how long a token that was given is tried to be stored, in seconds."""
PATIENCE: Final = 10.0
"""How long who asks for a renewal waits for somebody else's, in seconds."""
_ACCESS: Final = "access_token"
_UNDER_WAY: Final = "renewal_under_way"
_TURNS: Final = tuple(threading.Lock() for _ in range(256))
"""In one process one thread at a time asks Vault whether it may renew; secrets share these by their ids."""


@dataclass(frozen=True, slots=True, repr=False)
class HeldToken:
    """A token for one call, what is hidden of it besides, and the version of the credentials that it was had with."""

    secret: UsableSecret
    value: SecretValue
    hidden: tuple[SecretValue, ...]
    entry_version: int


@dataclass(frozen=True, slots=True, repr=False)
class _TokenNeed:
    """What is wanted: a token for whom, until when; a new one, or another than the stale one that was refused."""

    secret: UsableSecret
    access: Access
    until: float
    began: float
    forced: bool = False
    stale: SecretValue | None = None
    request_ids: list[str] = field(default_factory=list)
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def easy(self) -> bool:
        """Whether any token that lives will do."""
        return not self.forced and self.stale is None

    def takes(self, state: TokenState, now: float) -> bool:
        """Tell whether the token that there is will do although it is due."""
        return self.easy and state.alive(now)


class AccessTokens:
    """Gives and renews tokens; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._vault = resources.vault

    def use(self, secret: UsableSecret, *, access: Access, patience: float, request_ids: list[str]) -> HeldToken:
        """Return a token that lives, renewed where it is due.

        Args:
            patience: How long to wait for somebody else's renewal, in seconds.

        Raises:
            ReconnectRequired: The service gives no more until somebody connects it anew.
            TokenUnavailable: It gave none.
            BindingMismatch, VaultUnavailable: The credentials can't be read, or the token can't be stored.
            RecordUnavailable: The record can't be written.
        """
        until = time.monotonic() + patience
        return self._obtain(_TokenNeed(secret, access, until, self._now(), request_ids=request_ids))

    def renew(self, secret: UsableSecret, *, access: Access) -> HeldToken:
        """Renew the token whatever its state.

        Raises:
            ReconnectRequired: The service gives no more until somebody connects it anew.
            TokenUnavailable: It gave none.
            BindingMismatch, VaultUnavailable: The credentials can't be read, or the token can't be stored.
            RecordUnavailable: The record can't be written.
        """
        return self._obtain(_TokenNeed(secret, access, time.monotonic() + PATIENCE, self._now(), forced=True))

    def replace(self, held: HeldToken, *, access: Access, patience: float) -> HeldToken | None:
        """Return another token in the place of one that an upstream refused.

        Returns:
            None where there is none, or within a minute of the last time.
        """
        until = time.monotonic() + patience
        with suppress(_RefusedLatelyError, ReconnectRequired, TokenUnavailable):
            return self._obtain(_TokenNeed(held.secret, access, until, self._now(), stale=held.value))
        return None

    # --- one at a time

    def _obtain(self, wish: _TokenNeed) -> HeldToken:
        credentials, owner, parts = self._credentials(wish)

        def token_in(state: TokenState) -> HeldToken:
            hidden = [*credentials.values(), *(value for name, value in state.values.items() if name != _ACCESS)]
            return HeldToken(wish.secret, state.values[_ACCESS], tuple(hidden), owner.entry_version)

        state = self._state(wish, owner)
        if _is_good(state, wish, self._now()):
            return token_in(state)
        with _turn(wish, patient=not (state.alive(self._now()) and wish.easy)) as taken:
            while taken:
                state, now = self._state(wish, owner), self._now()
                if _is_good(state, wish, now) or (state.is_other_at_work(wish.holder, now) and wish.takes(state, now)):
                    return token_in(state)
                if state.is_other_at_work(wish.holder, now):
                    _wait(wish)
                    continue
                mine = state if state.is_at_work(wish.holder) else self._hold(state, wish, now)
                if mine is not None:
                    return token_in(self._renew(mine, parts, credentials, wish))
        return token_in(state)

    def _credentials(self, wish: _TokenNeed) -> tuple[Mapping[str, SecretValue], Owner, OAuth2Parts]:
        stored = self._vault.read_for_call(wish.secret.address)
        wish.request_ids.extend(stored.request_ids)
        check_binding(stored, wish.secret)
        parts = parts_by_binding(stored, wish.secret)
        if not isinstance(parts, OAuth2Parts):
            raise BindingMismatch(
                f"Vault's entry for {wish.secret.name} holds no credentials for tokens. Store them again."
            )
        return stored.value.values(), Owner.of(wish.secret.id, stored.version or 0, parts), parts

    def _state(self, wish: _TokenNeed, owner: Owner) -> TokenState:
        return TokenState.read(self._vault.read_tokens(wish.secret.address), owner)

    def _now(self) -> float:
        return self._resources.clock().timestamp()

    def _hold(self, state: TokenState, wish: _TokenNeed, now: float) -> TokenState | None:
        """Write down that this one renews; None where somebody else was faster, or nobody knows.

        Raises:
            ReconnectRequired, TokenUnavailable, _RefusedLatelyError: Nobody has to be asked to know the answer.
        """
        if state.reconnect and not wish.forced:
            raise _over(wish.secret.name)
        if wish.stale is not None and state.refused_lately(now):
            raise _RefusedLatelyError
        if wish.easy and (reason := state.failed_lately(now)) is not None:
            raise _unavailable(wish.secret.name, reason)
        mine = state.hold(wish.holder, now, refused=wish.stale is not None)
        try:
            return mine.at(self._vault.write_tokens(wish.secret.address, mine.document(), cas=state.version))
        except (WriteConflict, Unanswered):
            return None

    # --- the renewal

    def _renew(
        self, state: TokenState, parts: OAuth2Parts, credentials: Mapping[str, SecretValue], wish: _TokenNeed
    ) -> TokenState:
        resources, secret = self._resources, wish.secret
        host = parse_url(parts.token_url)[0].host
        try:
            with recorded(
                sessions=resources.sessions,
                clock=resources.clock,
                access=wish.access,
                action="secret.renew",
                target=Target("secret", secret.id, secret.name),
                detail={"host": host, "method": "POST"},
            ) as deed:
                answer, plain_basic = self._ask(state, parts, credentials, wish, deed)
                deed.detail |= {"status": answer.status, **_scope_facts(parts, answer)}
                if answer.access_token is None:
                    self._refuse(state, parts, answer, wish)
                state = self._store(state.renew(answer, self._now(), plain_basic=plain_basic), answer, wish)
        except ReconnectRequired:
            raise
        except StrongroomError as error:
            self._write(state.fail(str(error.extra.get("reason", error.code)), self._now()), wish)
            if wish.takes(state, self._now()):
                return state  # it was renewed early, so the old one still does
            raise
        self._mark(secret, reconnect=False)
        return state

    def _ask(
        self,
        state: TokenState,
        parts: OAuth2Parts,
        credentials: Mapping[str, SecretValue],
        wish: _TokenNeed,
        deed: Deed,
    ) -> tuple[TokenAnswer, bool]:
        """Ask the service: as RFC 6749 says, and where it doesn't know the client then, as it may expect instead."""
        values = dict(credentials) | {name: value for name, value in state.values.items() if name != _ACCESS}
        used: Sequence[UsedSecret] = ()
        if parts.assertion is not None:
            values["assertion"], used = self._assert(parts.assertion, wish)
        plain = bool(state.facts.get("plain_basic"))
        try:
            answer = self._send(parts, values, used, wish, plain_basic=plain)
            if basic_differs(parts, values) and is_refused_client(answer):
                deed.detail["asked_twice"], plain = True, not plain
                answer = self._send(parts, values, used, wish, plain_basic=plain)
        except (UpstreamError, DestinationNotAllowed, ValueNotAllowedHere, PayloadTooLarge) as error:
            raise _unavailable(wish.secret.name, str(error.extra.get("reason", error.code))) from None
        return answer, plain

    def _send(
        self,
        parts: OAuth2Parts,
        values: Mapping[str, SecretValue],
        used: Sequence[UsedSecret],
        wish: _TokenNeed,
        *,
        plain_basic: bool,
    ) -> TokenAnswer:
        outbound, call = self._resources.outbound, token_request(parts, values, plain_basic=plain_basic)
        destination = outbound.check(call, used)
        return outbound.ask_for_token(
            call, destination, values, workspace=wish.secret.address.workspace, fields=token_fields(parts)
        )

    def _assert(self, name: str, wish: _TokenNeed) -> tuple[SecretValue, Sequence[UsedSecret]]:
        """Make the assertion, with another secret of the workspace, which has to be allowed to go there."""
        with self._resources.sessions.read() as session:
            workspace = settings_of(wish.secret.address.workspace, session)
            secret = usable_secrets([name], workspace=workspace, session=session).get(name)
        if secret is None or secret.type != "jwt":
            raise UnknownSecret(f"{wish.secret.name} needs a secret {name} of the type jwt, and there is none.")
        signing, moment = Signing(self._vault), CallMoment(self._resources.clock())
        key = signing.hold(secret, wish.request_ids)
        if not isinstance(key.made_of, JwtParts):
            raise BindingMismatch(f"Vault's entry for {name} holds no key for a JWT. Store it again.")
        used = [UsedSecret(name, rules.hosts, allowed_requests=rules.requests) for rules in secret.rules]
        return signing.sign_jwt(key, key.made_of, moment, wish.request_ids), used

    def _refuse(self, state: TokenState, parts: OAuth2Parts, answer: TokenAnswer, wish: _TokenNeed) -> NoReturn:
        if is_over(parts, answer):
            self._write(state.end(), wish)
            self._mark(wish.secret, reconnect=True)
            raise _over(wish.secret.name)
        raise _unavailable(wish.secret.name, failure_of(answer))

    # --- what Vault has to know before anybody uses it

    def _store(self, state: TokenState, answer: TokenAnswer, wish: _TokenNeed) -> TokenState:
        """Store what was given, whatever it takes within a minute; then destroy what was before it.

        Raises:
            ReconnectRequired: Vault didn't take it, and the refresh token before it may be worth nothing any more.
            VaultUnavailable: Vault didn't take it, and nothing is lost.
        """
        address, document, until = wish.secret.address, state.document(), time.monotonic() + _STORED_WITHIN
        cas, version = state.version, None
        while version is None:
            try:
                version = self._vault.write_tokens(address, document, cas=cas)
            except WriteConflict:
                cas, version = self._newest(wish, document)
            except VaultError:
                if time.monotonic() > until:
                    if answer.refresh_token is None:
                        raise
                    self._mark(wish.secret, reconnect=True)
                    raise _over(wish.secret.name) from None
                _pause()
        with suppress(VaultError):
            self._vault.destroy_tokens(address, range(max(1, version - VERSIONS_KEPT), version))
        return state.at(version)

    def _newest(self, wish: _TokenNeed, document: SecretValue) -> tuple[int, int | None]:
        """Return the version in force, and once more where it is our own: its write got no answer then."""
        with suppress(VaultError):
            stored = self._vault.read_tokens(wish.secret.address)
            version = 0 if stored is None else stored.version
            return version, version if stored is not None and stored.document == document else None
        return 0, None

    def _write(self, state: TokenState, wish: _TokenNeed) -> None:
        """Write down how an attempt ended; where that can't be, others wait until nobody can be at it any more."""
        with suppress(VaultError):
            self._vault.write_tokens(wish.secret.address, state.document(), cas=state.version)

    def _mark(self, secret: UsableSecret, *, reconnect: bool) -> None:
        with self._resources.sessions.read() as session:
            row = session.get(VariableRow, secret.id)
            if row is None or row.reconnect == reconnect:
                return
        with self._resources.sessions.begin() as session:
            session.execute(update(VariableRow).where(VariableRow.id == secret.id).values(reconnect=reconnect))


class _RefusedLatelyError(Exception):
    """A token was renewed after a 401 within the last minute."""


def _is_good(state: TokenState, wish: _TokenNeed, now: float) -> bool:
    """Tell whether the token is what is wanted, so that nothing has to be renewed."""
    if wish.stale is not None:
        return state.alive(now) and state.values[_ACCESS] != wish.stale
    if wish.forced:
        return state.alive(now) and state.fetched_at >= wish.began
    return state.alive(now) and (state.reconnect or not state.due(now))


@contextmanager
def _turn(wish: _TokenNeed, *, patient: bool) -> Iterator[bool]:
    """Take the process's turn for this secret; without patience, tell whether it was to be had at once."""
    lock = _TURNS[int(wish.secret.id[:8], 16) % len(_TURNS)]
    with yield_turn():
        taken = lock.acquire(timeout=max(0.0, wish.until - time.monotonic())) if patient else lock.acquire(False)
    if patient and not taken:
        raise _unavailable(wish.secret.name, _UNDER_WAY)
    try:
        yield taken
    finally:
        if taken:
            lock.release()


def _wait(wish: _TokenNeed) -> None:
    if time.monotonic() >= wish.until:
        raise _unavailable(wish.secret.name, _UNDER_WAY)
    _pause()


def _pause() -> None:
    with yield_turn():
        time.sleep(_LOOK_EVERY)


def _scope_facts(parts: OAuth2Parts, answer: TokenAnswer) -> dict[str, object]:
    """Return which of the scopes that were asked for the service left out."""
    missing = [] if answer.scopes is None else sorted({*parts.scopes} - answer.scopes)
    return {"scopes_missing": missing} if missing else {}


def _unavailable(name: str, reason: str) -> TokenUnavailable:
    return TokenUnavailable(
        f"There is no token for {name}: the service that gives it gave none ({reason}).",
        extra={"secret": name, "reason": reason},
        retry_after=5,
    )


def _over(name: str) -> ReconnectRequired:
    return ReconnectRequired(
        f"The service gives no more tokens for {name}. Connect it anew: store a new refresh token.",
        extra={"secret": name},
    )
