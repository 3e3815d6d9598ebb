"""The call pipeline: from an actor's wish to a redacted response, one room after the other, none entered twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from app.access import Access, Permission, Role, require
from app.audit.service import Deed, Target, conclude, recorded
from app.calls.captures import Problem, capture_values
from app.calls.credentials import Credentials, Material
from app.calls.requirements import needed_secrets, refuse_expired, require_requests
from app.calls.streams import Ground, RequireSource, StreamedCall, outcome_facts
from app.calls.template import CallTemplate, resolve
from app.db import changes_in
from app.kernel.clock import Clock
from app.kernel.errors import (
    CallerError,
    DestinationNotAllowed,
    RedirectRefused,
    StrongroomError,
    UpstreamUnreachable,
)
from app.kernel.secret import SecretValue
from app.outbound.model import Call, Destination, Hidden, Outbound, Response, ResponseStream, UsedSecret
from app.resources import Resources
from app.telemetry import connection, step, upstream_answered
from app.variables.secrets.guesses import Guess, guesses_of, require_few_guesses
from app.variables.secrets.references import UsableSecret
from app.variables.secrets.signing import CallMoment
from app.variables.service import plain_values
from app.workspaces.service import settings_of

_REPEATABLE: Final = ("GET", "HEAD", "OPTIONS")
R = TypeVar("R", Response, ResponseStream)


@dataclass(frozen=True, slots=True)
class CompletedCall:
    """A call that was made, by the id that its events carry; ``captures_only`` where the block answers no more."""

    call_id: str
    response: Response
    captures: Mapping[str, object]
    captures_only: bool = False
    capture_problems: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckVerdict:
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
    destination: CheckVerdict


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a call needs of its workspace; the same for each run until something is changed."""

    refuse_expired: bool
    secrets: Mapping[str, UsableSecret]
    defaults: Mapping[str, object]
    guesses: Sequence[Guess]
    complete: Call | None
    """The call as it goes out where the request brings no variables, if it needs none of it."""
    changes: int
    """How many changes of what calls go by there were, just before this was looked up."""


@dataclass(frozen=True, slots=True)
class ResolvedCall:
    """A call that is ready to be checked: variables filled in, every secret known and still a slot."""

    template: CallTemplate
    call: Call
    secrets: Mapping[str, UsableSecret]
    moment: CallMoment
    captures_only: bool = False
    any_host: bool = True
    """Whether ``*`` among a secret's hosts counts for this caller."""
    guesses: Sequence[Guess] = ()
    changes: int | None = None
    """``Requirements.changes``; None: values are read as if nothing had been read before."""
    candidates: Mapping[str, SecretValue] = field(default_factory=dict)
    """New values to be tried in the place of those that are stored."""

    @property
    def used(self) -> Sequence[UsedSecret]:
        """What the guard has to know of each secret that the call carries, once for each of its rules."""
        return [
            UsedSecret(name, rules.hosts, self.any_host, rules.requests)
            for name, secret in self.secrets.items()
            for rules in secret.rules
        ]


@dataclass(frozen=True, slots=True, repr=False)
class _ReadyCall:
    """A call that passed every check, its values read: it can be sent."""

    deed: Deed
    resolved: ResolvedCall
    destination: Destination
    call: Call
    material: Material

    @property
    def values(self) -> Mapping[str, SecretValue]:
        """What goes out."""
        return {**self.material.values, **self.resolved.candidates}

    @property
    def hidden(self) -> Hidden:
        """What is taken out of the answer besides."""
        return [*self.material.hidden, *((name, self.material.values[name]) for name in self.resolved.candidates)]


