"""Trying a new value before it goes live: a saved block is run once with it, and nothing is written unless it fits.

Running a block is another domain's story: the factory hands it in as a callable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from app.access import Access
from app.kernel.errors import CheckFailed, FieldLocation, UpstreamError, in_body
from app.kernel.secret import SecretValue

_IN_REQUEST: Final = in_body("check", "block")
_OF_SECRET: Final = in_body("check_block")

CHECK_CODES: Final = (
    "check_failed",
    "destination_not_allowed",
    "place_not_allowed",
    "request_not_allowed",
    "secret_expired",
    "unknown_secret",
    "value_not_allowed_here",
    "too_many_calls",
    "stopping",
)
"""What refuses the call that a new value is tried with."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a new value is tried with: a saved block, and the statuses that prove it (None: 200 to 299)."""

    block: str
    statuses: tuple[int, ...] | None = None

    def accepts(self, status: int) -> bool:
        """Tell whether this status proves the value."""
        return 200 <= status <= 299 if self.statuses is None else status in self.statuses


@dataclass(frozen=True, slots=True)
class CheckRun:
    """What came of a run: the upstream's status, and the redacted answer as the block answers."""

    call_id: str
    status: int
    answer: Mapping[str, object]


class RunCheck(Protocol):
    """Runs a saved block with a value that isn't stored."""

    def __call__(
        self, block: str, *, secret: str, candidate: SecretValue, access: Access, location: FieldLocation
    ) -> CheckRun:
        """Run it once, after every check that a call passes; the entry's binding is compared too.

        Args:
            location: Where the request names the block, for the errors.

        Raises:
            ValidationFailed: The block can't prove anything about the secret.
            UpstreamError: The upstream gave no usable answer.
            StrongroomError: Whatever else refuses a call.
        """


@dataclass(frozen=True, slots=True)
class RequiredCheck:
    """Which check is wanted, and where the request names its block."""

    check: Check
    location: FieldLocation


def required_check(asked: Check | bool | None, check_block: str | None) -> RequiredCheck | None:
    """Return the check that a new value has to pass, if any.

    Args:
        asked: What the request says: a check, False for none, None for the secret's own.
        check_block: The block that the secret keeps for its checks.
    """
    if isinstance(asked, Check):
        return RequiredCheck(asked, _IN_REQUEST)
    return None if asked is False or check_block is None else RequiredCheck(Check(check_block), _OF_SECRET)


def try_value(
    wanted: RequiredCheck, candidate: SecretValue, *, secret: str, run: RunCheck, access: Access
) -> Mapping[str, object]:
    """Run the check with the new value, and return what the record keeps of it.

    Raises:
        CheckFailed: The upstream gave no answer, or not the status that proves the value; ``extra`` says which.
        StrongroomError: Whatever refuses the call.
    """
    check = wanted.check
    try:
        tried = run(check.block, secret=secret, candidate=candidate, access=access, location=wanted.location)
    except UpstreamError as error:
        raise CheckFailed(
            f"The block {check.block} had no answer with the new value ({error.code}); nothing was changed.",
            extra={"reason": "not_reached", "cause": error.code, "upstream_status": None, "answer": None},
        ) from None
    if check.accepts(tried.status):
        return {"block": check.block, "call_id": tried.call_id}
    reason = "not_reached" if tried.status >= 500 else "status"
    raise CheckFailed(
        f"The block {check.block} was answered {tried.status} with the new value; nothing was changed.",
        extra={"reason": reason, "upstream_status": tried.status, "answer": dict(tried.answer)},
    )
