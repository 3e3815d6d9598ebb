"""The call pipeline: from an actor's wish to a redacted reply, one room after the other, none entered twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from sqlalchemy.orm import Session

from app.access import Access, Permission, Role, require
from app.audit.service import Deed, Target, recorded
from app.blocks.answer import captured
from app.blocks.call import CallTemplate, resolve
from app.blocks.needs import needed_secrets
from app.blocks.saved import runnable
from app.db import Remembered, Sessions
from app.kernel.clock import Clock
from app.kernel.errors import CallerError, DestinationNotAllowed, SecretExpired, StrongroomError, UpstreamUnreachable
from app.kernel.secret import SecretValue
from app.outbound import Call, Destination, Outbound, Reply, UsedSecret
from app.outbound.inject import authority
from app.resources import InFlight
from app.telemetry import connection, step, upstream_answered
from app.variables.plain import plain_values
from app.variables.usable import UsableSecret, check_binding, unless_changed
from app.vault import Vault
from app.workspaces.service import settings_of


@dataclass(frozen=True, slots=True)
class Ran:
    """A call that was made, by the id that its events carry; ``captures_only`` where the block answers no more."""

    call_id: str
    reply: Reply
    captures: Mapping[str, object]
    captures_only: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may go where it would go, and if not, why (the reason's code)."""

    allowed: bool
    host: str
    port: int
    addresses: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A call as it would go out, with ``[secret:NAME]`` where a value would stand."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    destination: Verdict


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a call needs of its workspace; the same for each run until something is changed."""

    refuse_expired: bool
    secrets: Mapping[str, UsableSecret]
    given: Mapping[str, str]
    whole: Call | None
    """The call as it goes out where the request brings no variables, if it needs none of it."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    template: CallTemplate
    call: Call
    secrets: Mapping[str, UsableSecret]


# --- running ----------------------------------------------------------------------------------------------------------


def run_block(
    name: str, variables: Mapping[str, str],
    *, access: Access, known: Remembered, sessions: Sessions, vault: Vault, outbound: Outbound, clock: Clock,
    in_flight: InFlight,
) -> Ran:  # fmt: skip
    """Run a saved block; ``variables`` go before its own, and those before the workspace's.

    ``known`` is what was looked up for earlier runs and still holds.

    Raises:
        NotFound, and whatever ``run_ad_hoc`` does.
    """
    target = Target("block", name=name[:64])
    with recorded(sessions=sessions, clock=clock, access=access, action="call.run", target=target) as deed, \
            in_flight.enter(str(access.workspace)):  # fmt: skip
        require(access, Permission.BLOCK_RUN)
        with step("resolve"):
            block = known.get(("block", access.workspace, name), lambda session: runnable(session, access, name))
            deed.target = Target("block", block.id, name)
            template = block.template
            deed.detail |= _facts(template)
            key = ("needs", access.workspace, name)
            needs = known.get(key, lambda session: _needs(template, access=access, session=session))
            resolved = _resolve(template, needs, variables, clock=clock)
        reply, captures = _made(
            resolved, _used(resolved), deed, access=access, sessions=sessions, vault=vault, outbound=outbound
        )
    return Ran(deed.id, reply, captures, captures_only=block.captures_only)


def run_ad_hoc(
    template: CallTemplate,
    *, access: Access, sessions: Sessions, vault: Vault, outbound: Outbound, clock: Clock, in_flight: InFlight,
) -> Ran:  # fmt: skip
    """Make a call that came with the request.

    Raises:
        Forbidden, UnknownSecret, MissingVariable, SecretExpired, PlaceNotAllowed, DestinationNotAllowed, Conflict,
        BindingMismatch, VaultUnavailable, ValueNotAllowedHere, TooManyCalls, RecordUnavailable, any ``UpstreamError``
    """
    target = Target("call", name=f"{template.written.method} {template.origin.host}"[:128])
    with recorded(sessions=sessions, clock=clock, access=access, action="call.run", target=target) as deed, \
            in_flight.enter(str(access.workspace)):  # fmt: skip
        require(access, Permission.CALL_AD_HOC)
        deed.detail |= _facts(template)
        with step("resolve"):
            with sessions.read() as session:
                needs = _needs(template, access=access, session=session)
            resolved = _resolve(template, needs, {}, clock=clock)
        used = _used(resolved, any_host=_any_host(access))
        reply, captures = _made(resolved, used, deed, access=access, sessions=sessions, vault=vault, outbound=outbound)
    return Ran(deed.id, reply, captures)


def _facts(template: CallTemplate) -> dict[str, object]:
    return {
        "method": template.written.method,
        "host": template.origin.host,
        "port": template.origin.port,
        "secrets": list(template.secrets),
    }


def _needs(template: CallTemplate, *, access: Access, session: Session) -> _Needs:
    """Look up what a call needs of its workspace: settings, secrets (names and state), and variables."""
    workspace = settings_of(str(access.workspace), session)
    secrets = needed_secrets(template, workspace=workspace, session=session)
    own = dict(template.written.variables)
    given = {**plain_values(template.variables - own.keys(), access=access, session=session), **own}
    return _Needs(workspace.refuse_expired, secrets, given, _whole(template, given))


def _whole(template: CallTemplate, given: Mapping[str, str]) -> Call | None:
    try:
        return resolve(template, given)
    except CallerError:  # a request may bring what is missing, or what may stand there
        return None


