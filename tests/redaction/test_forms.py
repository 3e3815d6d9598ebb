"""What writers of all kinds make of a text: each gives back what a few lines turn back, and each is found."""

from __future__ import annotations

import base64
import json
import re
import textwrap
import xmlrpc.client
from collections.abc import Callable, Iterable
from email.header import Header
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import pytest

from app.kernel.secret import SecretValue
from app.redaction.redactor import Redactor, judge_value

TOK = "sk_live_51HxQ-U8JZpDE0iGXl_D6gNC"
SLASH = "wJalr/FXUtn+EMI/K7="
LINES = [base64.b64encode(bytes((n * 53 + m * 17) % 256 for m in range(48))).decode() for n in range(1, 5)]
PEM = "\n".join(("-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""))
VALUES = {"tok": TOK, "slash": SLASH, "pem": PEM}

Form = Callable[[str], str]


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _each(template: str, separator: str = "") -> Form:
    """Write each byte by a template of ``str.format``."""
    return lambda v: separator.join(template.format(code) for code in v.encode())


def _php(items: Callable[[str], Iterable[object]], template: str) -> Form:
    return lambda v: "Array\n(\n" + "".join(template.format(at, item) for at, item in enumerate(items(v))) + ")\n"


def _dump(v: str, line: str) -> str:
    rows = []
    for at, piece in enumerate(_pieces(v, 16)):
        raw = piece.encode()
        shown = "".join(char if " " <= char <= "~" else "." for char in piece)
        pairs = " ".join(raw[first : first + 2].hex() for first in range(0, len(raw), 2))
        rows.append(line.format(at=16 * at, pairs=pairs, hex=raw.hex(" "), text=shown))
    return "\n".join(rows)


def _words(v: str, size: int, line: str, between: str = " ") -> str:
    raw = v.encode()
    raw += b"\0" * (-len(raw) % size)
    rows = []
    for at in range(0, len(raw), 16):
        words = [raw[first : first + size][::-1].hex() for first in range(at, min(at + 16, len(raw)), size)]
        rows.append(line.format(at=at, words=between.join(words)))
    return "\n".join(rows)


def _mail_words(v: str) -> str:
    return "\n ".join(f"=?utf-8?b?{base64.b64encode(piece.encode()).decode()}?=" for piece in _pieces(v, 10))


FORMS: dict[str, Form] = {
    # cut in pieces
    "by dashes": lambda v: "-".join(_pieces(v, 4)),
    "by bars": "|".join,
    "by dots": ".".join,
    "by zero-width blanks": "\u200b".join,
    "by tags": lambda v: "".join(f"<span class='c'>{piece}</span>" for piece in _pieces(v, 5)),
    "by a comment": lambda v: v[:5] + "<!-- -->" + v[5:],
    "by line breaks in HTML": lambda v: "<br />\n".join(_pieces(v, 8)),
    "by keys": lambda v: json.dumps({f"part{at}": piece for at, piece in enumerate(_pieces(v, 8))}),
    "by keys of objects": lambda v: json.dumps([{"part": n, "text": part} for n, part in enumerate(_pieces(v, 6))]),
    "by events": lambda v: "".join(f"data: {json.dumps({'delta': {'content': part}})}\n\n" for part in _pieces(v, 5)),
    "by numbered lines": lambda v: "\n".join(f"{at}: {part}" for at, part in enumerate(_pieces(v.strip(), 8))),
    "by a mail's parameters": lambda v: "; ".join(
        f"name*{n}*={quote(p, safe='')}" for n, p in enumerate(_pieces(v, 8))
    ),
    "by a shell's quotes": lambda v: v[:4] + "''" + v[4:8] + '""' + v[8:],
    "by a trace's calls": lambda v: "\n".join(f'read(3, "{p}"..., 16) = 16' for p in _pieces(v, 16)),
    "by national strings": lambda v: " + ".join(f"N'{part}'" for part in _pieces(v, 6)),
    "by operators": lambda v: " . ".join(f"'{part}'" for part in _pieces(v, 6)),
    "by tags in square brackets": lambda v: "".join(
        f"[color=#ff00{n:02d}]{p}[/color]" for n, p in enumerate(_pieces(v, 5))
    ),
    "as a page in PDF shows it": lambda v: (
        "[" + "".join(f"({piece}){-20 - n}" for n, piece in enumerate(_pieces(v, 3))) + "] TJ"
    ),
    "over lines of a page in PDF": lambda v: "\n".join(f"0 -14 Td ({piece}) Tj" for piece in _pieces(v, 8)),
    "in RTF": lambda v: "{\\rtf1\\ansi " + "".join(f"{{\\b\\insrsid12 {piece}}}" for piece in _pieces(v, 5)) + "}",
    "by Python's strings of bytes": lambda v: "\n      ".join(repr(part.encode()) for part in _pieces(v, 8)),
    "print_r of characters": _php(list, "    [{0}] => {1}\n"),
    "var_export of characters": _php(list, "  {0} => '{1}',\n"),
    "entries of characters": lambda v: json.dumps([[str(at), char] for at, char in enumerate(v)]),
    "entries of characters over lines": lambda v: json.dumps([[str(at), char] for at, char in enumerate(v)], indent=2),
    "a table's cells": lambda v: "".join(f"<tr><td>{at}</td><td>{char}</td></tr>" for at, char in enumerate(v)),
    "attributes of characters": lambda v: f"<c {' '.join(f'c{at}={quoteattr(char)}' for at, char in enumerate(v))}/>",
    "objects of characters": lambda v: json.dumps([{"i": at, "c": char} for at, char in enumerate(v)]),
    # numbers
    "numbers by long keys": lambda v: json.dumps({f"character_code_{n}": c for n, c in enumerate(v.encode())}),
    "objects of places and bytes": lambda v: json.dumps(
        [{"position": n, "character_code": code} for n, code in enumerate(v.encode())]
    ),
    "R's numbers": lambda v: "\n".join(
        f"{f'[{at + 1}]':>5} " + " ".join(f"{code:3}" for code in v.encode()[at : at + 18])
        for at in range(0, len(v), 18)
    ),
    "an assembler's": lambda v: "db " + ", ".join(f"{'0' * (code > 0x9F)}{code:x}h" for code in v.encode()),
    "Basic's": _each("&H{:02X}", ", "),
    "SQL's": _each("x'{:02x}'", " || "),
    "Rust's bytes": _each("{}u8", ", "),
    "Rust's bytes, in hexadecimal": _each("0x{:02x}_u8", ", "),
    "JavaScript's large integers": _each("{}n", ", "),
    "C's long numbers": _each("{}UL", ", "),
    "Java's bytes": _each("(byte) 0x{:02X}", ", "),
    "Kotlin's bytes": _each("0x{:02x}.toByte()", ", "),
    "Visual Basic's characters": _each("ChrW(&H{:02X})", " & "),
    "PHP's characters": _each("chr(0x{:02x})", "."),
    "Python's characters": _each("chr(0o{:o})", "+"),
    "PowerShell's characters": _each("[char]0x{:02x}", "+"),
    "Lisp's numbers": _each("#x{:x}", " "),
    "Pascal's characters": _each("#${:02x}"),
    "Verilog's bytes": _each("8'h{:02x}", ", "),
    "VHDL's bytes": _each('x"{:02X}"', ", "),
    "assignments": lambda v: "\n".join(f"s[{n}] = 0x{code:02x};" for n, code in enumerate(v.encode())),
    "a debugger's memory": lambda v: "\n".join(
        f"0x55555{n:04x} <x+{n}>:\t" + "\t".join(f"0x{code:02x}" for code in v.encode()[n : n + 8])
        for n in range(0, len(v), 8)
    ),
    "in scientific notation": _each("{:.6e}", " "),
    "bencode's numbers": lambda v: "l" + "".join(f"i{code}e" for code in v.encode()) + "e",
    "unsigned": _each("0x{:02X}u", ", "),
    "decimal, by percent signs": _each("%{}"),
    "print_r of bytes": _php(str.encode, "    [{0}] => {1}\n"),
    "var_dump of bytes": _php(str.encode, "  [{0}]=>\n  int({1})\n"),
    "pairs of place and byte": lambda v: json.dumps(list(enumerate(v.encode()))),
    "XML-RPC": lambda v: xmlrpc.client.dumps((list(v.encode()),)),
    "tagged bytes": _each('<item type="int">{}</item>'),
    "decimal, together": _each("{:03d}"),
    "octal, together": _each("{:03o}"),
    "Go's complaint": lambda v: f"%!d(string={v})",
    "decimal, dotted": _each("{}", "."),
    "decimal, by dashes": _each("{}", "-"),
    "decimal, with a point": lambda v: json.dumps([float(code) for code in v.encode()]),
    "octal": _each("{:03o}", " "),
    "octal, with a nought": _each("0{:o}", ", "),
    "octal, as Python writes it": lambda v: json.dumps([oct(code) for code in v.encode()]),
    "binary": _each("{:08b}", " "),
    "binary, together": _each("{:08b}"),
    "binary, as Go writes it": _each("{:b}", " "),
    "binary, as Python writes it": lambda v: json.dumps([bin(code) for code in v.encode()]),
    "hexadecimal, as Go writes it": _each("{:#x}", " "),
    "code points": _each("U+{:04X}", " "),
    # escapes
    "for LDAP": lambda v: re.sub(r"[^A-Za-z0-9]", lambda found: f"\\{ord(found[0]):02x}", v),
    "for CSS": lambda v: re.sub(r"[^A-Za-z0-9]", lambda found: f"\\{ord(found[0]):x} ", v),
    "for CSS, in full": lambda v: re.sub(r"[^A-Za-z0-9]", lambda found: f"\\{ord(found[0]):06x}", v),
    "for DNS": _each("\\{:03d}"),
    "for echo": _each("\\0{:03o}"),
    "for Perl": _each("\\o{{{:o}}}"),
    "for RTF": _each("\\u{}?"),
    "for a JSON Pointer": lambda v: v.replace("~", "~0").replace("/", "~1"),
    "for names in XML": _each("_x{:04X}_"),
    "for SQL's identifiers": lambda v: re.sub(r"[^A-Za-z0-9]", lambda found: f"\\{ord(found[0]):04X}", v),
    "for Perl, by code points": _each("\\N{{U+{:X}}}"),
    "in CDATA sections": lambda v: "".join(f"<![CDATA[{piece}]]>" for piece in _pieces(v, 5)),
    "in a terminal's colours": lambda v: "".join(f"\x1b[3{n % 8}m{char}\x1b[0m" for n, char in enumerate(v)),
    "for LaTeX": lambda v: "".join({"_": "\\textunderscore{}", "/": "\\slash ", "=": "="}.get(c, c) for c in v),
    "for LaTeX, by numbers": lambda v: re.sub(r"[^A-Za-z0-9]", lambda found: f"\\char{ord(found[0])} ", v),
    "for LaTeX, as symbols": lambda v: re.sub(r"[^A-Za-z0-9]", lambda found: f"\\symbol{{{ord(found[0])}}}", v),
    "for LaTeX, all by numbers": _each('\\char"{:02X}'),
    "for TeX": _each("^^{:02x}"),
    "by LaTeX's commands": lambda v: "".join(f"\\textcolor{{red}}{{{piece}}}" for piece in _pieces(v, 5)),
    "for a manual": lambda v: v.replace("-", "\\-").replace("_", "\\(ul").replace("/", "\\(sl"),
    "by a manual's fonts": lambda v: "".join(f"\\fB{piece}\\fR" for piece in _pieces(v, 5)),
    "by a manual's lines": lambda v: "\n".join(f".B {piece}" for piece in _pieces(v, 5)),
    "struck over": lambda v: "".join(f"{char}\b{char}" for char in v),
    "by a terminal's links": lambda v: "".join(
        f"\x1b]8;;http://x/{n}\x1b\\{piece}" for n, piece in enumerate(_pieces(v, 5))
    ),
    "by a terminal's charsets": lambda v: "".join(f"\x1b(B\x1b[m{piece}" for piece in _pieces(v, 5)),
    "by a chat's colours": lambda v: "".join(f"\x03{4 + n % 3:02d}{piece}" for n, piece in enumerate(_pieces(v, 5))),
    "by a wiki's tags": lambda v: "".join(f"{{color:red}}{piece}{{color}}" for piece in _pieces(v, 5)),
    "by a screen's tags": lambda v: "".join(f"[red:b]{piece}[-:-]" for piece in _pieces(v, 5)),
    "on labels": lambda v: "".join(f"^FO10,{n}0^FD{piece}^FS\n" for n, piece in enumerate(_pieces(v, 5))),
    "netstrings": lambda v: "".join(f"{len(piece)}:{piece}," for piece in _pieces(v, 8)),
    "bencode": lambda v: "l" + "".join(f"{len(piece)}:{piece}" for piece in _pieces(v, 8)) + "e",
    "Fortran's strings": lambda v: ",".join(f"{len(piece)}H{piece}" for piece in _pieces(v, 8)),
    # look-alikes
    "as tags that nobody sees": lambda v: "".join(chr(0xE0000 + ord(char)) if char >= " " else char for char in v),
    "underlined": lambda v: "".join(f"{char}\u0332" for char in v),
    "in isolates": lambda v: "".join(f"\u2066{piece}\u2069" for piece in _pieces(v, 4)),
    "fullwidth": lambda v: "".join(chr(ord(char) + 0xFEE0) if char != "\n" else char for char in v),
    "by soft hyphens, in JSON": lambda v: json.dumps("\u00ad".join(v)),
    "with dashes that never break": lambda v: v.replace("-", "\u2011"),
    "with a typographer's dashes": lambda v: v.replace("-", "\u2013"),
    "with capitals and small letters exchanged": str.swapcase,
    # mail
    "mail's words, quoted": lambda v: "\n ".join(
        f"=?utf-8?q?{''.join(f'={code:02X}' for code in part.encode())}?=" for part in _pieces(v, 16)
    ),
    "mail's words, base64": _mail_words,
    "mail's header": lambda v: Header(v + " é", "utf-8").encode(),
    # packings
    "base64 piece by piece": lambda v: "\n".join(base64.b64encode(part.encode()).decode() for part in _pieces(v, 8)),
    "base64 in numbered lines": lambda v: "\n".join(
        f"{n:6}\t{line}" for n, line in enumerate(textwrap.wrap(base64.b64encode(v.encode()).decode(), 16), 1)
    ),
    "base64 of each character": lambda v: json.dumps([base64.b64encode(char.encode()).decode() for char in v]),
    "base64 of user and password": lambda v: base64.b64encode(f"user:{v}".encode()).decode(),
    "base64 four times": lambda v: base64.b64encode(base64.b64encode(base64.b64encode(v.encode()))).decode(),
    "a token's payload": lambda v: (
        f"e30.{base64.urlsafe_b64encode(json.dumps({'k': v}).encode()).decode().rstrip('=')}."
    ),
    "Intel HEX": lambda v: "\n".join(
        f":{len(p):02X}{16 * n:04X}00{p.encode().hex().upper()}5A" for n, p in enumerate(_pieces(v, 16))
    ),
    "S-records": lambda v: "\n".join(
        f"S1{len(p) + 3:02X}{16 * n:04X}{p.encode().hex().upper()}5A" for n, p in enumerate(_pieces(v, 16))
    ),
    "a page in PDF, in hexadecimal": lambda v: (
        "[" + "".join(f"<{code:02x}>{-1 - n}" for n, code in enumerate(v.encode())) + "] TJ"
    ),
    "xxd": lambda v: "x\n" + _dump(v, "{at:08x}: {pairs:<40} {text}"),
    "xxd in JSON": lambda v: json.dumps({"dump": _dump(v, "{at:08x}: {pairs:<40} {text}")}),
    "hexdump": lambda v: "x\n" + _dump(v, "{at:08x}  {hex:<48}  |{text}|"),
    "a packet's bytes": lambda v: "x\n" + _dump(v, "{at:04x}   {hex:<48}   {text}"),
    "hexdump, of two bytes each": lambda v: "x\n" + _words(v, 2, "{at:07x} {words}"),
    "od, of two bytes each": lambda v: "x\n" + _words(v, 2, "{at:07o} {words}"),
    "xxd, of four bytes each": lambda v: "x\n" + _words(v, 4, "{at:08x}: {words}"),
    "a debugger's numbers": lambda v: "x\n" + _words(v, 8, "0x7ffe{at:04x}:\t0x{words}", "\t0x"),
    "tcpdump": lambda v: "x\n" + _dump(v, "\t0x{at:04x}:  {pairs:<40} {text}"),
    "hexadecimal in numbered lines": lambda v: "\n".join(
        f"{n}. {line}" for n, line in enumerate(textwrap.wrap(v.encode().hex(), 16), 1)
    ),
    "hexadecimal in lines": lambda v: "\n".join(textwrap.wrap(v.encode().hex(), 32)),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "padding", [pytest.param("", id="small"), pytest.param(" \\" * 9000, id="large", marks=pytest.mark.slow)]
)
def test_a_form_that_is_turned_back_in_a_few_lines_is_found(form: Form, value: str, padding: str) -> None:
    body = form(value)
    left, count = Redactor({"T": judge_value(SecretValue(value), lambda text: len(text) > 15)}).body(
        (body + padding).encode()
    )
    assert count >= 1
    assert body.encode() not in left


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_text_with_another_end_stays(form: Form) -> None:
    body = form(TOK[:-1] + "D").encode()
    assert Redactor({"T": SecretValue(TOK)}).body(body) == (body, 0)
