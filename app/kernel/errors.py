"""Every refusal and failure that Strongroom knows, as one tree.

::

    StrongroomError
    ├── CallerError                party: caller — the request has to change
    │   ├── Unauthenticated, NotFound, MalformedJson, PayloadTooLarge, UnsupportedMediaType, MethodNotAllowed
    │   ├── Conflict, NameTaken, InUse, LastOwner, PreconditionFailed, PreconditionRequired
    │   ├── RequestTimeout, RateLimited, TooManyCalls
    │   └── Unprocessable
    │       ├── ValidationFailed, Immutable, TooShort, TooLong, TooGuessable, ConfirmationRequired
    │       ├── UnknownSecret, MissingVariable, OneSecretPerField, TemplateNotAllowed, HeaderNotAllowed
    │       ├── ValueNotAllowedHere, AllowedHostsRequired, AllowedHostsTooWide, ValueRequired, CheckFailed
    │       └── IdempotencyKeyReused
    ├── PolicyError                party: policy — an owner or admin has to decide
    │   └── Forbidden, NeverShown, DestinationNotAllowed, PlaceNotAllowed, RequestNotAllowed, NotGranted, SecretExpired
    ├── VaultError                 party: vault — an operator has to look at Vault
    │   └── VaultUnavailable, VaultRefused, Unanswered, BindingMismatch, WriteConflict (never leaves the domain)
    ├── UpstreamError              party: upstream — the called service is at fault
    │   └── UpstreamUnreachable, UpstreamTls, UpstreamProtocol, UpstreamTimeout, RedirectRefused,
    │   │   ResponseNotReadable, ResponseTooLarge
    │   └── IssuerUnavailable (a kind of UpstreamUnreachable)
    └── ServiceError               party: service — an operator has to look at Strongroom
        └── RecordUnavailable, Stopping

A class names the fault; which HTTP status or exit code it becomes stands in ``app.web.errors`` and ``app.cli``.
No message ever holds a value: a text from a library is never copied into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from app.kernel.field_location import FieldErrors as FieldErrors
from app.kernel.field_location import FieldLocation as FieldLocation
from app.kernel.field_location import in_body as in_body
from app.kernel.field_location import in_header as in_header
from app.kernel.field_location import in_path as in_path
from app.kernel.field_location import in_query as in_query

Party = Literal["caller", "policy", "vault", "upstream", "service"]


class StrongroomError(Exception):
    """A refusal or failure with a code for programs and a sentence for people.

    ``errors`` tells what is wrong with which field; ``extra`` holds further members of the problem document;
    ``retry_after`` is in seconds.
    """

    code: ClassVar[str] = "internal_error"
    party: ClassVar[Party] = "service"
    title: ClassVar[str] = "Something went wrong"

    def __init_subclass__(
        cls, *, party: Party | None = None, code: str | None = None, title: str | None = None
    ) -> None:
        """Take what the class says of itself; what it leaves out is as in the class above it."""
        cls.party = party or cls.party
        cls.code = code or cls.code
        cls.title = title or cls.title

    def __init__(
        self,
        detail: str,
        *,
        errors: FieldErrors | None = None,
        extra: Mapping[str, object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.extra = dict(extra or {})
        self.retry_after = retry_after


class CallerError(StrongroomError, party="caller"):
    """The request has to change."""


class Unauthenticated(CallerError, code="unauthenticated", title="Not signed in"):
    """No valid token or session came with the request."""


class NotFound(CallerError, code="not_found", title="Not found"):
    """The thing isn't there, or isn't this actor's to see."""


class MethodNotAllowed(CallerError, code="method_not_allowed", title="Method not allowed"):
    """The resource doesn't know this HTTP method."""


class MalformedJson(CallerError, code="malformed_json", title="Malformed JSON"):
    """The body isn't valid JSON."""


class PayloadTooLarge(CallerError, code="payload_too_large", title="Payload too large"):
    """The request's body is over the limit."""


class UnsupportedMediaType(CallerError, code="unsupported_media_type", title="Unsupported media type"):
    """The body has another content type than the one that is understood."""


class Conflict(CallerError, code="conflict", title="Conflict"):
    """The thing is in a state, or is being changed by somebody else, that forbids this now."""


