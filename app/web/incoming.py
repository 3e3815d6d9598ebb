"""A request, as whoever serves it knows it: Flask's routes, or the fast path before them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from app.access import Access, Principal
from app.db import Sessions, VersionedCache
from app.kernel.fresh import fresh_hex
from app.web.presence import presence_of
from app.web.wsgi import Environ

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(slots=True)
class Incoming:
    """One request, and what was found out about it so far.

    Args:
        environ: WSGI's environment.
        workspace: The workspace that its URL names, if it names one.
        sessions: The database.
    """

    environ: Environ
    workspace: str | None
    sessions: Sessions
    request_id: str = field(init=False)
    """The client's ``X-Request-ID`` where it is well formed, else a fresh one."""
    principal: Principal | None = None
    """Who asks, once that is proved."""
    access: Access | None = None
    """Their standing in the workspace, once that is known."""
    claim: Any = None
    """The right to do the deed of an ``Idempotency-Key``."""
    mark: Callable[[Any, str], None] | None = None
    """What each of its deeds is marked with as it is recorded; see ``Access``."""
    _cache: VersionedCache | None = None

    def __post_init__(self) -> None:
        self.request_id = request_id_of(self.environ.get("HTTP_X_REQUEST_ID"))

    @property
    def cache(self) -> VersionedCache:
        """What held of what was looked up before, at the one moment at which this request looked."""
        if self._cache is None:
            self._cache = self.sessions.cache()
        return self._cache

    def mark_deeds(self, mark: Callable[[Any, str], None]) -> None:
        """Have every deed of this request marked as it is recorded."""
        self.mark = mark
        if self.access is not None:
            self.access = replace(self.access, mark=mark)

    @property
    def standing(self) -> Access:
        """The standing in the workspace of the URL of whoever was let in."""
        return cast(Access, self.access)

    @property
    def bearer(self) -> str | None:
        """The bearer token; None where none was sent."""
        scheme, _, token = self.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    @property
    def act_as(self) -> str | None:
        """The user whom a platform token acts for."""
        return self.environ.get("HTTP_STRONGROOM_ACT_AS")

    @property
    def address(self) -> str:
        """The client's address."""
        return self.environ.get("REMOTE_ADDR") or ""

    @property
    def is_awaited(self) -> Callable[[], bool]:
        """What tells, whenever it is asked, whether the client still waits for the answer."""
        return presence_of(self.environ)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def content_type(self) -> str:
        """The body's media type with its parameters, as it was sent."""
        return self.environ.get("CONTENT_TYPE") or ""


def request_id_of(sent: str | None) -> str:
    """Return the id that a client sent where it is well formed, else a fresh one."""
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else fresh_hex(32)
