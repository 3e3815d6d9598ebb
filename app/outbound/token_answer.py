"""What an authorization server answers to a request for a token, as such servers really do. Pure.

Source: RFC 6749, sections 5.1 and 5.2. Besides: lifetimes as text, zero or missing; form data; errors under 200.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from app.kernel.secret import SecretValue
from app.outbound.model import TokenAnswer, TokenFields

LARGEST_TOKEN_ANSWER: Final = 1024 * 1024
_LONGEST_TOKEN: Final = 64 * 1024
_LONGEST_LIFETIME: Final = 10 * 366 * 86400.0
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def read_token_answer(status: int, body: bytes, *, fields: TokenFields, date: str | None, now: datetime) -> TokenAnswer:
    """Read an answer.

    Args:
        date: The answer's Date header: moments in it are by that clock, which may be minutes from ours.
        now: By our clock.
    """
    document = _document(body)
    if document is None:
        return TokenAnswer(status, readable=False)
    code, scope = document.get("error"), document.get("scope")
    if fields.expiry is None:
        lifetime = _seconds(document.get("expires_in"))
    else:
        lifetime = _until(document.get(fields.expiry), date, now)
    return TokenAnswer(
        status,
        access_token=_token(document.get(fields.token)),
        refresh_token=_token(document.get("refresh_token")),
        lifetime=lifetime,
        scopes=frozenset(scope.replace(",", " ").split()) if isinstance(scope, str) else None,
        error=_error(code),
        readable=True,
    )


def _error(code: object) -> str | None:
    if code in (None, ""):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unknown"


def _document(body: bytes) -> Mapping[str, Any] | None:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        pairs = parse_qsl(text.strip(), max_num_fields=100) if "=" in text and "<" not in text else []
        return dict(pairs) or None
    return document if isinstance(document, dict) else None


def _token(value: object) -> SecretValue | None:
    return SecretValue(value) if isinstance(value, str) and 0 < len(value) <= _LONGEST_TOKEN else None


def _seconds(value: object) -> float | None:
    """Return a lifetime; None where none was told, as servers say with 0 too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, _LONGEST_LIFETIME) if math.isfinite(seconds) and seconds > 0 else None


def _until(value: object, date: str | None, now: datetime) -> float | None:
    """Return the seconds until a moment that was told as text (RFC 3339) or as seconds since 1970."""
    try:
        if isinstance(value, str) and not value.isdecimal():
            moment = datetime.fromisoformat(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _seconds((moment - _clock_of(date, now)).total_seconds())


def _clock_of(date: str | None, now: datetime) -> datetime:
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return now
    return theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
