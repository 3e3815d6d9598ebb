r"""Markup within a text, left out or read: LaTeX, troff, terminals, chats and labels. Pure.

What a text is set in stands between its pieces: ``\textbf{sk}``, ``\fBsk\fR``, ``{color:red}sk{color}``.
"""

from __future__ import annotations

import re
from typing import Final

from app.redaction import marks
from app.redaction.escapes import Found, replace_spans, without
from app.redaction.lengths import FRAMES, lengths, may_hold_lengths
from app.redaction.lengths import SIGNS as LENGTH_SIGNS
from app.redaction.search import Bytes
from app.redaction.views import Edits

_LATEX_SIGNS: Final = (b"\\text", b"\\emph", b"\\char", b"\\symbol", b"\\math", b"\\color", b"\\slash", b"^^", b"{-}")
_LATEX_NAMES: Final = {
    b"underscore": b"_",
    b"backslash": b"\\",
    b"asciitilde": b"~",
    b"asciicircum": b"^",
    b"less": b"<",
    b"greater": b">",
    b"bar": b"|",
    b"dollar": b"$",
    b"braceleft": b"{",
    b"braceright": b"}",
    b"quotesingle": b"'",
    b"quotedbl": b'"',
    b"endash": b"-",
    b"emdash": b"-",
    b"asteriskcentered": b"*",
    b"sterling": b"#",
}
_LATEX: Final = re.compile(
    rb"\\text(?P<name>" + b"|".join(_LATEX_NAMES) + rb")(?:\{\}|[ ]|(?![a-zA-Z]))"
    rb"|\\(?:char|symbol)\{?(?:\"(?P<hex>[0-9A-F]{2})|(?P<decimal>[0-9]{1,3}))[ }]?"
    rb"|\^\^(?P<caret>[0-9a-f]{2})"
    rb"|\\slash(?:\{\}| |(?![a-zA-Z]))|\{(?=-\})|(?<=\{-)\}"
    rb"|\\[a-zA-Z]{2,20}\*?(?:\[[^\[\]\n]{0,40}\])?(?:\{[^{}\n]{0,40}\}(?=\{))?\{|(?<!\\)\}"
)


def latex(text: Bytes) -> Edits:
    r"""Read LaTeX's names and numbers of characters, leave out its commands: ``\textunderscore{}``, ``\textbf{``."""
    raw = text.tobytes()
    if not any(sign in raw for sign in _LATEX_SIGNS):
        return Found().edits()
    read = [(match, _latex_char(match)) for match in _LATEX.finditer(raw)]
    return replace_spans([(*match.span(), char) for match, char in read])


def _latex_char(match: re.Match[bytes]) -> int | None:
    if match["name"]:
        return _LATEX_NAMES[match["name"]][0]
    if match[0].startswith(b"\\slash"):
        return ord("/")
    for group, base in (("hex", 16), ("caret", 16), ("decimal", 10)):
        if match[group]:
            return int(match[group], base) & 0xFF
    return None


_TROFF_NAMES: Final = {
    b"aq": b"'",
    b"dq": b'"',
    b"ul": b"_",
    b"sl": b"/",
    b"rs": b"\\",
    b"ti": b"~",
    b"ha": b"^",
    b"hy": b"-",
    b"em": b"-",
    b"en": b"-",
    b"pl": b"+",
    b"eq": b"=",
    b"at": b"@",
    b"sh": b"#",
    b"Do": b"$",
    b"ba": b"|",
    b"lq": b'"',
    b"oq": b"'",
}
_TROFF_SIGNS: Final = (b"\\fB", b"\\fI", b"\\fR", b"\\fP", b"\\f[", b"\\m[", b"\\(")
_REQUEST: Final = re.compile(rb"\n\.[A-Z]{1,2}[ \n]")
_TROFF: Final = re.compile(
    rb"\\\((?P<name>"
    + b"|".join(_TROFF_NAMES)
    + rb")|\\m\[[A-Za-z]{0,16}\]|\\f(?:[BIRPC1-4]|\[[A-Za-z]{0,8}\]|\([A-Z]{2})|\n\.[A-Z]{1,2}(?=[ \n])"
    rb"|\A\.[A-Z]{1,2}(?= )"
)


def troff(text: Bytes) -> Edits:
    r"""Read the names of characters in a manual's page, leave out its fonts and requests: ``\(aq``, ``\fB``, ``.B``."""
    raw = text.tobytes()
    if not any(sign in raw for sign in _TROFF_SIGNS) and not _REQUEST.search(raw):
        return Found().edits()
    found = [(match, match["name"]) for match in _TROFF.finditer(raw)]
    return replace_spans([(*match.span(), _TROFF_NAMES[name][0] if name else None) for match, name in found])


