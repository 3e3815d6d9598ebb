"""Not defended: an upstream gives the value back as something that only somebody who knows how can turn into it again.

Each of these is a strict expected failure. What keeps a value from such an upstream is its list of allowed hosts.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.conftest import Stage

ROOT = Path(__file__).parents[2]
Transform = Callable[[str], str]
TRANSFORMS: dict[str, Transform] = {
    "encrypted": lambda v: bytes(byte ^ 0x5A for byte in v.encode()).hex(),
    "hashed": lambda v: hashlib.sha256(v.encode()).hexdigest(),
    "reversed": lambda v: v[::-1],
    "shifted": lambda v: codecs.encode(v, "rot13"),
    "compressed within the text": lambda v: base64.b64encode(zlib.compress(v.encode())).decode(),
    "base32": lambda v: base64.b32encode(v.encode()).decode(),
    "base85, Ascii85 and uuencode": lambda v: base64.b85encode(v.encode()).decode(),
    "as larger numbers": lambda v: str(int.from_bytes(v.encode())),
    "by its characters' names": lambda v: " ".join(unicodedata.name(char) for char in v),
    "cut short by one": lambda v: v[:-1],
}


@pytest.mark.parametrize("how", TRANSFORMS)
@pytest.mark.xfail(strict=True, reason="a value that an upstream transforms in a way nobody can foresee")
def test_a_value_that_was_transformed_is_recognised(stage: Stage, how: str) -> None:
    told = TRANSFORMS[how](stage.token)
    stage.upstream.scripts["/"] = lambda h: h.answer(json.dumps({"a": told}).encode())
    answer = stage.call()
    assert answer.status_code == 200
    assert answer.json()["redactions"] == 1


@pytest.mark.xfail(strict=True, reason="of letters of one case, nothing tells which were capitals")
@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_a_value_with_capitals_and_small_letters_is_recognised_in_one_case(stage: Stage, change: Transform) -> None:
    name = f"MIXED_{change.__name__.upper()}"
    stage.add(name, "Canary-9fK3x7Qr")
    body = change("Canary-9fK3x7Qr").encode()
    stage.upstream.scripts["/"] = lambda h: h.answer(body)
    answer = stage.call(headers=[], body={"type": "text", "content": f"{{{{secrets.{name}}}}}"})
    assert answer.status_code == 200
    assert answer.json()["redactions"] == 1


@pytest.mark.xfail(strict=True, reason="text in a charset that isn't read comes as base64 of its own bytes")
@pytest.mark.parametrize("charset", ["cp500", "utf-7", "punycode"])
def test_a_value_in_a_charset_that_is_not_read_is_recognised(stage: Stage, charset: str) -> None:
    value = "canary-4b7d19é="
    name = f"PLAIN_{charset.replace('-', '_').upper()}"
    stage.add(name, value)
    body = f"<{value}>".encode(charset)
    stage.upstream.scripts["/"] = lambda h: h.answer(body, headers={"Content-Type": f"text/plain; charset={charset}"})
    answer = stage.call(headers=[], body={"type": "text", "content": f"{{{{secrets.{name}}}}}"})
    assert answer.status_code == 200
    assert answer.json()["redactions"] == 1


@pytest.mark.xfail(strict=True, reason="each event of a stream is looked through by itself")
def test_a_value_that_a_model_spreads_over_events_is_recognised(stage: Stage) -> None:
    half = len(stage.token) // 2
    events = f": {'x' * 20_000}\n\n".join(f"data: {part}\n\n" for part in (stage.token[:half], stage.token[half:]))
    stage.upstream.scripts["/"] = lambda h: h.answer(events.encode(), headers={"Content-Type": "text/event-stream"})
    answer = stage.call(answer="stream")
    assert answer.status_code == 200
    assert answer.text.count("[redacted:") >= 1


PLAIN = "canary-4b7d19Xq82Lm-Zr5Tw0-plain"
PIECES: dict[str, Callable[[list[str]], bytes]] = {
    "in pieces that overlap": lambda parts: json.dumps([PLAIN[at : at + 4] for at in range(len(PLAIN) - 3)]).encode(),
    "in pieces of a sentence": lambda parts: f"it starts with {parts[0]}, goes on with {''.join(parts[1:])}".encode(),
    "in pieces of a binary format": lambda parts: b"".join(
        b"t" + len(part).to_bytes(2) + part.encode() for part in parts
    ),
    "spread over records": lambda parts: json.dumps([*_records(parts), " " * 16 * 1024]).encode(),
    "between marks": lambda parts: ("".join(f"&6{part}" for part in parts) + " " * 16 * 1024).encode(),
    "shuffled": lambda parts: json.dumps(_records(parts)[::-1]).encode(),
}
OTHERS: dict[str, tuple[str, Callable[[list[str]], str]]] = {
    "in cells that hold separators": (
        "correct horse, battery; staple! (42)",
        lambda parts: "\n".join(f"{at};{part};x{at}" for at, part in enumerate(parts)),
    ),
    "between characters beyond ASCII": ("clé-Zürich-ß-größer-42", lambda parts: "·".join(parts)),
}


def _records(parts: list[str]) -> list[dict[str, str]]:
    return [{"id": f"c{at}", "text": part, "model": "m"} for at, part in enumerate(parts)]


def _pieces(value: str) -> list[str]:
    return [value[at : at + 6] for at in range(0, len(value), 6)]


def _echo(stage: Stage, body: bytes, value: str = PLAIN) -> int:
    """Return how many places are redacted of an answer to a call that carries the value."""
    name = f"PLAIN_{hashlib.sha256(body).hexdigest()[:8]}"
    stage.add(name, value)
    stage.upstream.scripts["/"] = lambda h: h.answer(body)
    answer = stage.call(headers=[], body={"type": "text", "content": f"{{{{secrets.{name}}}}}"})
    assert answer.status_code == 200
    return int(answer.json()["redactions"])


@pytest.mark.xfail(strict=True, reason="what stands between the pieces isn't told from them")
@pytest.mark.parametrize("how", PIECES)
def test_a_value_in_such_pieces_is_recognised(stage: Stage, how: str) -> None:
    assert _echo(stage, PIECES[how](_pieces(PLAIN))) == 1


@pytest.mark.xfail(strict=True, reason="what stands between the pieces is what the value itself holds")
@pytest.mark.parametrize("how", OTHERS)
def test_a_value_that_is_cut_by_what_it_holds_is_recognised(stage: Stage, how: str) -> None:
    value, write = OTHERS[how]
    assert _echo(stage, write(_pieces(value)).encode(), value) == 1


def test_a_value_that_is_spread_over_the_records_of_a_small_answer_is_found(stage: Stage) -> None:
    parts = _pieces(PLAIN)
    log = "\n".join(f"2026-11-29T10:10:1{at}Z INFO app: {part}" for at, part in enumerate(parts))
    assert _echo(stage, json.dumps(_records(parts)).encode()) == 1
    assert _echo(stage, log.encode()) == 1


def test_a_value_between_marks_or_words_that_recur_is_found_in_a_small_answer(stage: Stage) -> None:
    parts = _pieces(PLAIN)
    assert _echo(stage, "".join(f"&6{part}" for part in parts).encode()) == 1
    assert _echo(stage, " || ".join(f"'{part}'::text" for part in parts).encode()) == 1
    assert _echo(stage, "".join(f"{len(part):08x}{part}" for part in parts).encode()) == 1


def test_what_is_out_of_reach_is_one_list() -> None:
    here = [*TRANSFORMS, "in one case", "in EBCDIC, UTF-7 or Punycode", "spread over events", *PIECES, *OTHERS]
    for document in ("README.md", "docs/threat-model.md"):
        text = (ROOT / document).read_text()
        listed = text.partition("so that it isn't found:\n\n")[2].partition("\n\n")[0]
        assert [line.removeprefix("- ").partition(":")[0] for line in listed.splitlines()] == here