class Calls:
    """Makes and previews calls; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._credentials = Credentials(resources)

    def perform(
        self,
        target: Target,
        *,
        permission: Permission,
        access: Access,
        look_up: Callable[[Deed], ResolvedCall],
        intent: Mapping[str, object] | None = None,
    ) -> CompletedCall:
        """Take one call through the pipeline: record the intent, look up, check, read, send, capture.

        Args:
            target: What the record says is run, as far as it is known before anything is looked up.
            permission: What ``access`` must allow.
            intent: What the record says is intended, as far as it is known: host, method, secrets.
            look_up: Finds names and fills in variables; it may complete the deed's target and detail.

        Raises:
            RecordUnavailable: The intent or the outcome could not be stored.
            TooManyCalls, Forbidden, NotFound, UnknownSecret, MissingVariable, SecretExpired, PlaceNotAllowed: Nothing
                was read or sent.
            DestinationNotAllowed, UpstreamUnreachable: The guard refused the destination.
            Conflict, BindingMismatch, VaultUnavailable: A value could not be used.
            ValueNotAllowedHere: A value can't stand in its field.
            UpstreamError: The upstream gave no usable response.
        """
        with self._prepare(target, permission=permission, access=access, look_up=look_up, intent=intent) as ready:
            response = self._send(self._resources.outbound.send, ready)
            ready.deed.detail |= outcome_facts(response, response.elapsed_ms)
            captured = capture_values(ready.resolved.template.captures, response)
        return CompletedCall(
            ready.deed.id, response, captured.values, ready.resolved.captures_only, capture_problems=captured.problems
        )

    def perform_stream(
        self,
        target: Target,
        *,
        permission: Permission,
        access: Access,
        look_up: Callable[[Deed], ResolvedCall],
        intent: Mapping[str, object] | None = None,
        is_awaited: Callable[[], bool],
        require_source: RequireSource = lambda _access, _cache: None,
    ) -> StreamedCall:
        """Take one call through the pipeline as ``perform`` does, up to the head of its answer; its body streams.

        Args:
            is_awaited: Tells whether anybody still waits for the answer; where nobody does, the call is broken off.
            require_source: Raises, while the answer streams, where what was run is no more.

        Raises:
            StrongroomError: The call was refused or failed before its answer's first byte; its code says how.
        """
        with ExitStack() as held:
            with self._prepare(
                target, permission=permission, access=access, look_up=look_up, intent=intent, streams=held
            ) as ready:
                answer = self._send(partial(self._resources.outbound.send_stream, is_awaited=is_awaited), ready)
                held.callback(answer.close)
                ready.deed.detail["status"] = answer.status
                conclude(ready.deed, "streaming", sessions=self._resources.sessions, clock=self._resources.clock)
                ready.deed.closed = True
            ground = Ground.of(permission, require_source, ready.resolved.secrets, ready.resolved.template.origin)
            return StreamedCall(ready.deed, answer, ground, held.pop_all(), self._resources)

    @contextmanager
    def _prepare(
        self,
        target: Target,
        *,
        permission: Permission,
        access: Access,
        look_up: Callable[[Deed], ResolvedCall],
        intent: Mapping[str, object] | None,
        streams: ExitStack | None = None,
    ) -> Iterator[_ReadyCall]:
        """Record the intent, look up, check and read; the block sends, and the outcome is recorded after it.

        Args:
            streams: Given for a call whose answer streams: it is counted until this is closed.
        """
        with (
            recorded(
                sessions=self._resources.sessions,
                clock=self._resources.clock,
                access=access,
                action="call.run",
                target=target,
                detail=intent,
            ) as deed,
            self._resources.in_flight.enter(str(access.workspace)),
        ):
            if streams is not None:
                streams.enter_context(self._resources.streams.enter(str(access.workspace)))
            require(access, permission)
            with step("resolve"):
                resolved = look_up(deed)
            deed.detail["secret_ids"] = {name: secret.id for name, secret in sorted(resolved.secrets.items())}
            require_few_guesses(resolved.guesses, resolved.secrets, access.actor.name, self._resources.clock())
            with step("check"):
                self._credentials.require_signable(resolved.call, resolved.secrets)
                destination = self._resources.outbound.check(resolved.call, resolved.used)
            with step("read"):
                material = self._credentials.read(resolved.secrets, deed, resolved.call, changes=resolved.changes)
            self._credentials.note_guesses(resolved.secrets, material, deed, resolved.call)
            with step("sign"):
                call = self._credentials.sign(resolved.call, material, resolved.moment)
            yield _ReadyCall(deed, resolved, destination, call, material)

    def make(self, template: CallTemplate, *, access: Access) -> CompletedCall:
        """Make a call of the request. Raises ``StrongroomError``, whose code says why."""
        return self.perform(
            _target_of(template),
            permission=Permission.CALL_AD_HOC,
            access=access,
            intent=intent_facts(template),
            look_up=lambda _deed: self._ad_hoc(template, access=access),
        )

    def stream(self, template: CallTemplate, *, access: Access, is_awaited: Callable[[], bool]) -> StreamedCall:
        """Make a call of the request, its answer as a stream; see ``perform_stream``."""
        return self.perform_stream(
            _target_of(template),
            permission=Permission.CALL_AD_HOC,
            access=access,
            intent=intent_facts(template),
            look_up=lambda _deed: self._ad_hoc(template, access=access),
            is_awaited=is_awaited,
        )

    def preview(self, template: CallTemplate, *, access: Access) -> Preview:
        """Show a call that came with the request as it would go out; see ``preview_resolved``.

        Raises:
            Forbidden, UnknownSecret, MissingVariable, SecretExpired, PlaceNotAllowed, ValueNotAllowedHere
        """
        require(access, Permission.CALL_AD_HOC)
        return self.preview_resolved(self._ad_hoc(template, access=access))

    def preview_resolved(self, resolved: ResolvedCall) -> Preview:
        """Show a call as it would go out; no value is read, nothing is sent, and nothing is recorded."""
        outbound = self._resources.outbound
        preview = outbound.preview(resolved.call)
        return Preview(
            preview.method, preview.url, preview.headers, preview.body, _verdict(resolved, outbound=outbound)
        )

    def _ad_hoc(self, template: CallTemplate, *, access: Access) -> ResolvedCall:
        with self._resources.sessions.read() as session:
            requirements = requirements_of(template, access=access, session=session)
        any_host = access.role is not Role.RUNTIME  # whose ad-hoc calls go nowhere that nobody named
        return resolve_call(template, requirements, {}, clock=self._resources.clock, any_host=any_host)

    def _send(self, send: Callable[..., R], ready: _ReadyCall) -> R:
        """Send a call; once more, with another token, where an upstream answered 401 to one that may be repeated."""
        response = self._send_once(send, ready)
        if response.status != 401 or ready.call.method not in _REPEATABLE or ready.call.signed:
            return response
        if not self._credentials.replace_tokens(ready.material, ready.deed, patience=ready.call.timeout_seconds):
            return response
        response.close()
        ready.deed.detail["sent_twice"] = True
        return self._send_once(send, ready)

    def _send_once(self, send: Callable[..., R], ready: _ReadyCall) -> R:
        deed, values, hidden = ready.deed, ready.values, ready.hidden
        workspace, began = str(deed.access.workspace), monotonic()
        try:
            with step("send"), connection("upstream"):
                response = send(ready.call, ready.destination, values, workspace=workspace, hidden=hidden)
        except StrongroomError as error:
            deed.detail["elapsed_ms"] = round((monotonic() - began) * 1000, 1)
            if isinstance(error, RedirectRefused):
                deed.detail |= error.facts
            upstream_answered(error.code)
            raise
        denied = response.status in (401, 403)
        upstream_answered("denied" if denied else f"{response.status // 100}xx", redactions=response.redactions)
        return response


def _target_of(template: CallTemplate) -> Target:
    return Target("call", name=f"{template.written.method} {template.origin.host}"[:128])


def intent_facts(template: CallTemplate) -> dict[str, object]:
    """Return what the record's intent says of a call: where it goes, how, and with which secrets."""
    return {
        "method": template.written.method,
        "host": template.origin.host,
        "port": template.origin.port,
        "secrets": list(template.secrets),
    }


