"""Handing an answer that streams over to the front, which sends it on without a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from app.access import Access
from app.db import VersionedCache
from app.kernel.errors import RecordUnavailable, StrongroomError

CALL_ID: Final = "Strongroom-Call-Id"
PROXY_STATUS: Final = "Proxy-Status"
ERROR_EVENT: Final = "strongroom-error"
_STREAM: Final = "strongroom.stream"
# RFC 9209, section 2.3: what a machine that doesn't know this service makes of its codes.
_ERROR_TYPES: Final = {
    "upstream_timeout": "http_response_timeout",
    "upstream_unreachable": "destination_unavailable",
    "upstream_tls": "tls_protocol_error",
    "upstream_protocol": "http_protocol_error",
    "redirect_refused": "http_request_denied",
    "response_not_readable": "http_response_content_coding",
    "response_too_large": "http_response_body_size",
    "destination_not_allowed": "destination_ip_prohibited",
    "too_many_calls": "connection_limit_reached",
    "rate_limited": "connection_limit_reached",
}
_BY_PARTY: Final = {"caller": "http_request_error", "policy": "http_request_denied", "upstream": "http_protocol_error"}


class Stream(Protocol):
    """What the front needs of an answer that streams; see ``app.calls.streams.StreamedCall``."""

    call_id: str
    status: int
    headers: tuple[tuple[str, str], ...]
    workspace: str
    idle_seconds: float
    asks_vault: bool
    """Whether a look at what it stands on may have to wait for Vault."""

    @property
    def redactions(self) -> int:
        """How many places were redacted so far."""

    @property
    def over(self) -> bool:
        """Whether all of it was taken."""

    @property
    def more(self) -> bool:
        """Whether ``take`` has more to give at once."""

    @property
    def late(self) -> bool:
        """Whether its time is over, so that ``take`` raises where nothing has come."""

    def fileno(self) -> int:
        """Return the number of the socket that the rest comes from."""

    def take(self) -> bytes:
        """Give what has come and may go on, without waiting."""

    def wait_on(self) -> None:
        """Count the time that the client took as none of the upstream's."""

    def require_recordable(self) -> None:
        """Raise ``RecordUnavailable`` where how it ends couldn't be recorded now; asks nobody."""

    def require_ground(self, access: Access, cache: VersionedCache) -> None:
        """Raise where what the stream stands on is no more as it was."""

    def close(self) -> None:
        """End the call upstream."""

    def finish(self) -> None:
        """Record that all of it went on."""

    def fail(self, error: StrongroomError, document: Mapping[str, object]) -> bytes:
        """Record why it ended early, and return what tells its reader."""

    def abandon(self, *code: str) -> None:
        """Record that the client went away, or why else nobody reads on."""

    def cut(self, error: RecordUnavailable) -> None:
        """End it where how it ends can't be recorded now; it is later."""


def hold_stream(environ: dict[str, object], stream: Stream) -> None:
    """Hand a stream over to the front, beside the answer that is its head."""
    environ[_STREAM] = stream


def stream_of(environ: dict[str, object]) -> Stream | None:
    """Return the stream that was handed over with this request's answer, if one was."""
    return environ.get(_STREAM)  # type: ignore[return-value]


def proxy_status(code: str, party: str) -> str:
    """Return the ``Proxy-Status`` of a call that ended in a problem of ours."""
    error = _ERROR_TYPES.get(code) or _BY_PARTY.get(party, "proxy_internal_error")
    return f'strongroom; error={error}; details="{code}"'


def stream_headers(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return a head's headers without a length, which nobody knows yet."""
    return [(name, value) for name, value in headers if name != b"content-length"]