class NameTaken(Conflict, code="name_taken", title="Name taken"):
    """The name belongs to something else already."""


class InUse(Conflict, code="in_use", title="In use"):
    """API blocks use the secret; ``blocks`` names them."""


class LastOwner(Conflict, code="last_owner", title="Last owner"):
    """A workspace always keeps at least one owner."""


class PreconditionFailed(CallerError, code="precondition_failed", title="Changed meanwhile"):
    """Somebody changed the thing since it was read."""


class PreconditionRequired(CallerError, code="precondition_required", title="If-Match required"):
    """An edit needs If-Match."""


class RequestTimeout(CallerError, code="request_timeout", title="Request timeout"):
    """The request's body came too slowly."""


class RateLimited(CallerError, code="rate_limited", title="Too many requests"):
    """Too many requests in too short a time."""


class TooManyCalls(CallerError, code="too_many_calls", title="Too many calls in flight"):
    """The workspace has as many calls in flight as it may."""


class Unprocessable(CallerError):
    """The request is well formed and still can't be done as it stands."""


class ValidationFailed(Unprocessable, code="validation_failed", title="Validation failed"):
    """Fields of the request are wrong; ``errors`` names them."""


class Immutable(Unprocessable, code="immutable", title="Fixed at creation"):
    """A name or visibility was fixed for good when the thing was created."""


class TooShort(Unprocessable, code="too_short", title="Too short"):
    """A value below its least length."""


class TooLong(Unprocessable, code="too_long", title="Too long"):
    """A value over its greatest length."""


class TooGuessable(Unprocessable, code="too_guessable", title="Too easy to guess"):
    """A restricted value that a guesser would find."""


class ConfirmationRequired(Unprocessable, code="confirmation_required", title="Confirmation required"):
    """What can't be brought back asks for ``?confirm={name}``."""


class UnknownSecret(Unprocessable, code="unknown_secret", title="Unknown secret"):
    """A template names a secret that isn't there."""


class MissingVariable(Unprocessable, code="missing_variable", title="Missing variable"):
    """A template names a variable that has no value."""


class OneSecretPerField(Unprocessable, code="one_secret_per_field", title="One secret per field"):
    """A field holds one secret at most."""


class TemplateNotAllowed(Unprocessable, code="template_not_allowed", title="Template not allowed here"):
    """A template stands where none may be."""


class HeaderNotAllowed(Unprocessable, code="header_not_allowed", title="Header not allowed"):
    """A header that a call can't set, or sets twice."""


class ValueNotAllowedHere(Unprocessable, code="value_not_allowed_here", title="Value not allowed here"):
    """A value holds something that its place can't carry."""


class AllowedHostsRequired(Unprocessable, code="allowed_hosts_required", title="Allowed hosts required"):
    """A restricted secret must be given its hosts."""


class AllowedHostsTooWide(Unprocessable, code="allowed_hosts_too_wide", title="Allowed hosts too wide"):
    """A host pattern that would match more than one owner's hosts."""


class ValueRequired(Unprocessable, code="value_required", title="New value required"):
    """A restricted secret is given further hosts or places only together with a new value."""


class CheckFailed(Unprocessable, code="check_failed", title="Check failed"):
    """A new value didn't pass its check; ``reason`` says how, and nothing was changed."""


class NotForThisType(Unprocessable, code="not_for_this_type", title="Not for this type of secret"):
    """What was asked doesn't exist for a secret of this type, or whose value is managed elsewhere."""


class IdempotencyKeyReused(Unprocessable, code="idempotency_key_reused", title="Idempotency key reused"):
    """The Idempotency-Key came before with another request."""


class PolicyError(StrongroomError, party="policy"):
    """What was asked is not allowed to this actor, or by this secret."""


class Forbidden(PolicyError, code="forbidden", title="Forbidden"):
    """The actor's role doesn't hold the permission; ``action`` names it."""


class NeverShown(PolicyError, code="never_shown", title="Never shown"):
    """A restricted value is shown to nobody."""


class DestinationNotAllowed(PolicyError, code="destination_not_allowed", title="Destination not allowed"):
    """The call's destination isn't allowed; ``reason`` says why."""