def requirements_of(template: CallTemplate, *, access: Access, session: Session) -> Requirements:
    """Look up what a call needs of its workspace: settings, secrets (names and state), and variables.

    Raises:
        UnknownSecret, PlaceNotAllowed
    """
    changes = changes_in(session)
    workspace = settings_of(str(access.workspace), session)
    secrets = needed_secrets(template, workspace=workspace, session=session)
    own = dict(template.written.variables)
    defaults = {**plain_values(template.workspace_variables, access=access, session=session), **own}
    guesses = guesses_of(secrets, session)
    return Requirements(workspace.refuse_expired, secrets, defaults, guesses, _complete(template, defaults), changes)


def resolve_call(
    template: CallTemplate,
    requirements: Requirements,
    variables: Mapping[str, object],
    *,
    clock: Clock,
    any_host: bool = True,
    captures_only: bool = False,
) -> ResolvedCall:
    """Check expiry and fill the variables in: what will be sent, but for the values.

    Args:
        variables: What the request brings; it goes before the call's own defaults and the workspace's variables.

    Raises:
        SecretExpired, MissingVariable, ValueNotAllowedHere, RequestNotAllowed
    """
    if requirements.refuse_expired:
        refuse_expired(requirements.secrets, clock())
    moment = CallMoment(clock())
    if variables or requirements.complete is None:
        call = resolve(template, {**requirements.defaults, **variables, **moment.variables()})
    else:
        call = requirements.complete
    require_requests(call, requirements.secrets)
    needs = requirements
    return ResolvedCall(template, call, needs.secrets, moment, captures_only, any_host, needs.guesses, needs.changes)


def _complete(template: CallTemplate, defaults: Mapping[str, object]) -> Call | None:
    if template.varies:
        return None
    try:
        return resolve(template, defaults)
    except CallerError:  # a request may bring what is missing, or what may stand there
        return None


def _verdict(resolved: ResolvedCall, *, outbound: Outbound) -> CheckVerdict:
    host, port = resolved.call.origin.host, resolved.call.origin.port
    try:
        return CheckVerdict(True, host, port, outbound.check(resolved.call, resolved.used).addresses)
    except (DestinationNotAllowed, UpstreamUnreachable) as refused:
        return CheckVerdict(False, host, port, reason=str(refused.extra.get("reason", refused.code)))
