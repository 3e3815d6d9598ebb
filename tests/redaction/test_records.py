"""A value whose pieces stand in records: of a log, a table, subtitles, documents. And what such bodies hold else."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable

import pytest

from app.kernel.secret import SecretValue
from app.redaction.pieces import join_spans
from app.redaction.records import LARGEST, records, small_records
from app.redaction.redactor import Redactor, judge_value

TOK = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PHRASE = "correct horse, battery; staple! (42)"
SHORT = "9fK#x$7Q!zm4"
Form = Callable[[list[str]], str]


def _rows(pieces: list[str], **how: object) -> str:
    out = io.StringIO()
    writer = csv.writer(out, **how)  # type: ignore[arg-type]
    for at, piece in enumerate(pieces):
        writer.writerow([f"c{at}", piece, "m1"])
    return out.getvalue()


def _each(template: str, between: str = "\n") -> Form:
    return lambda pieces: between.join(template.format(at=at, piece=piece) for at, piece in enumerate(pieces))


def _documents(pieces: list[str]) -> list[dict[str, str]]:
    return [{"id": f"chunk-{at}", "text": piece, "model": "m1"} for at, piece in enumerate(pieces)]


RECORDS: dict[str, Form] = {
    # behind what lines begin with
    "a log": _each("2026-11-29T10:10:1{at}.123Z INFO app: {piece}"),
    "a log of the system": _each("<34>1 2026-11-29T10:10:1{at}Z host app 12 ID{at} - {piece}"),
    "a container's log": _each("2026-11-29T10:10:1{at}.123456789Z stdout F {piece}"),
    "what grep found": _each("src/file.py-{at}-{piece}"),
    "who wrote lines": _each("^a1b2c3d (Ann Lee 2026-11-2{at} 10:10:11 +0000 {at}) {piece}"),
    "subtitles": _each("{at}\n00:00:0{at},000 --> 00:00:0{at},900\n{piece}\n"),
    "subtitles of frames": _each("{{{at}0}}{{{at}8}}{piece}"),
    "a song's lines": _each("[00:0{at}.00]{piece}"),
    "subtitles with styles": _each("Dialogue: 0,0:00:0{at}.00,0:00:0{at}.90,Default,,0,0,0,,{piece}"),
    "a packet's text": _each("10:10:1{at}.123 IP a.1 > b.2: length 8\n{piece}"),
    "a shell's commands": _each("xdotool type '{piece}'"),
    # under the same key
    "pairs": _each('ts=2026-11-29T10:10:1{at} level=info msg="{piece}" n={at}'),
    "documents": lambda pieces: json.dumps(_documents(pieces)),
    "documents over lines": lambda pieces: json.dumps(_documents(pieces), indent=2),
    "documents, a line each": lambda pieces: "\n".join(json.dumps(each) for each in _documents(pieces)),
    "documents in Python": lambda pieces: repr(_documents(pieces)),
    "events": lambda pieces: "".join(f"data: {json.dumps(each)}\n\n" for each in _documents(pieces)),
    "YAML": _each('- id: c-{at}x\n  text: "{piece}"\n  kind: part'),
    "records of a database": _each("-[ RECORD {at} ]----\nid   | {at}\ntext | {piece}"),
    "attributes": _each('<part id="c{at}" text="{piece}" kind="x"/>'),
    "objects": _each("Part(id='c{at}', text='{piece}', kind='x')", ", "),
    "objects in Ruby": _each('#<Part:0x0000{at} @id={at}, @text="{piece}">', ", "),
    "a cookie in pieces": _each("Set-Cookie: s.{at}={piece}; Path=/; HttpOnly", "\r\n"),
    "zones": _each('x{at}.example. 300 IN TXT "{piece}"'),
    # in the same column
    "CSV": _rows,
    "CSV in quotes": lambda pieces: _rows(pieces, quoting=csv.QUOTE_ALL),
    "tabs": lambda pieces: _rows(pieces, delimiter="\t"),
    "a table with bars": lambda pieces: "| n | text | kind |\n|--|--|--|\n" + _each("| c{at} | {piece} | x |")(pieces),
    "a table in columns": lambda pieces: "\n".join(f"row{at}   {piece:<10}   end" for at, piece in enumerate(pieces)),
    "a table in HTML": _each("<tr><td>c{at}</td><td>{piece}</td><td>x</td></tr>"),
    "a table in HTML on one line": _each("<tr><td>c{at}</td><td>{piece}</td><td>x</td></tr>", ""),
    "lists": lambda pieces: json.dumps([[f"c{at}", piece] for at, piece in enumerate(pieces)]),
    # packed
    "base64, piece by piece": lambda pieces: json.dumps(
        [{"kind": "b", "data": base64.b64encode(piece.encode()).decode()} for piece in pieces]
    ),
    "hexadecimal, piece by piece": lambda pieces: json.dumps(
        [{"id": at, "data": piece.encode().hex()} for at, piece in enumerate(pieces)]
    ),
    "hexadecimal, dotted": lambda pieces: json.dumps(
        [{"id": at, "b": p.encode().hex("-")} for at, p in enumerate(pieces)]
    ),
    "base64 cut by keys": lambda pieces: json.dumps(
        {f"part{at}": part for at, part in enumerate(_cut(base64.b64encode("".join(pieces).encode()).decode(), 8))}
    ),
    "base64 in a log": lambda pieces: _each("10:10:1{at} INFO app: {piece}")(
        _cut(base64.b64encode("".join(pieces).encode()).decode(), 8)
    ),
    "numbers of characters": lambda pieces: json.dumps(
        [{"place": at, "kind": "x", "code": code, "name": f"n{at}"} for at, code in enumerate("".join(pieces).encode())]
    ),
    "numbers under long keys": lambda pieces: json.dumps(
        {f"the_code_of_the_character_at_place_{at}": code for at, code in enumerate("".join(pieces).encode())}
    ),
}
PHRASED = (
    "a log",
    "subtitles",
    "documents",
    "events",
    "pairs",
    "attributes",
    "CSV",
    "tabs",
    "a table with bars",
    "lists",
)


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def redact(value: str, body: str) -> tuple[str, int]:
    redactor = Redactor({"T": judge_value(SecretValue(value), lambda text: len(text) > 11)})
    left, count = redactor.body(body.encode())
    return left.decode(), count


@pytest.mark.parametrize("form", RECORDS)
@pytest.mark.parametrize("value", [TOK, HEX])
def test_a_value_in_the_pieces_of_records_is_one_place(form: str, value: str) -> None:
    body = RECORDS[form](_cut(value, 8))
    left, count = redact(value, body)
    assert count >= 1
    assert not any(piece in left for piece in _cut(value, 8)[1:-1])


@pytest.mark.parametrize("form", PHRASED)
def test_pieces_may_hold_blanks_and_punctuation(form: str) -> None:
    assert redact(PHRASE, RECORDS[form](_cut(PHRASE, 8)))[1] == 1


@pytest.mark.parametrize("form", ["a log", "documents", "CSV", "attributes"])
def test_a_short_value_with_letters_and_digits_is_found_in_pieces(form: str) -> None:
    assert redact(SHORT, RECORDS[form](_cut(SHORT, 4)))[1] == 1


@pytest.mark.parametrize("form", RECORDS)
def test_pieces_of_another_value_stay(form: str) -> None:
    body = RECORDS[form](_cut(TOK[:-1] + "D", 8))
    assert redact(TOK, body) == (body, 0)


@pytest.mark.parametrize("form", ["documents", "a log", "CSV"])
def test_two_halves_are_enough(form: str) -> None:
    assert redact(TOK, RECORDS[form](_cut(TOK, 16)))[1] == 1


@pytest.mark.parametrize("form", ["documents", "a log", "CSV", "base64, piece by piece", "numbers of characters"])
def test_records_in_json_again_are_found(form: str) -> None:
    assert redact(TOK, json.dumps({"log": RECORDS[form](_cut(TOK, 8))}))[1] == 1


def test_records_are_found_beside_base64_that_holds_something_else() -> None:
    other = base64.b64encode(b"some text that is long enough to be told by its bytes alone").decode()
    assert redact(TOK, json.dumps([{"node": other}, *_documents(_cut(TOK, 8))]))[1] == 1


def left_of(raw: bytes) -> list[bytes]:
    return [join_spans(raw, spans) for spans in records(raw, 40)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"plain text",
        b'{"id": 17, "title": "A ticket", "tags": ["a", "b"], "open": true}',
        b'{"a": {"b": 1}}',
    ],
)
def test_most_small_answers_have_no_records(raw: bytes) -> None:
    assert left_of(raw) == []
    assert [text for text in small_records([raw], 40) if text] == []


def test_a_key_that_stands_once_has_no_pieces() -> None:
    assert left_of(b'{"a": {"b": {"c": "d"}}}') == []


def test_what_is_longer_than_any_text_is_no_piece() -> None:
    whole, long = b'{"a":"12"},{"a":"34"},{"b":""}', b'{"a":"12"},{"a":"' + b"x" * 400 + b'"},{"a":"34"}'
    assert b"12" in left_of(whole)[0]
    assert b"xxx" not in left_of(long)[0]
    assert b"12" in left_of(long)[0]


def test_parts_of_a_time_are_no_keys() -> None:
    assert left_of(b'{"at":"10:10:11","n":{}},{"at":"10:10:12","n":{}}')[0].count(b"10") == 0


def test_a_record_s_name_is_none_of_its_last_piece() -> None:
    assert left_of(b"Part(a=12), Part(a=34)") == [b"12), 34)"]


def test_columns_are_counted_from_a_row_s_end() -> None:
    assert b"aabb" in left_of(b"1,aa,x\nwords,2,bb,y\n")[0]


def test_a_cell_in_quotes_may_hold_what_stands_between_cells() -> None:
    assert any(b"a,abb" in text for text in left_of(b'1,"a,a",x,y,z\n2,bb,x,y,z\n'))


def test_of_a_line_that_another_is_like_nothing_is_left() -> None:
    assert left_of(b"same line 1\npiece one\nsame line 2\npiece two\n")[-1] == b" one two"


def test_a_line_s_first_word_stays_whole() -> None:
    assert b"abc" in left_of(b"at 1: abc\nat 2: abd\n")[-1]


def test_json_over_lines_has_no_lines_of_a_text() -> None:
    pretty = json.dumps({"a": ["b", "c"], "d": {"e": "f"}}, indent=2).encode()
    assert left_of(pretty) == []


def test_large_bodies_are_not_put_together() -> None:
    log = b"10:10 app: piece\n10:11 app: piece\n"
    assert left_of(log + b"x" * (LARGEST - len(log))) != []
    assert left_of(log + b"x" * (LARGEST - len(log) + 1)) == []


def test_small_bodies_have_no_less_left_than_others() -> None:
    for form in RECORDS.values():
        raw = form(_cut(TOK, 8)).encode()
        assert set(left_of(raw)) <= set(small_records([raw], 40))


@pytest.mark.parametrize("length", [4, 7, 8, 16, 23])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_part_of_a_value_beside_a_whole_one_is_no_piece_of_it(length: int, *, ascii_only: bool) -> None:
    value = 'canary-7f3a9c21d5e84b60/+&"é~x?='
    for part in (value[:length], value[-length:], value[2 : 2 + length]):
        for headers in ([["Host", "a"], ["Authorization", f"Bearer {value}"]], {"Authorization": f"Bearer {value}"}):
            body = json.dumps({"method": "POST", "headers": headers, "body": part}, ensure_ascii=ascii_only)
            left, count = redact(value, body)
            assert (json.loads(left)["body"], count) == (part, 1)
