"""A stream as events of this service's own: for a page, which must see nothing that the upstream says to browsers."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from typing import Final

from app.access import Access
from app.db import VersionedCache
from app.kernel.errors import RecordUnavailable, StrongroomError
from app.web.streams import ERROR_EVENT, Stream

MEDIA_TYPE: Final = "text/event-stream"


class AsEvents:
    """A stream told as ``head``, ``piece`` (text), and ``end`` or ``strongroom-error``; itself a ``Stream``."""

    def __init__(self, stream: Stream) -> None:
        self.call_id = stream.call_id
        self.status = 200
        self.headers: tuple[tuple[str, str], ...] = (("Content-Type", MEDIA_TYPE),)
        self.workspace = stream.workspace
        self.idle_seconds = stream.idle_seconds
        self.asks_vault = stream.asks_vault
        self._stream = stream
        self._began = False
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def redactions(self) -> int:
        """See ``Stream``."""
        return self._stream.redactions

    @property
    def over(self) -> bool:
        """See ``Stream``."""
        return self._began and self._stream.over

    @property
    def more(self) -> bool:
        """See ``Stream``."""
        return self._stream.more or not self._began

    @property
    def late(self) -> bool:
        """See ``Stream``."""
        return self._stream.late

    def fileno(self) -> int:
        """See ``Stream``."""
        return self._stream.fileno()

    def take(self) -> bytes:
        """Give what has come as events; see ``Stream``."""
        if not self._began:  # at once, whenever the first byte comes
            self._began = True
            return _event("head", {"call_id": self.call_id, "status": self._stream.status})
        piece = self._text.decode(self._stream.take(), final=self.over)
        events = _event("piece", {"text": piece}) if piece else b""
        return events + _event("end", {"redactions": self.redactions}) if self.over else events

    def wait_on(self) -> None:
        """See ``Stream``."""
        self._stream.wait_on()

    def require_recordable(self) -> None:
        """See ``Stream``."""
        self._stream.require_recordable()

    def require_ground(self, access: Access, cache: VersionedCache) -> None:
        """See ``Stream``."""
        self._stream.require_ground(access, cache)

    def close(self) -> None:
        """See ``Stream``."""
        self._stream.close()

    def finish(self) -> None:
        """See ``Stream``."""
        self._stream.finish()

    def fail(self, error: StrongroomError, document: Mapping[str, object]) -> bytes:
        """See ``Stream``."""
        self._stream.fail(error, document)
        return _event(ERROR_EVENT, document)

    def abandon(self, *code: str) -> None:
        """See ``Stream``."""
        self._stream.abandon(*code)

    def cut(self, error: RecordUnavailable) -> None:
        """See ``Stream``."""
        self._stream.cut(error)


def _event(name: str, document: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps(document).encode())
