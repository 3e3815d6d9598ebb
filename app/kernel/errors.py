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


class CallerError(StrongroomError):
    """The request has to change."""

    party = "caller"


class Unauthenticated(CallerError):
    """No valid token or session came with the request."""

    code = "unauthenticated"
    title = "Not signed in"


class NotFound(CallerError):
    """The thing isn't there, or isn't this actor's to see."""

    code = "not_found"
    title = "Not found"


class MethodNotAllowed(CallerError):
    """The resource doesn't know this HTTP method."""

    code = "method_not_allowed"
    title = "Method not allowed"


class MalformedJson(CallerError):
    """The body is no JSON."""

    code = "malformed_json"
    title = "Malformed JSON"


class PayloadTooLarge(CallerError):
    """The request's body is over the limit."""

    code = "payload_too_large"
    title = "Payload too large"


class UnsupportedMediaType(CallerError):
    """The body has another content type than the one that is understood."""

    code = "unsupported_media_type"
    title = "Unsupported media type"


class Conflict(CallerError):
    """The thing is in a state, or is being changed by somebody else, that forbids this now."""

    code = "conflict"
    title = "Conflict"


class NameTaken(Conflict):
    """The name belongs to something else already."""

    code = "name_taken"
    title = "Name taken"


class InUse(Conflict):
    """API blocks use the secret; ``blocks`` names them."""

    code = "in_use"
    title = "In use"


class LastOwner(Conflict):
    """A workspace always keeps at least one owner."""

    code = "last_owner"
    title = "Last owner"


class PreconditionFailed(CallerError):
    """Somebody changed the thing since it was read."""

    code = "precondition_failed"
    title = "Changed meanwhile"


class PreconditionRequired(CallerError):
    """An edit needs If-Match."""

    code = "precondition_required"
    title = "If-Match required"


class RequestTimeout(CallerError):
    """The request's body came too slowly."""

    code = "request_timeout"
    title = "Request timeout"


class RateLimited(CallerError):
    """Too many requests in too short a time."""

    code = "rate_limited"
    title = "Too many requests"


class TooManyCalls(CallerError):
    """The workspace has as many calls in flight as it may."""

    code = "too_many_calls"
    title = "Too many calls in flight"


class Unprocessable(CallerError):
    """The request is well formed and still can't be done as it stands."""


class ValidationFailed(Unprocessable):
    """Fields of the request are wrong; ``errors`` names them."""

    code = "validation_failed"
    title = "Validation failed"


class Immutable(Unprocessable):
    """A name or visibility was fixed for good when the thing was created."""

    code = "immutable"
    title = "Fixed at creation"


class TooShort(Unprocessable):
    """A value below its least length."""

    code = "too_short"
    title = "Too short"


class TooLong(Unprocessable):
    """A value over its greatest length."""

    code = "too_long"
    title = "Too long"


class TooGuessable(Unprocessable):
    """A restricted value that a guesser would find."""

    code = "too_guessable"
    title = "Too easy to guess"


class ConfirmationRequired(Unprocessable):
    """What can't be brought back asks for ``?confirm={name}``."""

    code = "confirmation_required"
    title = "Confirmation required"


class UnknownSecret(Unprocessable):
    """A template names a secret that isn't there."""

    code = "unknown_secret"
    title = "Unknown secret"


class MissingVariable(Unprocessable):
    """A template names a variable that has no value."""

    code = "missing_variable"
    title = "Missing variable"


class OneSecretPerField(Unprocessable):
    """A field holds one secret at most."""

    code = "one_secret_per_field"
    title = "One secret per field"


class TemplateNotAllowed(Unprocessable):
    """A template stands where none may be."""

    code = "template_not_allowed"
    title = "Template not allowed here"


class HeaderNotAllowed(Unprocessable):
    """A header that a call can't set, or sets twice."""

    code = "header_not_allowed"
    title = "Header not allowed"


class ValueNotAllowedHere(Unprocessable):
    """A value holds something that its place can't carry."""

    code = "value_not_allowed_here"
    title = "Value not allowed here"


class AllowedHostsRequired(Unprocessable):
    """A restricted secret must be given its hosts."""

    code = "allowed_hosts_required"
    title = "Allowed hosts required"


class AllowedHostsTooWide(Unprocessable):
    """A host pattern that would match more than one owner's hosts."""

    code = "allowed_hosts_too_wide"
    title = "Allowed hosts too wide"


class ValueRequired(Unprocessable):
    """A restricted secret is given further hosts or places only together with a new value."""

    code = "value_required"
    title = "New value required"


class CheckFailed(Unprocessable):
    """A new value didn't pass its check; ``reason`` says how, and nothing was changed."""

    code = "check_failed"
    title = "Check failed"


class NotForThisType(Unprocessable):
    """What was asked doesn't exist for a secret of this type, or whose value is managed elsewhere."""

    code = "not_for_this_type"
    title = "Not for this type of secret"