def _resolve(template: CallTemplate, needs: _Needs, variables: Mapping[str, str], *, clock: Clock) -> _Resolved:
    """Check expiry, and fill the variables in: what will be sent, but for the values."""
    if needs.refuse_expired:
        _refuse_expired(needs.secrets, clock())
    call = resolve(template, {**needs.given, **variables}) if variables or needs.whole is None else needs.whole
    return _Resolved(template, call, needs.secrets)


def _refuse_expired(secrets: Mapping[str, UsableSecret], now: datetime) -> None:
    for name, secret in secrets.items():
        if secret.expires_at is not None and secret.expires_at <= now:
            raise SecretExpired(f"The secret {name} has expired, and this workspace refuses expired ones.")


def _any_host(access: Access) -> bool:
    # An ad-hoc call of a runtime token goes nowhere that nobody named.
    return access.role is not Role.RUNTIME


def _used(resolved: _Resolved, *, any_host: bool = True) -> Sequence[UsedSecret]:
    return [
        UsedSecret(name, hosts, any_host)
        for name, secret in resolved.secrets.items()
        for hosts, _places in secret.rules
    ]


def _made(
    resolved: _Resolved, used: Sequence[UsedSecret], deed: Deed,
    *, access: Access, sessions: Sessions, vault: Vault, outbound: Outbound,
) -> tuple[Reply, Mapping[str, object]]:  # fmt: skip
    deed.detail["secret_ids"] = {name: secret.id for name, secret in sorted(resolved.secrets.items())}
    with step("check"):
        destination = outbound.check(resolved.call, used)
    with step("read"):
        values = _read(resolved.secrets, deed, sessions=sessions, vault=vault)
    with step("send"):
        reply = _sent(resolved.call, destination, values, deed, workspace=str(access.workspace), outbound=outbound)
    deed.detail |= {
        "status": reply.status,
        "elapsed_ms": reply.elapsed_ms,
        "sent_bytes": reply.sent_bytes,
        "received_bytes": reply.received_bytes,
        "redactions": reply.redactions,
        "redirects": [authority(origin) for origin in reply.redirects],
    }
    return reply, captured(resolved.template.captures, reply)


def _read(
    secrets: Mapping[str, UsableSecret], deed: Deed, *, sessions: Sessions, vault: Vault
) -> Mapping[str, SecretValue]:
    values, requests = {}, []
    for name, secret in secrets.items():
        with unless_changed(secret, sessions=sessions):
            stored = vault.read_for_call(secret.address)
            if stored.request_id:
                requests.append(stored.request_id)
            deed.detail["vault_request_ids"] = requests
            check_binding(stored, secret)
        values[name] = stored.value
    return values


def _sent(
    call: Call, destination: Destination, values: Mapping[str, SecretValue], deed: Deed,
    *, workspace: str, outbound: Outbound,
) -> Reply:  # fmt: skip
    began = monotonic()
    try:
        with connection("upstream"):
            reply = outbound.send(call, destination, values, workspace=workspace)
    except StrongroomError as error:
        deed.detail["elapsed_ms"] = round((monotonic() - began) * 1000, 1)
        upstream_answered(error.code)
        raise
    denied = reply.status in (401, 403)
    upstream_answered("denied" if denied else f"{reply.status // 100}xx", redactions=reply.redactions)
    return reply


# --- previewing -------------------------------------------------------------------------------------------------------


def preview_block(
    name: str, variables: Mapping[str, str], *, access: Access, sessions: Sessions, outbound: Outbound, clock: Clock
) -> Preview:
    """Show a saved block as a run of it would go out; no value is read, nothing is sent, and nothing is recorded.

    It shows what the block holds, so it is for those who may read blocks.

    Raises:
        NotFound, and whatever ``preview_ad_hoc`` does.
    """
    require(access, Permission.BLOCK_READ)
    with sessions.read() as session:
        template = runnable(session, access, name).template
        needs = _needs(template, access=access, session=session)
    resolved = _resolve(template, needs, variables, clock=clock)
    return _previewed(resolved.call, _used(resolved), outbound=outbound)


def preview_ad_hoc(
    template: CallTemplate, *, access: Access, sessions: Sessions, outbound: Outbound, clock: Clock
) -> Preview:
    """Show a call that came with the request as it would go out; as ``preview_block`` does.

    Raises:
        Forbidden, UnknownSecret, MissingVariable, SecretExpired, PlaceNotAllowed, ValueNotAllowedHere
    """
    require(access, Permission.CALL_AD_HOC)
    with sessions.read() as session:
        needs = _needs(template, access=access, session=session)
    resolved = _resolve(template, needs, {}, clock=clock)
    return _previewed(resolved.call, _used(resolved, any_host=_any_host(access)), outbound=outbound)


def _previewed(call: Call, used: Sequence[UsedSecret], *, outbound: Outbound) -> Preview:
    shown = outbound.preview(call)
    return Preview(shown.method, shown.url, shown.headers, shown.body, _verdict(call, used, outbound=outbound))


def _verdict(call: Call, used: Sequence[UsedSecret], *, outbound: Outbound) -> Verdict:
    host, port = call.origin.host, call.origin.port
    try:
        return Verdict(True, host, port, outbound.check(call, used).addresses)
    except (DestinationNotAllowed, UpstreamUnreachable) as refused:
        return Verdict(False, host, port, reason=str(refused.extra.get("reason", refused.code)))
