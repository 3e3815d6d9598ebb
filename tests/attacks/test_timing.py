"""How much is looked through goes by the body, never by how far a piece of it agrees with a value."""

from __future__ import annotations

import base64
import math
import random
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor
from tests.attacks.conftest import Stage

VALUE = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
# Of the same shape, also in hexadecimal and in what may be a length or a number, and wrong from the first character on.
OTHER = "cK_LIfu_51Hha-E8JJPTU0iWxL_T6wnS"


def views_of(body: bytes) -> int:
    """Count how many views of a body are looked through, or made."""
    made: list[None] = []
    out, count = Redactor({"TOKEN": SecretValue(VALUE)}, in_time=lambda: made.append(None)).body(body)
    assert (out, count) == (body, 0)
    return len(made)


@pytest.mark.parametrize("size", [1024, 64 * 1024, pytest.param(1024 * 1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "piece",
    [slice(0, 2), slice(0, 16), slice(0, 31), slice(1, 32), slice(16, 32)],
    ids=["pair", "half", "all but the last", "all but the first", "second half"],
)
@pytest.mark.parametrize("form", ["plain", "percent", "json", "base64"])
def test_as_much_is_looked_through_for_a_right_guess_as_for_a_wrong_one(size: int, piece: slice, form: str) -> None:
    assert views_of(_body(VALUE[piece], form, size)) == views_of(_body(OTHER[piece], form, size))


def _body(text: str, form: str, size: int) -> bytes:
    forms = {
        "plain": text.encode(),
        "percent": b"".join(b"%%%02x" % byte for byte in text.encode()),
        "json": b"".join(b"\\u%04x" % byte for byte in text.encode()),
        "base64": base64.b64encode(text.encode()),
    }
    return (forms[form] + b" . ") * (size // (len(forms[form]) + 3))


def p_of(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p of Mann and Whitney's U test, by the normal distribution."""
    count, other = len(first), len(second)
    ranks = np.argsort(np.argsort(np.concatenate((first, second)))) + 1
    u = float(ranks[:count].sum()) - count * (count + 1) / 2
    deviation = math.sqrt(count * other * (count + other + 1) / 12)
    return math.erfc(abs(u - count * other / 2) / deviation / math.sqrt(2))


def test_two_thousand_pairs_tell_apart_what_differs_by_a_fifth_of_its_scatter() -> None:
    draw = random.Random(1)
    same, other, later = ([draw.gauss(mean, 1) for _ in range(2000)] for mean in (10, 10, 10.2))
    assert p_of(same, other) > 0.01
    assert p_of(same, later) < 0.01


def _seconds(stage: Stage, name: str, pairs: int, order: random.Random) -> dict[str, list[float]]:
    """Time pairs of calls, one after the other and each pair in another order, as their caller sees them."""
    headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}]
    took: dict[str, list[float]] = {"/right": [], "/wrong": []}
    for turn in range(-10, pairs):  # the first ones warm everything up
        for path in order.sample(list(took), 2):
            began = time.perf_counter()
            answer = stage.call(path, headers=headers)
            ended = time.perf_counter()
            assert answer.json()["redactions"] == 0, answer.text[:300]
            if turn >= 0:
                took[path].append(ended - began)
    return took


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", ["plain", "percent"])
def test_a_caller_does_not_tell_two_thousand_pairs_of_a_right_and_a_wrong_guess_apart(
    stage: Stage, form: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    name = f"TIMED_{form.upper()}"
    stage.add(name, VALUE, visibility="restricted", allowed_places=["header:Authorization"])
    for path, guess in (("/right", VALUE[:31]), ("/wrong", OTHER[:31])):
        body = _body(guess, form, 16 * 1024)
        stage.upstream.scripts[path] = lambda h, body=body: h.answer(body, headers={"Content-Type": "text/plain"})  # type: ignore[misc]
    order = random.Random(7)
    took = _seconds(stage, name, 2000, order)
    differences = np.sort(np.subtract(took["/right"], took["/wrong"])) * 1e6
    record_testsuite_property(f"{form}: milliseconds", float(np.median(took["/wrong"]) * 1e3))
    record_testsuite_property(
        f"{form}: microseconds apart", differences[[1000, 956, 1044]].tolist()
    )  # the median, and its 95 % interval
    # One sample in a hundred of two that don't differ has such a p: what differs has it twice.
    assert p_of(*took.values()) > 0.01 or p_of(*_seconds(stage, name, 2000, order).values()) > 0.01
