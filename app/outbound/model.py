"""The door to the world: what an outbound call is made of, and what comes back from it.

A reply that leaves this room is redacted; an unredacted one doesn't exist outside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from app.kernel.errors import FieldLocation, in_body
from app.kernel.secret import SecretValue

Hidden = Sequence[tuple[str, SecretValue]]
"""Values by the names of their secrets, of which one may have several."""

_CALL: Final = in_body("call")
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a field that the block's author wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A piece of a field that a variable filled: data, never parsed again; as ``segments`` of a path it keeps its /."""

    text: str
    segments: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece of a field where a secret's value goes."""

    secret: str


Piece = Text | Filled | Slot


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a call, its variables filled in; it holds one slot at most. Encoding happens in ``inject``.

    ``location`` is where it stands in the request that brought the call.
    """

    pieces: tuple[Piece, ...]
    location: FieldLocation = _CALL

    @property
    def secret(self) -> str | None:
        """The name of the secret that this field holds, if any."""
        return next((piece.secret for piece in self.pieces if isinstance(piece, Slot)), None)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: the host lower-case ASCII (IDNA) without trailing dot, or an address without brackets."""

    scheme: Literal["http", "https"]
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class NoBody:
    """No body."""


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON document whose strings are fields: nested dict, list, ``Field``, int, float, bool, None.

    ``source``: its text as its author spelled it, whose fields' ``Text`` is escaped already."""

    content: object
    source: tuple[str | Field, ...] | None = None


