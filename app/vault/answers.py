"""What Vault answered, and what of it isn't about the request: the one place that refuses what isn't Vault's answer.

Some answers only some servers give: a control group's wrapped answer, a login that asks for a second factor, a node
that was removed from its cluster, a page of a proxy in between. Each has its words here, and nothing else of this room
looks for them. Pure.

Source: Vault docs, "HTTP API" (status codes), "Control groups", "Login MFA", "Vault eventual consistency".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.kernel.errors import VaultUnavailable

RETRY_AFTER: Final = 5
"""Seconds after which a caller may try again when Vault can't, and doesn't say when."""
_LONGEST_WAIT: Final = 300
_ELSEWHERE: Final = 307
_LACKS_STATE: Final = 412

_STATES: Final[Mapping[int, str]] = {
    307: "Vault's standby node points to another address. Set VAULT_ADDR to one that reaches the active node.",
    412: "This node of Vault doesn't have the newest state yet.",
    429: "Vault is a standby or limits our rate.",
    472: "Vault is a disaster recovery replica and serves nothing.",
    473: "Vault is a performance standby and can't serve this.",
    474: "This node of Vault is a standby that can't reach the active node.",
    503: "Vault is sealed or has no leader.",
    530: "This node of Vault was removed from its cluster. Set VAULT_ADDR to one that belongs to it.",
}
"""Statuses that are about Vault's state: it says so before it does anything."""
_PASSING: Final = frozenset({412, 429, 473, 474})
"""States that another node, or the next moment, may not be in, so that even a write is asked once more."""
_OVERLOADED: Final = "Vault is overloaded and takes no more requests for the moment."
_FOREIGN: Final = "What answers at VAULT_ADDR isn't Vault, or is a proxy in between"
_WRAPPED: Final = (
    "Vault wrapped its answer, as a control group has it do: nobody can give an approval for each call, so keep control"
    " groups and response wrapping away from our mounts."
)
_SECOND_FACTOR: Final = (
    "Vault asks for a second factor at our login: take our login mount out of every login MFA enforcement."
)
_UPGRADING: Final = "Vault is still making our KV engine ready."
_UPGRADES: Final = ("Upgrading from non-versioned", "Waiting for the primary to upgrade")
"""What KV version 2 says, with 400, for a moment after its mount was made, on the primary and on a secondary."""


class Document(dict[str, Any]):
    """A JSON object of Vault's. A member that isn't there is a fault of who answered, and not of who asked for it."""

    def __getitem__(self, name: str) -> Any:
        """Return a member, an object as one of these.

        Raises:
            VaultUnavailable: it isn't there.
        """
        value = super().__getitem__(name)
        return Document(value) if type(value) is dict else value

    def __missing__(self, name: str) -> Any:
        raise VaultUnavailable(f"{_FOREIGN}: an answer lacks {name}.", retry_after=RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class VaultResponse:
    """What Vault answered: the status and the JSON document.

    ``retry_after`` is in seconds, where Vault named any. ``foreign``: this is no answer as Vault writes it.
    """

    status: int
    document: Mapping[str, Any]
    retry_after: int | None = None
    foreign: bool = False

    @property
    def complaints(self) -> str:
        """Vault's own words about an error; for comparing only, since they may quote what was sent."""
        errors = self.document.get("errors")
        return " ".join(str(error) for error in errors) if isinstance(errors, list) else ""

    @property
    def data(self) -> Mapping[str, Any]:
        """The ``data`` member, empty where there is none."""
        data = self.document.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def told_by_item(self) -> bool:
        """Whether this tells of each item of a batch by itself, as transit does where one failed: 400, or 500."""
        return self.status in (400, 500) and isinstance(self.data.get("batch_results"), list)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an answer says nothing about the request.

    ``nothing_done``: what was asked was surely not carried out. ``passing``: asking at once again may help, whatever
    was asked. ``lasting``: asking again is no use. ``wait`` is how many seconds Vault wants to be left alone.
    """

    reason: str
    nothing_done: bool = False
    passing: bool = False
    lasting: bool = False
    wait: int | None = None


def read_response(method: str, path: str, status: int, content: bytes, retry_after: str | None = None) -> VaultResponse:
    """Make an answer of what came.

    Args:
        path: without ``/v1/``; what is under ``sys/`` may have a document of any shape.
        retry_after: the field of that name; a date in it is as good as none.
    """
    seconds = int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    document = _json_object(content)
    foreign = document is None or not _is_vaults(method, path, status, document)
    return VaultResponse(
        status, Document(document or {}), None if seconds is None else min(seconds, _LONGEST_WAIT), foreign
    )


def trouble_in(answer: VaultResponse) -> Trouble | None:
    """Tell what an answer says about Vault's state or about who answers; None where it is about the request."""
    status = answer.status
    if answer.told_by_item:
        return None
    if status in _STATES and not (answer.foreign and status == _LACKS_STATE):
        overloaded = status == 503 and (answer.retry_after is not None or "overload" in answer.complaints)
        words = _OVERLOADED if overloaded else _STATES[status]
        return Trouble(words, not answer.foreign or status == _ELSEWHERE, status in _PASSING, wait=answer.retry_after)
    if answer.foreign:
        return Trouble(f"{_FOREIGN} ({status}).", lasting=status < 500, wait=answer.retry_after)
    if status >= 500:
        return Trouble(explain_status(status), wait=answer.retry_after)
    if status == 400 and any(words in answer.complaints for words in _UPGRADES):
        return Trouble(_UPGRADING, nothing_done=True)
    if status < 300 and answer.document.get("wrap_info"):
        return Trouble(_WRAPPED, nothing_done=True, lasting=True)
    auth = answer.document.get("auth")
    if status < 300 and isinstance(auth, dict) and auth.get("mfa_requirement"):
        return Trouble(_SECOND_FACTOR, nothing_done=True, lasting=True)
    return None


def explain_status(status: int) -> str:
    """Say in words what a status that isn't about the request means."""
    return _STATES.get(status, f"Vault answered with an error of its own ({status}).")


def _json_object(content: bytes) -> Mapping[str, Any] | None:
    if not content:
        return {}
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _is_vaults(method: str, path: str, status: int, document: Mapping[str, Any]) -> bool:
    """Tell whether Vault could have written this: an error lists ``errors``, a success names its request."""
    if path.startswith("sys/"):
        return bool(document) or status not in (200, 201)
    if status >= 400:
        return isinstance(document.get("errors"), list) or "request_id" in document
    if status == 204 or "request_id" not in document:
        return status == 204
    return method not in ("GET", "LIST") or bool(document.get("wrap_info")) or isinstance(document.get("data"), dict)
