"""Looking through a body as it is and as all that it reads as, within a budget that goes by its length."""

from __future__ import annotations

import json

import pytest

from app.redaction.canonical import Budget, Match, OutOfBudgetError, Searches, matches

VALUE = b"canary-7f3a9c21/d5e84b60"


def searches(*texts: bytes) -> Searches:
    return Searches([], [], [("T", text) for text in texts or (VALUE,)])


def found(body: bytes, *texts: bytes) -> set[bytes]:
    return {body[match.start : match.end] for match in matches(body, searches(*texts), Budget(len(body)))}


def test_a_body_is_looked_through_as_it_is() -> None:
    assert list(matches(b"x " + VALUE, searches(), Budget(100))) == [Match(2, 2 + len(VALUE), "T")]
    assert found(b"nothing here") == set()
    assert found(b"") == set()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.dumps(json.dumps("\u20ac canary-7f3a9c21/d5e84b60"))).encode(),
        b"canary-7f3a9c21%25252Fd5e84b60",
        b"canary-7f3a9c21&amp;#47;d5e84b60",
        VALUE.hex().encode(),
        "canary-7f3a9c21/d5e84b60".encode("utf-16-le"),
        b"[" + b",".join(b"%d" % code for code in VALUE) + b"]",
        b"<b>canary-7f3a</b><b>9c21/d5e84b60</b>",
    ],
)
def test_and_as_what_it_reads_as(text: bytes) -> None:
    assert found(b"before " + text + b" behind")


def test_texts_of_each_kind_are_looked_for() -> None:
    each = Searches([("P", b"a b-c.")], [("S", b"x7F!q9")], [("L", VALUE)])
    body = b'a b-c. and "x7F" + "!q9" and ' + VALUE
    assert {match.name for match in matches(body, each, Budget(len(body)))} == {"P", "S", "L"}
    assert (each.least, each.longest, each.ascii_only, each.fewest) == (6, len(VALUE), True, 6)


def test_what_is_known_of_texts_beyond_ascii() -> None:
    each = searches("clé-é".encode(), b"abcdefghij")
    assert (each.least, each.fewest, each.ascii_only) == (7, 5, False)
    assert each.sought.ascii_run == 2
    none = Searches([], [], [])
    assert (none.least, none.longest) == (0, 0)


@pytest.mark.parametrize(
    ("size", "most"),
    [(0, 7 << 20), (64 << 10, (7 << 20) + 32 * (64 << 10)), (1 << 20, (2 << 20) + 10 * (1 << 20))],
)
def test_a_budget_goes_by_the_bodys_length_and_is_the_same_for_each(size: int, most: int) -> None:
    Budget(size).spend(b"x" * (most - 1024))
    with pytest.raises(OutOfBudgetError):
        Budget(size).spend(b"x" * (most - 1023))


def test_a_view_costs_something_beside_its_bytes_and_an_escape_in_a_large_body_too() -> None:
    small, large = Budget(0), Budget(1 << 20)
    for _ in range(7 << 10):
        small.spend(b"")
    with pytest.raises(OutOfBudgetError):
        small.spend(b"")
    large.spend(b"\\%&=" * (3 << 17))
    large.spend(b"x" * ((12 << 20) - 7 * (3 << 19) - 2048))
    with pytest.raises(OutOfBudgetError):
        large.spend(b"")


def test_the_calls_time_is_asked_for_with_each_view() -> None:
    class OverError(Exception):
        pass

    def over() -> None:
        raise OverError

    with pytest.raises(OverError):
        list(matches(b"a body", searches(), Budget(6, in_time=over)))


def test_a_view_that_was_there_before_is_not_looked_through_again() -> None:
    asked: list[int] = []
    body = b"%2525" * 50
    list(matches(body, searches(), Budget(len(body), in_time=lambda: asked.append(1))))
    assert len(asked) < 30


def test_only_where_all_texts_are_looked_for_by_their_letters_blanks_do_not_matter() -> None:
    text = [("T", b"canary-7f3a9c21")]
    assert Searches([], [], text).letters_only is True
    assert Searches(text, [], []).letters_only is False
    assert Searches([], text, []).letters_only is False
