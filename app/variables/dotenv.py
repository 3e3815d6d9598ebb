"""Reading a .env file, line by line, so that no value is ever shorter than what stands there. Pure.

Parsers differ: some end an unquoted value at a ``#``, most know double and single quotes, some backtick quotes (dotenv
for Node.js from 16 on). What one of them would cut off is a fault of its line. Escapes in quotes are python-dotenv's.
A variable in a value (``${OTHER}``) is not looked up, since a secret is what it is. No message quotes the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from app.kernel.errors import ValidationFailed, in_body
from app.kernel.secret import SecretValue
from app.variables.validation import VARIABLE_NAME

GREATEST_FILE: Final = 1024 * 1024
MOST_ASSIGNMENTS: Final = 500
_CONTENT: Final = in_body("content")
_NOTHING: Final = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)")
_NAME: Final = re.compile(r"[^\S\n]*(?:export[^\S\n]+)?(?P<name>[^\s=#]*)[^\S\n]*(?P<equals>=?)[^\S\n]*")
_QUOTED: Final = {
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
    "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
    "`": re.compile(r"`([^`]*)`"),
}
_ESCAPES: Final = {'"': re.compile(r"\\[\\'\"abfnrtv]"), "'": re.compile(r"\\[\\']"), "`": re.compile(r"(?!)")}

_TOO_LARGE: Final = f"The file has more than {GREATEST_FILE // 1024**2} MiB; no .env file has."
_NO_EQUALS: Final = "Has no =."
_NO_NAME: Final = "The name must match [A-Za-z_][A-Za-z0-9_]{0,63}."
_NO_END: Final = "Begins with a quotation mark that nothing closes."
_AFTER_QUOTES: Final = "Something follows the closing quotation mark."
_HASH: Final = (
    "Has a # outside quotes, where some programs end the value: put the value in quotes, or remove the comment."
)
_GOES_ON: Final = "Seems to continue in the next line: put a value of several lines in quotes."


@dataclass(frozen=True, slots=True)
class Assignment:
    """One assignment, and the line on which it begins; ``fault`` says why it has no value that is certain.

    Its value is in ``plain`` where its name was said to be a plain variable's, otherwise in ``value``.
    """

    line: int
    name: str
    value: SecretValue | None = None
    plain: str | None = None
    fault: str | None = None
    quoted: bool = False

    @property
    def empty(self) -> bool:
        """Tell whether it is a placeholder that nobody has filled in."""
        return self.plain == "" or (self.value is not None and not self.value.characters)


def decode_dotenv(content: bytes) -> str:
    """Return a file's text. Raises ``ValidationFailed``."""
    if len(content) > GREATEST_FILE:
        raise _whole(_TOO_LARGE)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _whole(f"The file isn't in UTF-8: line {line} has other bytes. Save it as UTF-8.") from None


def read_dotenv(text: str, *, plain: Collection[str] = ()) -> Sequence[Assignment]:
    """Return a file's assignments in their order.

    Args:
        text: Unicode text without halves of surrogate pairs.
        plain: Names whose values are no secrets.

    Raises:
        ValidationFailed: It is no text, or holds more than is read at once.
    """
    if len(text.encode()) > GREATEST_FILE:
        raise _whole(_TOO_LARGE)
    if "\x00" in text:
        raise _whole("The file holds NUL characters: it isn't text, or is in UTF-16. Save it as UTF-8.")
    lines = re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))
    found: list[Assignment] = []
    for assignment in _assignments(lines, plain):
        found.append(assignment)
        if len(found) > MOST_ASSIGNMENTS:
            raise _whole(f"The file has more than {MOST_ASSIGNMENTS:,} assignments: import it in parts.")
    return _without_twins(_without_cuts(found))


def _whole(sentence: str) -> ValidationFailed:
    return ValidationFailed(sentence, errors={_CONTENT: [sentence]})


def _assignments(text: str, plain: Collection[str]) -> Iterator[Assignment]:
    at, line = 0, 1
    while at < len(text):
        if (nothing := _NOTHING.match(text, at)) is not None:
            end = nothing.end()
        else:
            assignment, end = _assignment(text, at, line, plain)
            yield assignment
        line += text.count("\n", at, end)
        at = end


def _assignment(text: str, at: int, line: int, plain: Collection[str]) -> tuple[Assignment, int]:
    """Read the assignment that begins here, and return where the next line begins."""
    head = cast("re.Match[str]", _NAME.match(text, at))  # it matches nothing at all, too
    name, start = head["name"], head.end()
    newline = text.find("\n", start)
    end = len(text) if newline < 0 else newline
    if not head["equals"] or not VARIABLE_NAME.fullmatch(name):
        return Assignment(line, "", fault=_NO_NAME if head["equals"] else _NO_EQUALS), end + 1
    quoted = text[start : start + 1] in _QUOTED
    try:
        value, end = _read_quoted(text, start) if quoted else (_read_bare(text[start:end]), end + 1)
    except _FaultError as fault:
        return Assignment(line, name, fault=fault.sentence), end + 1
    if name in plain:
        return Assignment(line, name, plain=value, quoted=quoted), end
    return Assignment(line, name, SecretValue(value), quoted=quoted), end


class _FaultError(Exception):
    """An assignment has no value that is certain; the sentence quotes nothing of it."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence


def _read_bare(text: str) -> str:
    if "#" in text:
        raise _FaultError(_HASH)
    return text.strip()


def _read_quoted(text: str, start: int) -> tuple[str, int]:
    """Return what stands in quotes, and where the line after them begins."""
    quote = text[start]
    found = _QUOTED[quote].match(text, start)
    if found is None:
        raise _FaultError(_NO_END)
    after = _NOTHING.match(text, found.end())
    if after is None:
        raise _FaultError(_AFTER_QUOTES)
    return _ESCAPES[quote].sub(_unescape, found[1]), after.end()


def _unescape(escape: re.Match[str]) -> str:
    return codecs.decode(escape[0], "unicode-escape")


def _without_cuts(found: list[Assignment]) -> list[Assignment]:
    """Give a fault to each unquoted value whose next line is no assignment: it may be the value's own next line."""
    told: list[Assignment] = []
    for each, following in zip(found, [*found[1:], None], strict=False):
        goes_on = following is not None and not following.name and following.line == each.line + 1
        cut = goes_on and not each.quoted and each.fault is None and not each.empty
        told.append(replace(each, value=None, plain=None, fault=_GOES_ON) if cut else each)
    return told


def _without_twins(found: list[Assignment]) -> list[Assignment]:
    """Give a fault to each assignment of a name that is assigned twice: nobody can tell which one is meant."""
    lines: dict[str, list[int]] = {}
    for each in found:
        lines.setdefault(each.name.lower(), []).append(each.line)
    return [
        replace(each, value=None, plain=None, fault=_twin(each, lines[each.name.lower()]))
        if each.name and each.fault is None and len(lines[each.name.lower()]) > 1
        else each
        for each in found
    ]


def _twin(each: Assignment, lines: Sequence[int]) -> str:
    other = next(line for line in lines if line != each.line)
    return f"Has the same name as line {other} (upper and lower case count as one)."
