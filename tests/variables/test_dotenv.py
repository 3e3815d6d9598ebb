"""A .env file is read so that no value is ever shorter than what stands there."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.kernel.errors import ValidationFailed
from app.variables.dotenv import MOST_ASSIGNMENTS, decode_dotenv, read_dotenv

CANARY = "canary-5d244bfc7b3748ff93e273176a59e2ec"
PLAIN = """\ufeff# comment
export ONE=plain-value
  \t
TWO="two \\"words\\"\\nand a line" # quoted, so this is a comment
THREE='raw ${ONE} \\n'
FOUR="several # no comment
lines"
FIVE=a=b
 SIX = spaces around \t
SEVEN='# in quotes'
EIGHT=
NINE=""
\texport   TEN='it\\'s'
ELEVEN=un"quoted'
"""


def values(text: str) -> dict[str, tuple[int, str]]:
    found = read_dotenv(text)
    assert [each.fault for each in found if each.fault] == []
    return {each.name: (each.line, each.value.expose()) for each in found if each.value is not None}


def test_names_values_quotes_and_lines_are_read_as_others_read_them() -> None:
    read = values(PLAIN)
    assert read == {
        "ONE": (2, "plain-value"), "TWO": (4, 'two "words"\nand a line'), "THREE": (5, "raw ${ONE} \\n"),
        "FOUR": (6, "several # no comment\nlines"), "FIVE": (8, "a=b"), "SIX": (9, "spaces around"),
        "SEVEN": (10, "# in quotes"), "EIGHT": (11, ""), "NINE": (12, ""), "TEN": (13, "it's"),
        "ELEVEN": (14, "un\"quoted'"),
    }  # fmt: skip
    python = dotenv_values(stream=io.StringIO(PLAIN.removeprefix("\ufeff")), interpolate=False)
    assert {name: value for name, (_, value) in read.items()} == python


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str) -> None:
    assert values(f"A=one{end}{end}B='two{end}lines'{end}C=three") == {
        "A": (1, "one"), "B": (3, "two\nlines"), "C": (5, "three"),
    }  # fmt: skip


def test_backtick_quotes_hold_everything_but_themselves() -> None:
    text = 'A=`it\'s "so" # and \\n raw`\nB=`two\nlines` # comment\nC=``\n'
    assert values(text) == {"A": (1, 'it\'s "so" # and \\n raw'), "B": (2, "two\nlines"), "C": (4, "")}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (f"A={CANARY}#more", {1: "Has a # outside quotes"}),
        (f"A={CANARY} # a comment", {1: "Has a # outside quotes"}),
        (f"A=#{CANARY}", {1: "Has a # outside quotes"}),
        ("A= # fill in", {1: "Has a # outside quotes"}),
        (f"A='{CANARY}\nB=fine", {1: "nothing closes"}),
        (f'A="{CANARY}\nB=fine', {1: "nothing closes"}),
        (f"A=`{CANARY}\nB=fine", {1: "nothing closes"}),
        (f"A='it's {CANARY}'", {1: "follows the closing"}),
        (f'A="x" {CANARY}', {1: "follows the closing"}),
        (f'A="x"{CANARY}', {1: "follows the closing"}),
        ("\n\nA\n", {3: "Has no ="}),
        ("export A\n", {1: "Has no ="}),
        ("A: value\n", {1: "Has no ="}),
        ("1A=x", {1: "The name must match"}),
        ("=x", {1: "The name must match"}),
        ("A-B=x", {1: "The name must match"}),
        ("A" * 65 + "=x", {1: "The name must match"}),
        ("A=1\nB=2\na=3\n", {1: "the same name as line 3", 3: "the same name as line 1"}),
        (f"KEY=-----BEGIN KEY-----\n{CANARY}\n-----END KEY-----\n", {1: "several lines", 2: "Has no =", 3: "Has no ="}),
        ('JSON={\n  "a": 1\n}\n', {1: "several lines", 2: "Has no =", 3: "Has no ="}),
    ],
)
def test_what_some_program_would_cut_off_is_a_fault_of_its_line_and_never_quoted(
    text: str, faults: dict[int, str]
) -> None:
    found = [each for each in read_dotenv(text) if each.fault is not None]
    assert [each.line for each in found] == list(faults)
    for each in found:
        assert faults[each.line] in (each.fault or "")
        assert CANARY not in (each.fault or "") + repr(each)
        assert each.value is None


def test_what_is_wrong_in_one_line_leaves_the_others() -> None:
    found = read_dotenv("A='\nGOOD=value\n\njunk\n\nBEST=`x`")
    assert [(each.name, each.fault is None) for each in found] == [
        ("A", False), ("GOOD", True), ("", False), ("BEST", True),
    ]  # fmt: skip


def test_a_file_of_nothing_assigns_nothing() -> None:
    assert [*read_dotenv(""), *read_dotenv("\n# comment\n")] == []


def test_a_plain_one_is_no_secret() -> None:
    port, token = read_dotenv("PORT=80\nTOKEN=abc", plain=["PORT"])
    assert (port.plain, port.value) == ("80", None)
    assert (token.plain, token.value and token.value.expose()) == (None, "abc")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("A=größe".encode("latin-1"), "isn't in UTF-8: line 1"),
        (b"OK=1\n\xff=2\n", "isn't in UTF-8: line 2"),
        ("A=1\n".encode("utf-16"), "isn't in UTF-8"),
        ("A=1\n".encode("utf-16-le"), "NUL"),
        (b"A=" + b"x" * (10 * 1024 * 1024), "more than 1 MiB"),
        (b"\n".join(b"A%d=x" % number for number in range(MOST_ASSIGNMENTS + 1)), "more than 500"),
    ],
)
def test_a_file_that_cant_be_read_at_all_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read_dotenv(decode_dotenv(content))
    assert told in caught.value.detail


def test_a_file_full_of_missing_quotes_is_read_quickly() -> None:
    began = time.process_time()
    with pytest.raises(ValidationFailed):
        read_dotenv("A='x\n" + 'B="y\n' * 100_000)
    assert time.process_time() - began < 30


# What dotenv 16.6.1, the one for Node.js, makes of each, measured once: only what it reads as we do is read at all.
NODE = json.loads(Path(__file__).with_name("dotenv_for_node.json").read_text())


# Escapes in quotes are python-dotenv's; Node's knows \\n and \\r in double quotes alone.
ESCAPES = ('A="x\\ty"', "A='it\\'s'")


@pytest.mark.parametrize("text", [text for text in NODE if text not in ESCAPES])
def test_what_is_read_is_never_shorter_than_what_node_reads(text: str) -> None:
    read = {each.name: each.value.expose() for each in read_dotenv(text) if each.value is not None}
    for name, value in read.items():
        assert NODE[text][name] == value
    assert len(read) in (0, len(NODE[text]))
