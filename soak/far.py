"""The other side of every call: tells which value it got, gives the value back, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from soak.ledger import digest
from tests.support.upstream import Handler, upstream

EVENTS: Final = 5
"""In each stream, a tenth of a second apart."""
_HUGE: Final = b"x" * (11 * 1024**2)


@dataclass(slots=True)
class Far:
    """A running upstream: which calls reached it, by their numbers, with what; ``misbehaving`` says how it is."""

    port: int = 0
    arrived: Counter[str] = field(default_factory=Counter)
    with_secret: set[str] = field(default_factory=set)
    misbehaving: bool = False
    _calm: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """How secrets name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def twice(self) -> int:
        """How many calls arrived more than once."""
        return sum(number > 1 for number in self.arrived.values())

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Misbehave for as long as the block runs, each time in another way."""
        self._calm.clear()
        self.misbehaving = True
        try:
            yield
        finally:
            self.misbehaving = False
            self._calm.set()

    def answer(self, handler: Handler) -> None:
        """Answer a call, well or badly."""
        seen = handler.seen
        handler.upstream.seen.clear()
        value = (seen.header("Authorization") or "").removeprefix("Bearer ")
        number = seen.header("X-Number") or ""
        with self._lock:
            self.arrived[number] += 1
            if value:
                self.with_secret.add(number)
            bad = next(_MANNERS) if self.misbehaving else None
        if bad is not None:
            bad(self, handler)
            return
        told = {"secret": digest(value), "plain": seen.header("X-Plain"), "mark": seen.header("X-Mark"), "echo": value}
        handler.answer(json.dumps(told).encode(), headers={"X-Echo": value})

    def stream(self, handler: Handler) -> None:
        """Send a few events, each with the value in it; or break off in the middle of one."""
        value = handler.seen.header("Authorization") or ""
        handler.upstream.seen.clear()
        handler.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        for number in range(EVENTS):
            for piece in (f"data: {number} {value[:20]}", f"{value[20:]}\n\n"):
                handler.wfile.write(f"{len(piece):x}\r\n{piece}\r\n".encode())
                if self.misbehaving and number == EVENTS // 2:
                    handler.reset()
                    return
            time.sleep(0.1)
        handler.wfile.write(b"0\r\n\r\n")

    @property
    def never(self) -> str:
        """Where no answer comes for very long."""
        return f"http://{self.host}/never"

    def hold(self, handler: Handler) -> None:
        """Say nothing for longer than any fault lasts."""
        handler.upstream.seen.clear()
        handler.close_connection = True
        handler.upstream.released.wait(30)

    def _hang(self, handler: Handler) -> None:
        handler.close_connection = True
        self._calm.wait(5)

    def _drip(self, handler: Handler) -> None:
        handler.head(200, {"Content-Type": "application/json", "Content-Length": "1000"})
        handler.close_connection = True
        for _ in range(1000):
            handler.wfile.write(b"x")
            if self._calm.wait(0.05):
                return

    def _reset(self, handler: Handler) -> None:
        handler.reset()

    def _talk_nonsense(self, handler: Handler) -> None:
        handler.answer_raw(b"\x00\xff is no HTTP\r\n\r\n")

    def _send_too_much(self, handler: Handler) -> None:
        handler.answer(_HUGE)

    def _lie(self, handler: Handler) -> None:
        handler.answer(b'{"not": "gzip"}', headers={"Content-Encoding": "gzip"})


_MANNERS: Final[Iterator[Callable[[Far, Handler], None]]] = cycle(
    [Far._reset, Far._hang, Far._talk_nonsense, Far._drip, Far._send_too_much, Far._lie]
)


@contextmanager
def far_side() -> Iterator[Far]:
    """Run the upstream for as long as the block runs."""
    far = Far()
    with upstream() as running:
        running.scripts["/check"] = far.answer
        running.scripts["/events"] = far.stream
        running.scripts["/never"] = far.hold
        far.port = running.port
        yield far
