"""Dumps: lines without their addresses, the digits alone and the text alone."""

from __future__ import annotations

import pytest

from app.redaction.dumps import may_hold_dump, without_columns
from app.redaction.views import View

XXD = (
    b"\n00000000: 736b 5f6c 6976 655f 3531 4878 512d 5538  sk_live_51HxQ-U8"
    b"\n00000010: 4a5a 7044 4530 6947 586c 5f44 3667 4e43  JZpDE0iGXl_D6gNC\n"
)


@pytest.mark.parametrize(
    ("raw", "dump"),
    [
        (XXD, True),
        (b"x\n0000 73", True),
        (b"x\n  deadbeef\t73", True),
        (b"x\n00a 73", False),
        (b"x\n000 73", True),
        (b"x\n 12: 73", True),
        (b"x\n[1] 115", True),
        (b"x\n#1\t73", True),
        (b"x\n1) 73", True),
        (b"x\n1 | 73", True),
        (b"x\n12,73", False),
        (b"x\n1.5", False),
        (b"x\n# a", False),
        (b"00000000: 736b", False),
        (b"x\nabcdefg: 1", False),
        (b"", False),
    ],
)
def test_a_dump_has_lines_that_begin_with_an_address(raw: bytes, dump: bool) -> None:
    assert may_hold_dump(raw) is dump
    if not dump:
        assert list(without_columns(View.of(raw), order=3)) == []


def test_digits_and_text_follow_one_another() -> None:
    views = [view.raw for view in without_columns(View.of(XXD), order=3)]
    squeezed = [b"".join(view.split()) for view in views]
    assert b"736b5f6c6976655f35314878512d55384a5a704445306947586c5f4436674e43" in squeezed[1]
    assert b"sk_live_51HxQ-U8JZpDE0iGXl_D6gNC" in squeezed[2]


def test_what_is_left_leads_back_to_the_body() -> None:
    for view in without_columns(View.of(XXD), order=3):
        assert view.order == 3
        for at in range(0, len(view.raw), 5):
            first, last = view.span(at, at + 1)
            assert XXD[first:last] == view.raw[at : at + 1]


def test_what_is_left_is_never_longer_than_the_body() -> None:
    body = b'"aaaa ' * 1000 + b"\n0000 x"
    assert all(len(view.raw) <= len(body) for view in without_columns(View.of(body), order=3))


@pytest.mark.parametrize("before", [b"dump = ", b"{", b"f(", b"[1,"])
def test_a_dump_s_first_line_may_follow_other_text(before: bytes) -> None:
    squeezed = [b"".join(view.raw.split()) for view in without_columns(View.of(before + XXD.lstrip()), order=3)]
    assert any(b"sk_live_51HxQ-U8JZpDE0iGXl_D6gNC" in view for view in squeezed)
