"""Sending streams on: what one that waits costs, and what ends it. The upstream's end of each is a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from app.access import Access
from app.db import VersionedCache
from app.kernel.errors import Conflict, RecordUnavailable, StrongroomError, UpstreamTimeout
from app.kernel.turns import Turns, yield_turn
from app.web.presence import ClientPresence
from app.web.relay import Relay
from app.web.streams import Stream
from app.web.wsgi import Environ, WsgiResponse
from tests.support.loops import complete

PIECES = 20


class SocketStream:
    """A stream whose bytes come from a socket, as they are; it counts what it is asked."""

    def __init__(self, sock: socket.socket) -> None:
        self.call_id, self.workspace = "1", "acme"
        self.status, self.idle_seconds = 200, 60.0
        self.headers: tuple[tuple[str, str], ...] = ()
        self.redactions, self.asks_vault = 0, False
        self.over = self.more = self.late = self.recordable_no_more = False
        self.takes = self.grounds = 0
        self.ended: list[str] = []
        self._sock = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        return self._sock.fileno()

    def take(self) -> bytes:
        self.takes += 1
        if self.late:
            raise UpstreamTimeout("The upstream paused for longer than the call allows.")
        try:
            piece = self._sock.recv(65536)
        except BlockingIOError:
            return b""
        self.over = not piece
        return piece

    def wait_on(self) -> None:
        pass

    def require_recordable(self) -> None:
        if self.recordable_no_more:
            raise RecordUnavailable("The record can't be written.")

    def require_ground(self, access: Access, cache: VersionedCache) -> None:
        raise NotImplementedError  # the tests' own function is asked

    def close(self) -> None:
        self._sock.close()

    def finish(self) -> None:
        self.ended.append("finished")

    def fail(self, error: StrongroomError, document: Mapping[str, object]) -> bytes:
        self.ended.append(error.code)
        return b"told"

    def abandon(self, *code: str) -> None:
        self.ended.append(*code or ("gone",))

    def cut(self, error: RecordUnavailable) -> None:
        self.ended.append("cut")


class Client:
    """Whoever reads a stream: what came, and when it takes no more."""

    def __init__(self) -> None:
        self.came = b""
        self.has_end = False
        self.gone = asyncio.Event()
        self.takes_more = asyncio.Event()
        self.takes_more.set()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: dict[str, Any]) -> None:
        if event.get("body"):
            await self.takes_more.wait()
        self.came += event.get("body", b"")
        self.has_end = self.has_end or (event["type"] == "http.response.body" and not event.get("more_body"))


class Streaming:
    """One stream on its way, and both its ends; several may have one relay."""

    def __init__(self, require: Callable[[], None] = lambda: None, relay: Relay | None = None) -> None:
        self.upstream, ours = socket.socketpair()
        self.stream = SocketStream(ours)
        self.client = Client()

        def _require_ground(_environ: Environ, _stream: Stream) -> None:
            self.stream.grounds += 1
            require()

        relay = relay or Relay(Turns(2), lambda: _require_ground, stalled_seconds=0.3)
        answer = WsgiResponse(200, [], [], whole=False)
        presence = ClientPresence(self.client.receive)
        self.sent = asyncio.ensure_future(relay.send_on(self.stream, answer, {}, presence, self.client.send))

    async def ended(self) -> list[str]:
        """Wait until it has ended, and tell how."""
        try:
            await asyncio.wait_for(self.sent, 10)
        finally:
            self.upstream.close()
        return self.stream.ended

    async def came(self, wanted: bytes) -> None:
        while not self.client.came.endswith(wanted):
            await asyncio.sleep(0.005)


def test_a_piece_that_came_is_one_trip_and_a_stream_that_waits_is_none() -> None:
    async def scenario() -> None:
        streaming = Streaming()
        for number in range(PIECES):
            piece = b"event %d;" % number
            streaming.upstream.send(piece)
            await streaming.came(piece)
        await asyncio.sleep(0.7)  # in which something is looked at a few times, and nothing taken
        assert streaming.stream.takes <= PIECES + 1
        assert 1 <= streaming.stream.grounds <= 2 + PIECES // 10
        streaming.upstream.shutdown(socket.SHUT_WR)
        assert (await streaming.ended(), streaming.client.has_end) == (["finished"], True)

    complete(scenario())


def test_what_a_stream_stands_on_ends_it_while_it_waits() -> None:
    lost: list[StrongroomError] = []

    def require() -> None:
        if lost:
            raise lost[0]

    async def scenario() -> None:
        streaming = Streaming(require)
        streaming.upstream.send(b"one")
        await streaming.came(b"one")
        lost.append(Conflict("A secret of this call was deleted."))
        assert (await streaming.ended(), streaming.client.came) == (["conflict"], b"onetold")

    complete(scenario())


def test_a_stream_that_waits_for_vault_holds_up_no_other() -> None:
    vault_answers, lost = threading.Event(), threading.Event()

    def require_ground(_environ: Environ, stream: Stream) -> None:
        if stream.asks_vault:
            with yield_turn():
                vault_answers.wait(20)
        elif lost.is_set():
            raise Conflict("A secret of this call was deleted.")

    async def scenario() -> None:
        relay = Relay(Turns(2), lambda: require_ground)
        waiting, other = Streaming(relay=relay), Streaming(relay=relay)
        waiting.stream.asks_vault = True
        await asyncio.sleep(0.8)  # in which Vault is asked, and doesn't answer
        lost.set()
        assert await other.ended() == ["conflict"]
        assert not waiting.sent.done()
        vault_answers.set()
        waiting.client.gone.set()
        assert await waiting.ended() == ["gone"]

    complete(scenario())


@pytest.mark.parametrize(
    ("end", "told", "ended"),
    [
        (lambda one: one.client.gone.set(), b"", "gone"),
        (lambda one: setattr(one.stream, "late", True), b"told", "upstream_timeout"),
        (lambda one: setattr(one.stream, "recordable_no_more", True), b"", "cut"),
    ],
)
def test_whatever_comes_first_ends_a_stream_that_waits(
    end: Callable[[Streaming], None], told: bytes, ended: str
) -> None:
    async def scenario() -> None:
        streaming = Streaming()
        streaming.upstream.send(b"one")
        await streaming.came(b"one")
        end(streaming)
        assert (await streaming.ended(), streaming.client.came) == ([ended], b"one" + told)

    complete(scenario())


@pytest.mark.parametrize(("leaves", "ended"), [(False, "client_stalled"), (True, "gone")])
def test_a_client_that_takes_nothing_ends_a_stream_that_is_sent(leaves: bool, ended: str) -> None:
    async def scenario() -> None:
        streaming = Streaming()
        streaming.client.takes_more.clear()
        streaming.upstream.send(b"one")
        if leaves:
            await asyncio.sleep(0.05)
            streaming.client.gone.set()
        assert (await streaming.ended(), streaming.client.came, streaming.client.has_end) == ([ended], b"", False)

    complete(scenario())


def test_whoever_cancels_the_sending_is_obeyed() -> None:
    async def scenario() -> None:
        streaming = Streaming()
        streaming.client.takes_more.clear()
        streaming.upstream.send(b"one")
        await asyncio.sleep(0.05)
        streaming.sent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await streaming.ended()
        while not streaming.stream.ended:
            await asyncio.sleep(0.005)
        assert streaming.stream.ended == ["gone"]

    complete(scenario())
