"""What escapes are read with: bytes beyond the end, numbers, and edits from left to right."""

from __future__ import annotations

import numpy as np
import pytest

from app.redaction.escapes import DIGIT, NO_DIGIT, Found, Reader, escaping, table_of, utf8


def places(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.array(numbers, np.intp)


def test_a_table_has_a_number_for_each_byte() -> None:
    table = table_of({65: 1}, otherwise=9)
    assert len(table) == 256
    assert (int(table[65]), int(table[66])) == (1, 9)
    assert [int(DIGIT[ord(char)]) for char in "09afAF"] == [0, 9, 10, 15, 10, 15]
    assert int(DIGIT[ord("g")]) == NO_DIGIT


@pytest.mark.parametrize("text", ["A", "é", "€", "𝄞", "A€é𝄞\x7f\x80\u07ff\u0800\uffff\U00010000"])
def test_points_are_written_as_python_writes_them(text: str) -> None:
    out, count = utf8(np.array([ord(char) for char in text], np.int64))
    assert b"".join(row[:size].tobytes() for row, size in zip(out, count, strict=True)) == text.encode()


def test_a_reader_reads_zeros_beyond_the_end() -> None:
    read = Reader(np.frombuffer(b"ab", np.uint8))
    assert read(places(0, 1, 2, 30)).tolist() == [97, 98, 0, 0]


def test_numbers_of_so_many_digits_are_read_where_they_are_some() -> None:
    read = Reader(np.frombuffer(b"41 4g ff", np.uint8))
    value, good = read.hexadecimal(places(0, 3, 6), 2)
    assert (value[0], value[2]) == (0x41, 0xFF)
    assert good.tolist() == [True, False, True]
    value, size = read.number(places(0, 3, 6, 2), 16, 8)
    assert (value.tolist(), size.tolist()) == ([0x41, 4, 0xFF, 0], [2, 1, 2, 0])
    value, size = Reader(np.frombuffer(b"12389", np.uint8)).number(places(0), 8, 4)
    assert (value.tolist(), size.tolist()) == ([0o123], [3])


def test_edits_of_several_kinds_come_from_left_to_right() -> None:
    found = Found()
    found.bytes_(np.array([True, False]), places(5, 7), 2, np.array([65, 66]))
    found.points(np.array([True, True]), places(1, 9), 3, np.array([0x20AC, 0x110000]))
    found.nothing(np.array([True]), places(12), 1)
    edits = found.edits()
    assert edits.at.tolist() == [1, 5, 12]
    assert edits.size.tolist() == [3, 2, 1]
    assert edits.count.tolist() == [3, 1, 0]
    assert edits.out[0, :3].tobytes() == "€".encode()
    assert len(Found().edits()) == 0


@pytest.mark.parametrize(
    ("text", "left"),
    [(b"\\", [0]), (b"\\\\", [0]), (b"\\\\\\", [0, 2]), (b"a\\b\\\\", [1, 3]), (b"", []), (b"ab", [])],
)
def test_every_second_backslash_of_a_run_is_escaped_itself(text: bytes, left: list[int]) -> None:
    assert escaping(np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\\"))).tolist() == left
