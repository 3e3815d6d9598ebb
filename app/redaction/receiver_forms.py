"""What a receiver makes of a value before it gives it back: texts that are looked for beside the value. Pure.

Whoever sends guesses to an echo can guess a text that is looked for. So each has to be as long and as hard to guess
as the value itself must be. That is judged once, when the value is written (``judge``), and a call only goes by the
verdict (``approved_forms``). A value without one is looked for whole.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import numpy as np

from app.redaction.encodings import USUAL
from app.redaction.joins import join, unprefix
from app.redaction.letters import has_enough_letters
from app.redaction.views import View, rewrite

How = Literal["plain", "joined", "unprefixed"]
_VERSION: Final = "1"
_MOST: Final = 128
_SCHEME: Final = re.compile(r"(?:bearer|basic|token|apikey|digest)[ \t]*[: \t=][ \t]*(?=\S)", re.IGNORECASE)
_BASIC: Final = re.compile(r"\s*[\"']?\s*basic\s+([A-Za-z0-9+/_-]+)=*\s*[\"']?\s*", re.IGNORECASE)
_PEM_BODY: Final = re.compile(r"-----BEGIN [^-]+-----(.+?)-----END [^-]+-----", re.DOTALL)
_SHORTEST: Final = 4
SHORTEST_JOINED: Final = 8
_LAYERS: Final = 8


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """A text, and the kind of view that it is looked for in."""

    text: str
    how: How = "plain"


def whole(text: str) -> list[str]:
    """Return the value itself, with the line ends of other systems, and with capitals and small letters exchanged.

    Of a value with letters of one kind alone, as a signature in hexadecimal digits, the last is its capitals.
    """
    texts = [text]
    if "\n" in text or "\r" in text:
        unix = text.replace("\r\n", "\n").replace("\r", "\n")
        texts += (unix, unix.replace("\n", "\r\n"), unix.replace("\n", "\r"))
    exchanged = text.swapcase()
    if exchanged.swapcase() == text:
        texts.append(exchanged)
    return list(dict.fromkeys(texts))


def judge(text: str, fits: Callable[[str], bool]) -> str:
    """Return the verdict on a value's forms: which of them may be looked for.

    Args:
        text: The value.
        fits: Tells whether a text is as long and as hard to guess as the value has to be.
    """
    # What is the value once more needs no place: it is looked for by its letters anyway.
    whole_value = text if has_enough_letters(text.encode("utf-8", "surrogatepass")) else None
    forms = enumerate(_forms(text))
    bits = sum(1 << place for place, form in forms if form.text != whole_value and fits(form.text))
    return f"{_VERSION}:{bits:x}"


def approved_forms(text: str, verdict: str | None) -> list[Form]:
    """Return the forms that may be looked for beside the value; none without a verdict of this kind.

    None is made that stands behind the last of them: what that costs goes by the verdict alone.
    """
    version, _, bits = (verdict or "").partition(":")
    if version != _VERSION:
        return []
    if not (allowed := int(bits, 16)):
        return []
    forms = islice(_forms(text), allowed.bit_length())
    return [form for place, form in enumerate(forms) if allowed >> place & 1]


def _forms(text: str) -> Iterator[Form]:
    """Give every form in an order that never changes: verdicts count on it."""
    usable = (form for form in _all_forms(text) if _long_enough(form))
    seen = set[Form]()
    for form in usable:
        if form not in seen:
            seen.add(form)
            yield form
            if len(seen) == _MOST:
                return


def _all_forms(text: str) -> Iterator[Form]:
    texts = dict.fromkeys(islice(_texts(text, depth=2), _MOST))
    yield from (Form(each) for each in texts if each != text)
    for each in (text, *texts):
        raw = each.encode("utf-8", "surrogatepass")
        yield Form(join(raw).decode("utf-8", "surrogatepass"), "joined")
        if (bare := unprefix(raw)) != raw:
            yield Form(bare.decode("utf-8", "surrogatepass"), "unprefixed")
        if (undone := canonical(raw)) != raw:
            yield Form(undone.decode("utf-8", "replace"))


def _long_enough(form: Form) -> bool:
    least = _SHORTEST if form.how == "plain" else SHORTEST_JOINED
    return len(form.text) >= least and "\ufffd" not in form.text


def canonical(raw: bytes) -> bytes:
    """Undo every escape in a text until nothing changes."""
    view = View(np.frombuffer(raw, np.uint8))
    for _ in range(_LAYERS):
        before = view
        for _, undo in USUAL:
            view = rewrite(View(view.text), undo(view.text), order=0, reach=len(raw)) or view
        if view.raw == before.raw:
            break
    return view.raw


def _texts(text: str, *, depth: int) -> Iterator[str]:
    """Give what is left of a text once blanks, quotes and a scheme's word are taken off, and what stands in it."""
    yield from _peel(text)
    if basic := _BASIC.fullmatch(text):
        yield from _credentials(basic[1])
    for body in _PEM_BODY.findall(text):
        yield "".join(body.split())
        yield from (line.strip() for line in body.splitlines() if line.strip())
    if depth and text.lstrip()[:1] in ("{", "["):
        for inner in _strings_of(text):
            yield inner
            yield from _texts(inner, depth=depth - 1)


def _peel(text: str) -> Iterator[str]:
    left, before = text, ""
    while left != before:
        before = left
        left = left.strip()
        yield left
        if len(left) > 1 and left[0] == left[-1] and left[0] in "\"'`":
            left = left[1:-1]
            yield left
        if scheme := _SCHEME.match(left):
            left = left[scheme.end() :]
            yield left


def _credentials(encoded: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_" if set("-_") & set(encoded) else None)
    except binascii.Error:
        return
    for encoding in ("utf-8", "latin-1"):
        try:
            text = pair.decode(encoding)
        except UnicodeDecodeError:
            continue
        yield text
        if ":" in text:
            yield text.partition(":")[2]
        return


def _strings_of(text: str) -> Iterator[str]:
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