class IdempotencyKeyReused(Unprocessable):
    """The Idempotency-Key came before with another request."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class PolicyError(StrongroomError):
    """What was asked is not allowed to this actor, or by this secret."""

    party = "policy"


class Forbidden(PolicyError):
    """The actor's role doesn't hold the permission; ``action`` names it."""

    code = "forbidden"
    title = "Forbidden"


class NeverShown(PolicyError):
    """A restricted value is shown to nobody."""

    code = "never_shown"
    title = "Never shown"


class DestinationNotAllowed(PolicyError):
    """The call's destination isn't allowed; ``reason`` says why."""

    code = "destination_not_allowed"
    title = "Destination not allowed"


class PlaceNotAllowed(PolicyError):
    """The secret may not be put in that place of a call."""

    code = "place_not_allowed"
    title = "Place not allowed"


class NotGranted(PolicyError):
    """Vault's operators don't grant this value, or not to this host."""

    code = "not_granted"
    title = "Not granted"


class RequestNotAllowed(PolicyError):
    """The secret may not ride this request; ``reason`` says why."""

    code = "request_not_allowed"
    title = "Request not allowed"


class SecretExpired(PolicyError):
    """The secret is over its ``expires_at``, and the workspace refuses such ones."""

    code = "secret_expired"
    title = "Secret expired"


class VaultError(StrongroomError):
    """Vault couldn't or wouldn't."""

    party = "vault"


class VaultUnavailable(VaultError):
    """Vault is sealed, unreachable or without a leader; nothing was lost."""

    code = "vault_unavailable"
    title = "Vault unavailable"


class VaultRefused(VaultUnavailable):
    """Vault answered 403: a policy or role is missing or was changed."""


class Unanswered(VaultUnavailable):
    """The request may have reached Vault, and whether it was carried out, or will be, is not known."""


class BindingMismatch(VaultError):
    """The local row of a secret isn't the one that Vault was told of."""

    code = "binding_mismatch"
    title = "Binding mismatch"


class WriteConflict(VaultError):
    """A check-and-set write lost the race. The domain turns it into a 412 or 409."""

    code = "conflict"
    title = "Conflict"


class UpstreamError(StrongroomError):
    """The called service is at fault, or out of reach."""

    party = "upstream"


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream."""

    code = "upstream_unreachable"
    title = "Upstream unreachable"


class UpstreamTls(UpstreamError):
    """The upstream's certificate or TLS version isn't acceptable."""

    code = "upstream_tls"
    title = "Upstream TLS failure"


class UpstreamProtocol(UpstreamError):
    """The upstream doesn't speak HTTP as it should."""

    code = "upstream_protocol"
    title = "Upstream protocol error"


class IssuerUnavailable(UpstreamUnreachable):
    """The identity provider can't be asked, or doesn't answer as OpenID Connect says."""

    title = "The identity provider can't be reached"


class RedirectRefused(UpstreamError):
    """The upstream redirects to where the call may not go, or nowhere, after the call's first hop went out.

    Args:
        sentence: Why, in words of ours; what the upstream wrote stands in no problem.
        reason: The same as a code.
        status: What the upstream answered to the hop that was made last.
        sent_bytes: The bodies of all hops that went out, in bytes.
    """

    code = "redirect_refused"
    title = "Redirect refused"

    def __init__(self, sentence: str, *, reason: str, status: int, sent_bytes: int) -> None:
        detail = f"The call was sent, and the upstream's redirect isn't followed: {sentence}."
        super().__init__(detail, extra={"reason": reason, "upstream_status": status})
        self.facts = {"status": status, "sent_bytes": sent_bytes, "redirect_refused": reason}


class ReconnectRequired(UpstreamError):
    """The service gives no more tokens for this secret until somebody connects it anew."""

    code = "reconnect_required"
    title = "Reconnect required"


class TokenUnavailable(UpstreamError):
    """The service that gives an OAuth 2.0 secret its tokens gave none; ``reason`` says why."""

    code = "token_unavailable"
    title = "Token unavailable"


class UpstreamTimeout(UpstreamError):
    """The upstream took longer than the call allows."""

    code = "upstream_timeout"
    title = "Upstream timeout"


class ResponseNotReadable(UpstreamError):
    """The response's content coding is unknown, or lies."""

    code = "response_not_readable"
    title = "Response not readable"


class ResponseTooLarge(UpstreamError):
    """The response is over the limit."""

    code = "response_too_large"
    title = "Response too large"


class ServiceError(StrongroomError):
    """Strongroom itself can't."""


class RecordUnavailable(ServiceError):
    """The record can't be written, and so nothing is done."""

    code = "record_unavailable"
    title = "Record unavailable"


class Stopping(ServiceError):
    """The service is stopping; the call was broken off."""

    code = "stopping"
    title = "Service stopping"