@dataclass(frozen=True, slots=True)
class FormBody:
    """``application/x-www-form-urlencoded``; ``source`` as of ``JsonBody``."""

    items: tuple[tuple[str, Field], ...]
    source: tuple[str | Field, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextBody:
    """Raw text, sent as UTF-8."""

    content: Field


@dataclass(frozen=True, slots=True)
class XmlBody:
    """XML as its author wrote it; what is filled in is escaped. ``application/xml``, in UTF-8."""

    content: Field


@dataclass(frozen=True, slots=True)
class BytesBody:
    """Bytes, as base64 until they are sent."""

    content: Field
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body; ``encoded`` where its content is base64 until it is sent."""

    name: str
    content: Field
    filename: str | None = None
    content_type: str | None = None
    encoded: bool = False


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """``multipart/form-data``."""

    parts: tuple[Part, ...]
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))


Body = NoBody | JsonBody | FormBody | TextBody | XmlBody | BytesBody | MultipartBody


@dataclass(frozen=True, slots=True)
class Call:
    """A call, resolved: every variable filled in, every secret still a slot.

    ``path`` is the whole URL path, from its ``/`` on; ``url_query`` what the URL has behind its ``?``, a field for each
    ``name=value``, percent-encoded by its author; ``query`` the call's own list, which comes after. Of ``headers`` the
    order is kept, and none stands there twice. ``form_encoded_basic``: RFC 6749, 2.3.1. ``signature`` is an
    Authorization header, made last; ``signed``: no redirect is followed. ``kept``: written of it, without a value.
    """

    method: Method
    origin: Origin
    path: Field
    url_query: tuple[Field, ...] = ()
    query: tuple[tuple[str, Field], ...] = ()
    headers: tuple[tuple[str, Field], ...] = ()
    basic: tuple[Field, Field] | None = None
    form_encoded_basic: bool = False
    signature: Field | None = None
    signed: bool = False
    body: Body = field(default_factory=NoBody)
    timeout_seconds: float = 10.0
    follow_redirects: bool = False
    kept: dict[str, Prepared] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AllowedRequest:
    """Requests that a secret may ride: these methods (None: each) to paths of this pattern (None: any)."""

    methods: tuple[str, ...] | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class UsedSecret:
    """What the guard has to know of a secret that a call carries.

    ``any_host`` tells whether ``*`` among its hosts counts for this caller (never for a runtime token's ad-hoc call).
    ``allowed_requests`` None means any.
    """

    name: str
    allowed_hosts: tuple[str, ...]
    any_host: bool = True
    allowed_requests: tuple[AllowedRequest, ...] | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a call may go: its origin, the vetted addresses to connect to, and whose rules let it pass."""

    origin: Origin
    addresses: tuple[str, ...]
    secrets: tuple[UsedSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """A call as it would go out, with ``[secret:NAME]`` where a value would stand."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, redacted. ``body`` is decoded content; ``charset`` is what the upstream said, if it did.

    ``sent_bytes`` counts the bodies of all requests, ``received_bytes`` the answer's body as it is here;
    ``redirects`` are the origins that redirects led to, in order.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    media_type: str | None
    charset: str | None
    redactions: int
    elapsed_ms: float
    sent_bytes: int
    received_bytes: int
    redirects: tuple[Origin, ...] = ()

    def close(self) -> None:
        """Do nothing: a whole answer holds no connection."""


@dataclass(frozen=True, slots=True)
class OutboundRules:
    """What the operator set for outbound calls.

    ``networks`` are CIDRs that may be called although they aren't public; ``never`` are host and port pairs that are
    no destination whatever the networks say (Vault's, the service's own, the database's); ``ca_file`` holds further
    authorities; ``resolver`` is the ``ip:port`` of a DNS server to ask instead of the system's.
    """

    networks: tuple[str, ...] = ()
    plain_http: bool = False
    never: tuple[tuple[str, int], ...] = ()
    ca_file: str | None = None
    resolver: str | None = None
    max_request_bytes: int = 32 * 1024 * 1024
    max_response_bytes: int = 10 * 1024 * 1024
    max_stream_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call with its values in it: lives until it is sent, and is never shown."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def target(self) -> tuple[str, str]:
        """Path and query as they go out."""
        path, _, query = ("/" + self.url.split("://", 1)[1].partition("/")[2]).partition("?")
        return path, query


@dataclass(frozen=True, slots=True)
class TokenFields:
    """The members of a token answer that hold the token and, where it isn't ``expires_in``, the moment of its end."""

    token: str = "access_token"
    expiry: str | None = None


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What an authorization server answered, its tokens in their hiding type.

    ``lifetime`` is in seconds, None where it didn't say; ``error`` is its code; ``readable`` tells whether the answer
    was a document of any kind that is expected.
    """

    status: int
    access_token: SecretValue | None = None
    refresh_token: SecretValue | None = None
    lifetime: float | None = None
    scopes: frozenset[str] | None = None
    error: str | None = None
    readable: bool = False


class ResponseStream(Protocol):
    """An answer that goes on as it comes: its head is here, redacted; its body is taken piece by piece.

    ``idle_seconds`` is the longest wait between two pieces. ``redactions`` and ``received_bytes`` grow; the latter are
    bytes after redaction, so that no size tells how long a value is. ``moved`` tells whether anything came for the last
    ``take``, and ``more`` that it has more to give at once.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    media_type: str | None
    idle_seconds: float
    sent_bytes: int
    received_bytes: int
    redirects: tuple[Origin, ...]
    over: bool
    more: bool
    moved: bool

    @property
    def redactions(self) -> int:
        """How many places were redacted so far."""

    def take(self) -> bytes:
        """Give what has come and is safe to go on, perhaps nothing yet; never waits. ``over`` tells the end.

        Raises ``UpstreamError`` and ``Stopping``.
        """

    def require_running(self) -> None:
        """Raise ``Stopping`` where the service's time is over."""

    def fileno(self) -> int:
        """Return the number of the socket that the rest comes from; -1 where nothing is to come."""

    def farewell(self, problem: bytes) -> bytes:
        """Return what tells a reader of this kind of stream of a problem (a JSON document); nothing where none can."""

    def close(self) -> None:
        """Let the connection go."""


class Outbound(Protocol):
    """What the call pipeline asks of this room."""

    def check(self, call: Call, secrets: Sequence[UsedSecret]) -> Destination:
        """Vet the destination: hosts of every secret first, then every address of the name.

        Raises ``DestinationNotAllowed`` (with ``extra["reason"]``), ``UpstreamUnreachable`` for a name that doesn't
        resolve. Nothing is sent to the destination and no value is needed.
        """

    def send(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        hidden: Hidden = (),
    ) -> Response:
        """Inject, send and redact; connections are kept by workspace and origin.

        ``hidden`` values, by the names of their secrets, don't go out, and are taken out of what comes back all the
        same.

        Raises ``ValueNotAllowedHere``, ``PayloadTooLarge``, ``DestinationNotAllowed`` and any ``UpstreamError``.
        """

    def send_stream(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        hidden: Hidden = (),
        is_awaited: Callable[[], bool],
    ) -> ResponseStream:
        """Inject and send as ``send`` does, and give the answer as soon as its head is there.

        Raises what ``send`` does, and ``ClientGone`` soon after ``is_awaited`` tells that nobody waits any more.
        """

    def write(self, call: Call, values: Mapping[str, SecretValue]) -> Prepared:
        """Write the call out, so that it can be signed. Raises ``ValueNotAllowedHere`` and ``PayloadTooLarge``."""

    def body_size(self, call: Call) -> int:
        """Return how many bytes the call's body has, without its values."""

    def ask_for_token(
        self,
        call: Call,
        destination: Destination,
        values: Mapping[str, SecretValue],
        *,
        workspace: str,
        fields: TokenFields,
    ) -> TokenAnswer:
        """Ask an authorization server for a token; follows no redirect. Raises any ``UpstreamError``."""

    def stop_at(self, moment: float) -> None:
        """Break off whatever is under way at this moment of the monotonic clock, with ``Stopping``."""

    def find_guesses(self, call: Call, values: Mapping[str, SecretValue]) -> Sequence[str]:
        """Return the names of the values that the call's own text holds, in whatever form: its author knows them."""

    def preview(self, call: Call) -> RequestPreview:
        """Show the call as it would go out, with markers for values."""
