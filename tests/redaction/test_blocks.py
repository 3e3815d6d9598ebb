"""A body in blocks is the body: whatever lies across two of them is in one."""

from __future__ import annotations

import secrets

import pytest

from app.redaction.blocks import translated_blocks


@pytest.mark.parametrize("size", [0, 1, 48 * 1024, 48 * 1024 + 1, 200_000])
@pytest.mark.parametrize("overlap", [0, 1, 40, 60_000])
def test_blocks_put_together_are_the_whole(size: int, overlap: int) -> None:
    raw = secrets.token_bytes(size)
    table, without = bytes(reversed(range(256))), b"abc\x00"
    whole = raw.translate(table, without)
    done = 0
    for first, carried, piece in translated_blocks(raw, table, without, overlap=overlap):
        assert whole[first : first + len(piece)] == piece
        assert first + carried == done
        assert carried == min(overlap, done)
        done = first + len(piece)
    assert done == len(whole)