class PlaceNotAllowed(PolicyError, code="place_not_allowed", title="Place not allowed"):
    """The secret may not be put in that place of a call."""


class NotGranted(PolicyError, code="not_granted", title="Not granted"):
    """Vault's operators don't grant this value, or not to this host."""


class RequestNotAllowed(PolicyError, code="request_not_allowed", title="Request not allowed"):
    """The secret may not ride this request; ``reason`` says why."""


class SecretExpired(PolicyError, code="secret_expired", title="Secret expired"):
    """The secret is over its ``expires_at``, and the workspace refuses such ones."""


class VaultError(StrongroomError, party="vault"):
    """Vault couldn't or wouldn't."""


class VaultUnavailable(VaultError, code="vault_unavailable", title="Vault unavailable"):
    """Vault is sealed, unreachable or without a leader; nothing was lost."""


class VaultRefused(VaultUnavailable):
    """Vault answered 403: a policy or role is missing or was changed."""


class Unanswered(VaultUnavailable):
    """The request may have reached Vault, and whether it was carried out, or will be, is not known."""


class BindingMismatch(VaultError, code="binding_mismatch", title="Binding mismatch"):
    """The local row of a secret isn't the one that Vault was told of."""


class WriteConflict(VaultError, code="conflict", title="Conflict"):
    """A check-and-set write lost the race. The domain turns it into a 412 or 409."""


class UpstreamError(StrongroomError, party="upstream"):
    """The called service is at fault, or out of reach."""


class UpstreamUnreachable(UpstreamError, code="upstream_unreachable", title="Upstream unreachable"):
    """No connection to the upstream."""


class UpstreamTls(UpstreamError, code="upstream_tls", title="Upstream TLS failure"):
    """The upstream's certificate or TLS version isn't acceptable."""


class UpstreamProtocol(UpstreamError, code="upstream_protocol", title="Upstream protocol error"):
    """The upstream doesn't speak HTTP as it should."""


class IssuerUnavailable(UpstreamUnreachable, title="The identity provider can't be reached"):
    """The identity provider can't be asked, or doesn't answer as OpenID Connect says."""


class RedirectRefused(UpstreamError, code="redirect_refused", title="Redirect refused"):
    """The upstream redirects to where the call may not go, or nowhere, after the call's first hop went out.

    Args:
        sentence: Why, in words of ours; what the upstream wrote stands in no problem.
        reason: The same as a code.
        status: What the upstream answered to the hop that was made last.
        sent_bytes: The bodies of all hops that went out, in bytes.
    """

    def __init__(self, sentence: str, *, reason: str, status: int, sent_bytes: int) -> None:
        detail = f"The call was sent, and the upstream's redirect isn't followed: {sentence}."
        super().__init__(detail, extra={"reason": reason, "upstream_status": status})
        self.facts = {"status": status, "sent_bytes": sent_bytes, "redirect_refused": reason}


class ReconnectRequired(UpstreamError, code="reconnect_required", title="Reconnect required"):
    """The service gives no more tokens for this secret until somebody connects it anew."""


class TokenUnavailable(UpstreamError, code="token_unavailable", title="Token unavailable"):
    """The service that gives an OAuth 2.0 secret its tokens gave none; ``reason`` says why."""


class UpstreamTimeout(UpstreamError, code="upstream_timeout", title="Upstream timeout"):
    """The upstream took longer than the call allows."""


class ResponseNotReadable(UpstreamError, code="response_not_readable", title="Response not readable"):
    """The response's content coding is unknown, or lies."""


class ResponseTooLarge(UpstreamError, code="response_too_large", title="Response too large"):
    """The response is over the limit."""


class ServiceError(StrongroomError):
    """Strongroom itself can't."""


class RecordUnavailable(ServiceError, code="record_unavailable", title="Record unavailable"):
    """The record can't be written, and so nothing is done."""


class ClientGone(StrongroomError, party="caller", code="client_gone", title="Client gone"):
    """Nobody waits for the answer any more; the call was broken off."""


class Stopping(ServiceError, code="stopping", title="Service stopping"):
    """The service is stopping; the call was broken off."""
