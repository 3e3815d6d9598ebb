"""A body block by block, so that what is computed of it stays in the processor's cache. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_BLOCK: Final = 48 * 1024


def translated_blocks(
    raw: bytes, table: bytes | None, without: bytes, *, overlap: int
) -> Iterator[tuple[int, int, bytes]]:
    """Give ``raw.translate(table, without)`` in pieces, each of which begins with the last bytes of the one before.

    Args:
        overlap: How many bytes of the one before.

    Returns:
        Where the piece begins in the whole, how many of its bytes were in the piece before, and the piece.
    """
    size = max(_BLOCK, 4 * overlap)
    if len(raw) <= size:
        yield 0, 0, raw.translate(table, without)
        return
    at, carried = 0, b""
    for first in range(0, len(raw), size):
        block = raw[first : first + size]
        piece = carried + block.translate(table, without) if carried else block.translate(table, without)
        yield at, len(carried), piece
        carried = piece[len(piece) - min(overlap, len(piece)) :]
        at += len(piece) - len(carried)
