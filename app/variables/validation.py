"""What names and values may be, and a secret's hosts and places: checks that ask nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from app.kernel.errors import AllowedHostsRequired, InUse, TooGuessable, TooLong, TooShort, Unprocessable, in_body
from app.kernel.secret import SecretValue
from app.outbound.hosts import normalise_patterns
from app.outbound.places import normalise_places
from app.redaction.redactor import judge_value
from app.resources import Limits
from app.vault import Visibility

VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LEAST_CHARACTERS: Final[Mapping[Visibility, int]] = {"masked": 4, "restricted": 8}
GREATEST_BYTES: Final = 64 * 1024
"""Of a value in UTF-8, a plain variable's too."""
_TOO_GUESSABLE: Final = (
    "A restricted value must be hard to guess; this one is not. Use the random token that you were given."
)
_TOO_LONG: Final = f"A value has at most {GREATEST_BYTES // 1024} KiB."
DEFAULT_PLACES: Final[Mapping[Visibility, tuple[str, ...]]] = {
    "masked": ("header", "basic", "query", "path", "body"),
    "restricted": ("header:Authorization", "basic"),
}


def check_value(value: SecretValue, visibility: Visibility, limits: Limits) -> None:
    """Raise ``TooShort``, ``TooLong`` or ``TooGuessable`` where a value isn't fit for its visibility."""
    fault = fault_of(value, visibility, limits)
    if fault is not None:
        kind, told = fault
        raise kind(told, errors={in_body("value"): [told]})


def fault_of(value: SecretValue, visibility: Visibility, limits: Limits) -> tuple[type[Unprocessable], str] | None:
    """Return why a value isn't fit for its visibility, as the error's class and a sentence; None where it is."""
    least = LEAST_CHARACTERS[visibility]
    if value.characters < least:
        return TooShort, f"A {visibility} value has at least {least} characters."
    if value.size > GREATEST_BYTES:
        return TooLong, _TOO_LONG
    if visibility == "masked" or limits.restricted_min_guesses <= 0:
        return None
    if value.guesses() < limits.restricted_min_guesses:
        return TooGuessable, _TOO_GUESSABLE
    return None


def with_verdict(value: SecretValue, visibility: Visibility, limits: Limits) -> SecretValue:
    """Return a value with the verdict on its further forms: each has to be as long and as hard to guess as the value.

    A form that isn't could be found by sending guesses to an echo and watching what is redacted.
    """
    return judge_value(value, lambda form: _fits(SecretValue(form), visibility, limits))


def _fits(form: SecretValue, visibility: Visibility, limits: Limits) -> bool:
    if form.characters < LEAST_CHARACTERS[visibility]:
        return False
    return visibility == "masked" or form.guesses() >= limits.restricted_min_guesses


def check_size(size: int) -> None:
    """Raise ``TooLong`` where a value of so many bytes, a secret's or a plain one, is too large."""
    if size > GREATEST_BYTES:
        raise TooLong(_TOO_LONG, errors={in_body("value"): [_TOO_LONG]})


def require_unused(name: str, blocks: Sequence[str]) -> None:
    """Do nothing where no block uses a variable or secret.

    Raises:
        InUse: These do; ``extra["blocks"]`` names them.
    """
    if blocks:
        raise InUse(
            f"{name} is used by {len(blocks)} API block{'s' if len(blocks) > 1 else ''}: {', '.join(blocks)}.",
            extra={"blocks": list(blocks)},
        )


def normalise_hosts(texts: Sequence[str] | None, visibility: Visibility, *, wide: bool) -> tuple[str, ...]:
    """Return the hosts that these texts mean.

    Args:
        wide: Whether somebody said that a restricted secret may have wildcards.

    Raises:
        AllowedHostsRequired: A restricted secret has none.
        AllowedHostsTooWide: One would let a secret go to hosts of many owners.
        ValidationFailed: One is no host.
    """
    masked = visibility == "masked"
    if not masked and not texts:
        told = "A restricted secret must be given the hosts that it may be sent to."
        raise AllowedHostsRequired(told, errors={in_body("allowed_hosts"): [told]})
    return normalise_patterns(
        ("*",) if texts is None else texts, any_host_allowed=masked, wildcards_allowed=masked or wide
    )


def places_of(texts: Sequence[str] | None, visibility: Visibility, *, signature: bool = False) -> tuple[str, ...]:
    """Return the places that these texts mean; raises ``ValidationFailed``.

    Args:
        signature: Whether it is a signature that is put there, which is no credential: any header will do.
    """
    default = ("header",) if signature else DEFAULT_PLACES[visibility]
    return normalise_places(
        default if texts is None else texts, named_headers_only=visibility == "restricted" and not signature
    )
