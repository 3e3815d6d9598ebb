"""An answer on its way: what goes on when, and that no value does, wherever its bytes are cut."""

from __future__ import annotations

import itertools
import random
import secrets

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kernel.secret import SecretValue
from app.redaction.charsets import RedactedText
from app.redaction.frames import LARGEST_FRAME, FrameTooLargeError, window_of
from app.redaction.redactor import Redactor

VALUE = "sk-canary-7Qx2mPz9LwEr4TyUiOpA"
MARKER = b"[redacted:TOKEN]"
EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
CYRILLIC = "шифр-канарейка-19"


def through(
    chunks: list[bytes], media_type: str | None, value: str = VALUE, charset: str | None = None
) -> tuple[list[list[bytes]], bytes]:
    """Feed a stream: what each chunk let go, and all of it."""
    stream = RedactedText(Redactor({"TOKEN": SecretValue(value)}), charset, media_type)
    let_go = [list(stream.feed(chunk)) for chunk in chunks]
    let_go.append(list(stream.finish()))
    return let_go, b"".join(itertools.chain.from_iterable(let_go))


@pytest.mark.parametrize("media_type", [EVENTS, LINES, "text/plain", None])
def test_a_value_cut_anywhere_is_found(media_type: str | None) -> None:
    body = b"data: <" + VALUE.encode() + b">\n\n"
    for cut in range(len(body)):
        assert through([body[:cut], body[cut:]], media_type)[1] == body.replace(VALUE.encode(), MARKER)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"])
def test_an_event_goes_on_once_it_is_complete(end: bytes) -> None:
    event = b"data: one"
    for cut in range(len(end)):
        let_go, _ = through([event + end[:cut], end[cut:], b"data: two"], EVENTS)
        assert let_go == [[], [event + end], [], [b"data: two"]]


def test_half_a_line_end_is_waited_for_where_lines_end_with_two() -> None:
    let_go, _ = through([b"data: one\r\n\r", b"\ndata: two\r\n\r\n"], EVENTS)
    assert let_go == [[], [b"data: one\r\n\r\n", b"data: two\r\n\r\n"], []]


def test_lines_of_json_go_on_one_by_one() -> None:
    assert through([b'{"a":1}\r\n{"b"', b":2}\n{"], LINES)[0] == [[b'{"a":1}\r\n'], [b'{"b":2}\n'], [b"{"]]


def test_other_bytes_go_on_by_the_window() -> None:
    window = window_of(len(VALUE))
    let_go, whole = through([b"x" * window, b"x" * (window - 1), b"x", b"x" * window], "text/plain")
    assert [sum(map(len, each)) for each in let_go] == [0, 0, window, window, window]
    assert whole == b"x" * 3 * window


def test_a_call_without_values_waits_for_nothing() -> None:
    stream = RedactedText(Redactor({}), None, "text/plain")
    assert (stream.feed(b"x"), stream.feed(b"y"), stream.finish()) == ([b"x"], [b"y"], ())


def test_what_is_held_does_not_depend_on_what_the_value_holds() -> None:
    """Two values of one length, one of them in the body: the same sizes go on at the same moments, but for markers."""
    other = "sk-canary-7Qx2mPz9LwEr4TyUiOpB"
    body = b"".join(b"data: %d %b\n" % (number, VALUE.encode()) for number in range(2000))
    chunks = [body[at : at + 777] for at in range(0, len(body), 777)]
    for media_type in (EVENTS, LINES, "text/plain"):
        hit = [b"".join(each).replace(MARKER, VALUE.encode()) for each in through(chunks, media_type)[0]]
        missed = [b"".join(each) for each in through(chunks, media_type, other)[0]]
        assert [bool(each) for each in hit] == [bool(each) for each in missed]
        assert b"".join(hit) == b"".join(missed) == body


PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(secrets.token_hex(32) for _ in range(20)) + "\n-----END-----"


@pytest.mark.parametrize("media_type", [EVENTS, LINES])
def test_a_value_of_several_lines_is_not_completed_frame_by_frame(media_type: str) -> None:
    value = PEM.replace("\n", "\n\n") if media_type == EVENTS else PEM
    chunks = [line.encode() + b"\n" for line in value.split("\n")]
    let_go, whole = through(chunks, media_type, value + "\n")
    assert value.encode() not in whole
    assert whole.count(MARKER) == 1
    # Only by its last line it is the whole value.
    assert whole.startswith(value.rpartition("\n")[0].encode())
    assert let_go[-2] == [MARKER] or let_go[-1] == [MARKER]


def test_a_value_in_frames_that_come_together_is_found_whole() -> None:
    _, whole = through([b'{"a":1}\n' + PEM.encode() + b'\n{"b":2}\n'], LINES, PEM)
    assert whole == b'{"a":1}\n' + MARKER + b'\n{"b":2}\n'


def test_a_value_of_several_lines_in_plain_text_does_not_pass_line_by_line() -> None:
    let_go, whole = through([line + b"\n" for line in PEM.encode().split(b"\n")], "text/plain", PEM)
    assert whole == MARKER + b"\n"
    assert let_go[:-1] == [[]] * (len(let_go) - 1)


def test_a_frame_has_a_limit() -> None:
    stream = Redactor({"TOKEN": SecretValue(VALUE)}).stream(LINES)
    assert stream.feed(b"x" * (LARGEST_FRAME - 1) + b"\n") != ()
    stream.feed(b"x" * LARGEST_FRAME)
    with pytest.raises(FrameTooLargeError):
        stream.feed(b"x")
    with pytest.raises(FrameTooLargeError):
        Redactor({}).stream(EVENTS).feed(b"x" * LARGEST_FRAME + b"\n\n")


@pytest.mark.parametrize("charset", ["windows-1251", "koi8-r", "iso-8859-5", "gb18030", "utf-8"])
@pytest.mark.parametrize("media_type", [LINES, "text/plain"])
def test_text_is_looked_through_in_its_charset(charset: str, media_type: str) -> None:
    body = f"<{CYRILLIC}>\n".encode(charset)
    marker = "[redacted:TOKEN]".encode(charset)
    for cut in range(len(body)):
        whole = through([body[:cut], body[cut:]], media_type, CYRILLIC, charset)[1]
        assert whole == body.replace(CYRILLIC.encode(charset), marker)


@pytest.mark.parametrize("charset", ["windows-1251", "koi8-r", "gb18030", "euc-jp", "iso-8859-5"])
def test_what_is_not_in_its_charset_comes_back_byte_for_byte(charset: str) -> None:
    body = bytes(range(256)) * 9
    chunks = [body[at : at + 7] for at in range(0, len(body), 7)]
    assert through(chunks, "text/plain", CYRILLIC, charset)[1] == body


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), media_type=st.sampled_from([EVENTS, LINES, "text/plain"]))
@example(seed=486194, media_type=EVENTS)  # what went before begins within a value
def test_however_it_is_cut_what_goes_on_is_the_same(seed: int, media_type: str) -> None:
    draw = random.Random(seed)
    parts = [VALUE.encode(), b"\n", b"\r\n", b"\r", b"data: ", b"x" * 40, VALUE[:-1].encode()]
    body = b"".join(draw.choice(parts) for _ in range(60))
    cuts = sorted(draw.sample(range(len(body)), 12))
    chunks = [body[start:stop] for start, stop in itertools.pairwise([0, *cuts, len(body)])]
    assert through(chunks, media_type)[1] == body.replace(VALUE.encode(), MARKER)
