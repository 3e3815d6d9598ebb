"""A dump's columns are read each by itself."""

from __future__ import annotations

import pytest

from app.redaction.dumps import may_hold_dump, without_columns
from app.redaction.views import View

XXD = b"$ xxd\n00000000: 736b 5f6c  sk_l\n00000004: 6976 65    ive\n"


def test_a_dump_is_read_whole_by_its_digits_and_by_its_text() -> None:
    views = [view.raw for view in without_columns(View.of(XXD), order=9)]
    assert views == [b"736b 5f6c  sk_l\n6976 65    ive\n", b"736b 5f6c  6976 65  ", b"sk_l\n  ive\n"]


def test_the_way_back_leads_to_the_bodys_bytes() -> None:
    digits = list(without_columns(View.of(XXD), order=9))[1]
    first, last = digits.span(0, len(digits.raw))
    assert XXD[first:last] == b"736b 5f6c  sk_l\n00000004: 6976 65  "


@pytest.mark.parametrize("raw", [b"", b"\nabc: d", b"\n12345", b"0000: 11 22", b"\nwords: 11"])
def test_other_lines_are_no_dump(raw: bytes) -> None:
    assert not may_hold_dump(raw)
    assert list(without_columns(View.of(raw), order=9)) == []