_CONTROLS: Final = re.compile(
    rb"[^\n\x08]\x08"  # what is struck over
    rb"|\x1b\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)"  # what tells a terminal its title, or a link
    rb"|\x1b\[[0-?]{0,64}[ -/]{0,4}[@-~]|\x1b[()*+#%][A-Za-z0-9]|\x1b[=>78cDEHMNOZ]"
    rb"|\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|[\x02\x0f\x11\x16\x1d\x1e\x1f]"  # a chat's colours
)
_CONTROL_SIGNS: Final = (b"\x08", b"\x1b]", b"\x1b(", b"\x03", b"\x02", b"\x1d")


def controls(text: Bytes) -> Edits:
    """Leave out what strikes over, and what tells a terminal or a chat how to show what follows."""
    return without(text, _CONTROLS, _CONTROL_SIGNS)


_TAGS: Final = re.compile(
    rb"\{/?[A-Za-z]{1,12}(?:[:#-][^{}\n\"]{0,40})?\}|\{/\}|\[[a-z#0-9:-]{0,24}:[a-z#0-9:-]{0,24}\]|\^F(?:[DS]|[A-CE-RT-Z][0-9,]{0,12})"
)
_TAG_SIGNS: Final = (b"{/", b"{color", b"{c:", b"[-:", b"^FD")


def curly_tags(text: Bytes) -> Edits:
    """Leave out the tags of wikis, screens and labels: ``{color:red}``, ``{/bold}``, ``[red:b]``, ``^FO10,20^FD``."""
    return without(text, _TAGS, _TAG_SIGNS)


_RECORD: Final = re.compile(rb"(?<![0-9A-Za-z])(?::|S[123])((?:[0-9A-Fa-f]{2}){5,40})(?![0-9A-Za-z])")
_ADDRESS_DIGITS: Final = {b":": 8, b"S1": 6, b"S2": 8, b"S3": 10}


def hexadecimal_records(text: Bytes) -> Edits:
    """Leave out a record's length, address, type and checksum (Intel HEX, Motorola's S-records)."""
    raw = text.tobytes()
    spans: list[tuple[int, int, int | None]] = []
    if not _may_hold_records(raw):
        return replace_spans(spans)
    for match in _RECORD.finditer(raw):
        (first, end), (start, _) = match.span(1), match.span()
        told = int(match[1][:2], 16) + (5 if start + 1 == first else 1)
        if 2 * told == end - first:
            spans += [(start, first + _ADDRESS_DIGITS[raw[start:first]], None), (end - 2, end, None)]
    return replace_spans(spans)


def _may_hold_records(raw: bytes) -> bool:
    shape = raw.translate(_DIGITS_SHAPE)
    return (b":" + _TEN_DIGITS in shape or b"S" + _TEN_DIGITS in shape) and _RECORD.search(raw) is not None


_DIGITS_SHAPE: Final = bytes(ord("x") if code in b"0123456789abcdefABCDEF" else code for code in range(256))
_TEN_DIGITS: Final = b"x" * 10


def may_hold_more_markup(raw: bytes, *, has_signs: bool, has_marks: bool) -> bool:
    """Tell whether a text may have any of this.

    Args:
        has_signs: Whether it has the first two bytes of any of ``SIGNS``.
        has_marks: The same of ``MARK_SIGNS``.
    """
    return (
        (has_signs and any(sign in raw for sign in SIGNS))
        or (has_marks and marks.may_hold_marks(raw))
        or _REQUEST.search(raw) is not None
        or _may_hold_records(raw)
        or may_hold_lengths(raw, framed=has_marks)
    )


SIGNS: Final = (*_LATEX_SIGNS, *_TROFF_SIGNS, *_CONTROL_SIGNS, *_TAG_SIGNS)
"""What such markup has one of, but for what is told by numbers and by lines."""
MARK_SIGNS: Final = (*marks.SIGNS, *FRAMES)
"""What marks and lengths in brackets have one of: two bytes each."""


MARKUP: Final = (
    ((b"\\t", b"\\e", b"\\c", b"\\s", b"\\m", b"^^", b"{-"), latex),
    ((b"\\f", b"\\m", b"\\(", b"\n."), troff),
    ((b"\x08", b"\x1b", b"\x03", b"\x02", b"\x1d"), controls),
    ((b"{/", b"{c", b"[-", b"^F"), curly_tags),
    (tuple(bytes((sign, digit)) for sign in b":123" for digit in b"0123456789"), hexadecimal_records),
    (LENGTH_SIGNS, lengths),
    (marks.SIGNS, marks.marks),
)
"""Each kind, with what a text of its kind has one of."""
