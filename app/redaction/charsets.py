"""The charsets in which text may come back. Pure.

Only those in which a character is its code: a decoder that undoes an encoding besides (UTF-7, Punycode, escapes) would
put a value together that nobody could see in the bytes, after they had been looked through.
"""

from __future__ import annotations

import codecs
from typing import Final

from app.redaction.redactor import Redactor

# What `Redactor` knows as bytes; in the others a value is looked for once more when the text is read.
_SEEN_AS_BYTES: Final = frozenset({"utf-8", "ascii"})
_READABLE: Final = _SEEN_AS_BYTES | frozenset(
    {
        "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
        "gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949",
        "koi8-r", "koi8-u", "tis-620", "mac-roman",
        *(f"iso8859-{part}" for part in range(1, 17)),
        *(f"cp125{page}" for page in range(9)),
    }
)  # fmt: skip


def codec_of(charset: str | None) -> str | None:
    """Return Python's name for a charset (UTF-8 where none is told), or None for one that isn't read."""
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        return None
    return name if name in _READABLE else None


def redacted_text(body: bytes, charset: str | None, redactor: Redactor) -> tuple[bytes, int]:
    """Take values out of a body in a charset whose bytes aren't UTF-8's: what is left, and how many markers were put.

    What isn't in the charset that it claims stays as it is: nobody reads it as text either.
    """
    codec = codec_of(charset)
    if codec is None or codec in _SEEN_AS_BYTES:
        return body, 0
    try:
        text, count = redactor.text(body.decode(codec))
        return (text.encode(codec), count) if count else (body, 0)
    except UnicodeError:
        return body, 0
