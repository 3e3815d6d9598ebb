"""A body block by block: nothing is lost between two blocks, and what is carried over is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.redaction.blocks import translated_blocks

UPPER = bytes(range(256)).upper()


def rebuild(raw: bytes, table: bytes | None, without: bytes, overlap: int) -> bytes:
    whole = b""
    for at, carried, piece in translated_blocks(raw, table, without, overlap=overlap):
        assert carried <= overlap
        assert at + carried == len(whole)
        assert piece[:carried] == whole[at:]
        whole += piece[carried:]
    return whole


@pytest.mark.parametrize("overlap", [0, 1, 7, 200])
@pytest.mark.parametrize("size", [0, 1, 48 * 1024 - 1, 48 * 1024, 48 * 1024 + 1, 200_000])
def test_the_blocks_together_are_the_whole(size: int, overlap: int) -> None:
    raw = bytes((at * 31) % 251 for at in range(size))
    assert rebuild(raw, UPPER, b"aeiou", overlap) == raw.translate(UPPER, b"aeiou")


def test_a_small_body_is_one_block() -> None:
    assert list(translated_blocks(b"hello", UPPER, b"l", overlap=3)) == [(0, 0, b"HEO")]


def test_a_block_is_larger_than_what_is_carried_over() -> None:
    overlap = 100_000
    blocks = list(translated_blocks(bytes(1_000_000), None, b"", overlap=overlap))
    assert [carried for _, carried, _ in blocks] == [0, overlap, overlap]


@given(st.binary(max_size=300), st.binary(max_size=3))
def test_what_is_left_out_is_left_out_everywhere(raw: bytes, without: bytes) -> None:
    assert rebuild(raw * 400, None, without, 5) == (raw * 400).translate(None, without)
