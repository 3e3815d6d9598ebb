"""HTTP/1.1 as both doors speak it: one request and its answer over a connection of our own, with what can go wrong.

Nothing is followed, decoded or taken from the environment. An error is raised ``from None`` and carries no text, since
what it could quote holds a value:

    WireError
    ├── NotSent                 nothing of the request has left
    │   ├── Unsendable          it has a character that would end its line
    │   ├── Unreachable         nobody answers at the address
    │   └── NotConnectedInTime
    ├── TlsFailed               before the request, or in the middle of it
    │   └── CertificateRefused  before it
    ├── TimedOut                it may have arrived, as with all that follows
    ├── Broken                  the connection ended before the answer did
    │   └── Unanswered          it ended before a byte of the answer came
    ├── NotHttp                 what came isn't HTTP/1.x as it should be
    └── HeadTooLarge
"""

from __future__ import annotations

import time
from collections.abc import Callable

Seconds = Callable[[], float]
"""How long the next wait may be; zero or less where time is over. Asked before each wait, so that it can be short."""


def deadline(seconds: float) -> Seconds:
    """Begin a time of so many seconds."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()


class WireError(Exception):
    """There is no answer, or not a whole one."""


class NotSent(WireError):
    """Nothing of the request has left."""


class Unsendable(NotSent):
    """The request has a character that its place can't hold."""


class Unreachable(NotSent):
    """Nobody answers at the address."""


class NotConnectedInTime(NotSent):
    """There was no connection within the time for it."""


class TlsFailed(WireError):
    """TLS found no agreement, or an error later on."""


class CertificateRefused(TlsFailed):
    """The certificate isn't valid for the name, or its authority isn't known; nothing was sent."""


class TimedOut(WireError):
    """Time was over."""


class WouldBlock(Exception):
    """No byte is there at the moment, which is no error; ``event`` is what to poll for."""

    def __init__(self, event: int) -> None:
        super().__init__()
        self.event = event


class ConnectionBroken(WireError):
    """The connection ended before the answer did."""


class NoAnswer(ConnectionBroken):
    """The connection ended before a byte of the answer came."""


class NotHttp(WireError):
    """What came isn't HTTP/1.x as it should be."""


class HeadTooLarge(WireError):
    """The answer's head has more bytes or more fields than are read."""
