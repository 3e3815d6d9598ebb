"""The call pipeline: from an actor's wish to a redacted reply, one room after the other, none entered twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete

from app.access import Access, Permission, Role, require
from app.audit.service import Deed, Target, recorded
from app.blocks.call import CallTemplate, resolve
from app.blocks.models import BlockRow
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import SecretExpired, UnknownSecret
from app.kernel.secret import SecretValue
from app.outbound import Call, Destination, Outbound, Reply, UsedSecret
from app.outbound.places import require_place
from app.resources import InFlight
from app.variables.plain import plain_values
from app.variables.service import UsableSecret, check_binding, usable_secrets
from app.vault import Vault
from app.workspaces.service import settings_of


@dataclass(frozen=True, slots=True)
class Ran:
    """A call that was made, by the id that its events carry."""

    call_id: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Resolved:
    call: Call
    secrets: Mapping[str, UsableSecret]


def run_ad_hoc(
    template: CallTemplate,
    *,
    access: Access,
    sessions: Sessions,
    vault: Vault,
    outbound: Outbound,
    clock: Clock,
    in_flight: InFlight,
) -> Ran:
    """Make a call that came with the request.

    Raises:
        Forbidden, UnknownSecret, MissingVariable, SecretExpired, PlaceNotAllowed, DestinationNotAllowed,
        BindingMismatch, VaultUnavailable, ValueNotAllowedHere, TooManyCalls, RecordUnavailable, any ``UpstreamError``
    """
    target = Target("call", name=f"{template.written.method} {template.origin.host}"[:128])
    with recorded(sessions=sessions, clock=clock, access=access, action="call.run", target=target) as deed, \
            in_flight.enter(str(access.workspace)):  # fmt: skip
        require(access, Permission.CALL_AD_HOC)
        reply = _made(
            template,
            {},
            deed,
            ad_hoc=True,
            access=access,
            sessions=sessions,
            vault=vault,
            outbound=outbound,
            clock=clock,
        )
    return Ran(deed.id, reply)


def _made(
    template: CallTemplate, variables: Mapping[str, str], deed: Deed,
    *, ad_hoc: bool, access: Access, sessions: Sessions, vault: Vault, outbound: Outbound, clock: Clock,
) -> Reply:  # fmt: skip
    deed.detail |= {"method": template.written.method, "host": template.origin.host, "port": template.origin.port}
    resolved = _resolve(template, variables, access=access, sessions=sessions, clock=clock)
    deed.detail["secrets"] = sorted(resolved.secrets)
    destination = outbound.check(resolved.call, _used(resolved.secrets, access, ad_hoc=ad_hoc))
    values = _read(resolved.secrets, deed, vault=vault)
    reply = _sent(resolved.call, destination, values, access=access, outbound=outbound)
    deed.detail |= {
        "status": reply.status,
        "elapsed_ms": reply.elapsed_ms,
        "sent_bytes": reply.sent_bytes,
        "received_bytes": reply.received_bytes,
        "redactions": reply.redactions,
    }
    return reply


def _resolve(
    template: CallTemplate, variables: Mapping[str, str], *, access: Access, sessions: Sessions, clock: Clock
) -> _Resolved:
    """Look up names, state and expiry, and fill the variables in: what will be sent, but for the values."""
    names = {field.secret for field in template.fields if field.secret}
    wanted = {name for field in template.fields for name in field.variables}
    given = dict(template.written.variables) | dict(variables)
    with sessions.read() as session:
        refuse_expired = settings_of(str(access.workspace), session).refuse_expired
        secrets = usable_secrets(names, access=access, session=session, now=clock())
        defaults = dict(plain_values(wanted - given.keys(), access=access, session=session))
    if missing := sorted(names - secrets.keys()):
        sentence = f"There is no usable secret {', '.join(missing)}."
        raise UnknownSecret(
            sentence,
            errors={
                field.label: [f"No usable secret {field.secret}."]
                for field in template.fields
                if field.secret in missing
            },
            extra={"secrets": missing},
        )
    for name, secret in secrets.items():
        if refuse_expired and secret.expired:
            raise SecretExpired(f"The secret {name} has expired, and this workspace refuses expired ones.")
    _require_places(template, secrets)
    return _Resolved(resolve(template, defaults | given), secrets)


def _require_places(template: CallTemplate, secrets: Mapping[str, UsableSecret]) -> None:
    for field in template.fields:
        if field.secret:
            for _hosts, places in secrets[field.secret].rules:
                require_place(field.secret, places, place=field.place, field=field.label)


def _used(secrets: Mapping[str, UsableSecret], access: Access, *, ad_hoc: bool) -> Sequence[UsedSecret]:
    # An ad-hoc call of a runtime token goes nowhere that nobody named.
    any_host = not (ad_hoc and access.role is Role.RUNTIME)
    return [UsedSecret(name, hosts, any_host) for name, secret in secrets.items() for hosts, _places in secret.rules]


def _read(secrets: Mapping[str, UsableSecret], deed: Deed, *, vault: Vault) -> Mapping[str, SecretValue]:
    values, requests = {}, []
    for name, secret in secrets.items():
        stored = vault.read_for_call(secret.address)
        if stored.request_id:
            requests.append(stored.request_id)
        deed.detail["vault_request_ids"] = requests
        check_binding(stored, secret)
        values[name] = stored.value
    return values


def _sent(
    call: Call, destination: Destination, values: Mapping[str, SecretValue], *, access: Access, outbound: Outbound
) -> Reply:
    return outbound.send(call, destination, values, workspace=str(access.workspace))


def purge_blocks(workspace: str, *, sessions: Sessions) -> None:
    """Delete every block of a workspace that is being deleted."""
    with sessions.begin() as session:
        session.execute(delete(BlockRow).where(BlockRow.workspace == workspace))
