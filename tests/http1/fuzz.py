"""Answers that nobody thought of: mutations of the odd ones, and of what earlier runs found worth keeping.

``python -m tests.http1.fuzz 60`` goes on for sixty seconds, and keeps in ``corpus`` each input that takes a way through
``head``, ``chunks`` and ``response`` that no kept one took.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

from app.http1.connection import Connection
from app.http1.errors import Seconds, WireError, deadline
from app.http1.response import WireResponse
from tests.http1.odd_answers import ODD

CORPUS: Final = Path(__file__).with_name("corpus")
_WATCHED: Final = ("head.py", "chunks.py", "response.py")
_PIECES: Final = (
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"4", b"f", b"Content-Length: 4\r\n",
    b"\r\n\r\n",     b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"chunked",
    b"identity",     b"Connection: close\r\n", b" \r\n", b"0\r\n\r\n", b"\x80", b"-1", b"99999999999999999999",
)  # fmt: skip


class Wire:
    """Stands where a connection does: gives these bytes in these pieces, then ends."""

    whole = True

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def receive(self, most: int, _seconds: Seconds) -> bytes:
        if not self._pieces:
            return b""
        piece, self._pieces[0] = self._pieces[0][:most], self._pieces[0][most:]
        if not self._pieces[0]:
            del self._pieces[0]
        return piece

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return -1


def read(pieces: list[bytes], *, to_head: bool = False) -> tuple[Any, ...]:
    """Return what is made of an answer that comes in these pieces, and whether its connection would be kept."""
    kept: list[Connection] = []
    try:
        answer = WireResponse(cast("Connection", Wire(pieces)), deadline(60), kept.append, to_head=to_head)
        fields = answer.fields
        return answer.status, fields, b"".join(iter(answer.read, b"")), bool(kept)
    except WireError as refused:
        return (type(refused).__name__,)


def in_single_bytes(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def corpus() -> list[bytes]:
    """Return every kept input, in the order of their names."""
    return [path.read_bytes() for path in sorted(CORPUS.glob("*.http"))]


def mutations(seeds: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Give mutations of these seeds without end."""
    while True:
        raw = bytearray(chance.choice(seeds)[:4000])
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(0, len(raw))
            match chance.randrange(5):
                case 0:
                    raw[at:at] = chance.choice(_PIECES)
                case 1:
                    del raw[at : at + chance.randint(1, 8)]
                case 2 if at < len(raw):
                    raw[at] = chance.randrange(256)
                case 3:
                    other = chance.choice(seeds)[:4000]
                    raw[at:] = other[chance.randint(0, len(other)) :]
                case _:
                    raw[at:at] = raw[at : at + chance.randint(1, 40)]
        yield bytes(raw)


def way_of(raw: bytes) -> frozenset[tuple[str, int, int]]:
    """Return the steps from line to line that reading an answer takes, in the files that are watched."""
    steps: set[tuple[str, int, int]] = set()
    last: dict[FrameType, int] = {}

    def watch(frame: FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.endswith(_WATCHED):
            return None
        if event == "line":
            steps.add((frame.f_code.co_filename[-12:], last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        return watch

    sys.settrace(watch)
    try:
        read([raw])
    finally:
        sys.settrace(None)
    return frozenset(steps)


def main(seconds: float) -> None:
    """Look for inputs that go new ways, and keep them; an input that breaks a rule ends the run."""
    seeds = [*ODD.values(), *corpus()]
    known = frozenset().union(*map(way_of, corpus()))
    chance = random.Random(time.time_ns())
    end, tried, kept = time.monotonic() + seconds, 0, 0
    for raw in (each for source in (iter(ODD.values()), mutations(seeds, chance)) for each in source):
        if time.monotonic() > end:
            break
        tried += 1
        assert read([raw])[:3] == read(in_single_bytes(raw))[:3], raw
        way = way_of(raw)
        if not way <= known and len(raw) < 2000:
            known |= way
            kept += 1
            seeds.append(raw)
            CORPUS.mkdir(exist_ok=True)
            (CORPUS / f"{hashlib.sha256(raw).hexdigest()[:16]}.http").write_bytes(raw)
    sys.stdout.write(f"{tried} tried, {kept} kept, {len(known)} steps known\n")


if __name__ == "__main__":
    main(float(sys.argv[1]))
