"""The server's listening socket, as far as it is ours to set: the server makes it by itself, in each worker."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Final

_OPEN_FILES: Final = "/proc/self/fd"
_LOOKS_EVERY: Final = 0.25
_UNSENT_BYTES: Final = 64 * 1024


def notice_slow_readers(loop: asyncio.AbstractEventLoop) -> None:
    """Have each connection say soon that its reader goes on, from when the server listens.

    By itself Linux says that a socket takes more once a third of what it holds was taken, which may be megabytes: who
    reads slowly would look like somebody who doesn't read. Connections inherit what is set. Source: tcp(7).
    """
    if not hasattr(socket, "TCP_NOTSENT_LOWAT") or not os.path.isdir(_OPEN_FILES):
        return
    listening = False
    for listener in _listening():
        listening = True
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    if not listening:
        loop.call_later(_LOOKS_EVERY, notice_slow_readers, loop)


def _listening() -> Iterator[socket.socket]:
    for name in os.listdir(_OPEN_FILES):
        with suppress(OSError), closing(socket.socket(fileno=os.dup(int(name)))) as found:  # OSError: no socket
            if found.family != socket.AF_UNIX and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield found
