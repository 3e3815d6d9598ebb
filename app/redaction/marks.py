r"""Short marks right before the pieces of a text: colours and styles of games, screens and terminals, quoting. Pure.

``§6sk_l§live``, ``&6sk_l&live``, ``^1sk_l^7ive``, ``|cffff0000sk_l|rive``, ``[31msk_l[0mive``, ``\Qsk_l\Eive``,
``0's,0'k``: a mark ends in a letter or digit, and stands right before those of the text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from app.redaction.escapes import replace_spans
from app.redaction.search import Bytes
from app.redaction.views import Edits

_FEWEST: Final = 2
_KINDS: Final = (
    # Of Minecraft; a section sign is read as an ampersand before.
    (
        b"&",
        rb"(?<!&)&(?:#[0-9A-Fa-f]{6}(?![0-9A-Fa-f]*;)|[0-9a-fk-orxA-FK-ORX](?![A-Za-z0-9_.\[\]-]{0,40}(?:;|=[^&\s\"'])))",
    ),
    (b"^", rb"\^(?:[0-9]|x[0-9A-Fa-f]{3}|[fb]g\([^()\n]{0,24}\))"),  # of Quake and dzen
    (b"{", rb"\{#?[0-9A-Fa-f]{6}\}"),  # of San Andreas
    (b"|", rb"\|(?:c[0-9A-Fa-f]{8}|r)"),  # of World of Warcraft
    (b"$", rb"\$(?:[0-9A-Fa-f]{3}|[gimnostwz]|\{[^{}\n]{0,24}\})"),  # of Trackmania and conky
    (b"~", rb"~[a-z]{1,2}~"),  # of Grand Theft Auto
    # Of tmux and others; what stands alone is a stylesheet's.
    (b"#", rb"#\[[^\[\]\n]{0,40}\]|(?<!&)#[0-9A-Fa-f]{6}(?![\s\"'<>;,.)\\}\]])"),
    (b"%", rb"%(?:[FK]?\{[^{}\n]{0,24}\}|[fk])"),  # of zsh and polybar
    (b"m", rb"(?:\^\[?)?\[[0-9;]{0,16}m"),  # what is left of a terminal's colours without ESC
    (b"\\", rb"\\(?:[QE]|verb\*?(?![A-Za-z]))"),  # of regular expressions and LaTeX
    (b"\x07", rb"\x07[0-9A-Fa-f]{6}"),  # of Source
    (b"'", rb"(?<![0-9A-Za-z])0'(?=[^\x80-\xff])"),  # of Prolog
)
_PATTERNS: Final = tuple((sign, re.compile(pattern)) for sign, pattern in _KINDS)
LARGEST: Final = 16 * 1024
"""In larger texts such marks stand by chance, too, and all of them would cost too much."""
SIGNS: Final = tuple(
    bytes((first, second))
    for firsts, seconds in (
        (b"&", b"#0123456789abcdefklmnorxABCDEFKLMNORX"),
        (b"^", b"0123456789xfb["),
        (b"{", b"#0123456789abcdefABCDEF"),
        (b"$#", b"0123456789abcdefABCDEF"),
        (b"$", b"{"),
        (b"#", b"["),
        (b"$|", b"gimnostwzcr"),
        (b"~", b"abcdefghijklmnopqrstuvwxyz"),
        (b"%", b"FK{"),
        (b"[", b"0m"),
        (b"\\", b"QEv"),
        (b"\x07", b"0123456789abcdefABCDEF"),
        (b"0", b"'"),
    )
    for first in firsts
    for second in seconds
)
"""What a text with such marks has one of."""


def may_hold_marks(raw: bytes) -> bool:
    """Tell whether there are several marks of one kind; asked where a text has one of the signs."""
    return len(raw) <= LARGEST and bool(_kinds_in(raw))


def marks(text: Bytes) -> Edits:
    """Leave out the marks of each kind that there are several of."""
    raw = text.tobytes()
    kinds = _kinds_in(raw) if len(raw) <= LARGEST else ()
    return replace_spans([(*match.span(), None) for match in _any_of(kinds).finditer(raw)] if kinds else [])


def _kinds_in(raw: bytes) -> tuple[int, ...]:
    return tuple(
        number
        for number, (sign, pattern) in enumerate(_PATTERNS)
        if raw.count(sign) >= _FEWEST and len(pattern.findall(raw)) >= _FEWEST
    )


@cache
def _any_of(kinds: tuple[int, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(_KINDS[number][1] for number in kinds))
