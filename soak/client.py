"""Somebody who talks to the service: every answer is timed, given a code, and searched for values."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from soak.journal import Journal, Outcome
from soak.ledger import Ledger

CANARY: Final = "canary-of-the-soak-"
PATIENCE: Final = 60.0


def new_value() -> str:
    """Make a value that is unmistakable wherever it turns up."""
    return CANARY + secrets.token_hex(16)


def _forms() -> tuple[bytes, ...]:
    plain = CANARY.encode()
    # A base64 of the three alignments, without the characters that share bits with what stands around.
    aligned = [base64.b64encode(b"\0" * pad + plain)[(8 * pad + 5) // 6 : -4] for pad in range(3)]
    return (plain, plain.hex().encode(), *aligned)


_FORMS: Final = _forms()


def shows_value(content: bytes) -> bool:
    """Tell whether a value of the soak's, or what it looks like encoded, stands in here."""
    return any(form in content for form in _FORMS)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request; status 0 where no answer came. ``code`` is empty for a 2xx."""

    status: int
    code: str
    document: Any
    headers: Mapping[str, str]
    began: float
    ended: float


@dataclass(slots=True)
class Client:
    """One caller with one kept-alive connection; for one thread."""

    base: str
    token: str = field(repr=False)
    ledger: Ledger
    journal: Journal | None = None
    act_as: str | None = None
    authority: str | None = None
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.session.verify = self.authority or True

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, shows: bool = False
    ) -> Answer:
        """Ask the API; ``shows`` says that a value is what was asked for."""
        sent = {"Authorization": f"Bearer {self.token}"} | dict(headers or {})
        if self.act_as is not None:
            sent["Strongroom-Act-As"] = self.act_as
        began = time.monotonic()
        try:
            got = self.session.request(method, f"{self.base}/api/v1{path}", json=body, headers=sent, timeout=PATIENCE)
        except requests.RequestException:
            return Answer(0, "dropped", None, {}, began, time.monotonic())
        ended = time.monotonic()
        if not shows and shows_value(got.content + repr(got.headers).encode()):
            self.ledger.leaked.append(f"answer to {method} {path.partition('?')[0]}")
        code = code_of(got.status_code, got.content)
        return Answer(got.status_code, code, _document(got.content), got.headers, began, ended)

    def note(self, kind: str, answer: Answer, *, expected: bool) -> None:
        """Write an answer down in the journal; ``expected`` where it was right as it is, whatever the status."""
        if self.journal is not None:
            self.journal.note(Outcome(kind, answer.began, answer.ended, "" if expected else answer.code))


def code_of(status: int, content: bytes) -> str:
    """Return the code of a refusal; empty for a success."""
    if status < 400:
        return ""
    document = _document(content)
    if isinstance(document, dict) and "code" in document:
        return str(document["code"])
    return f"proxy_{status}" if b"nginx" in content else f"page_{status}"


def _document(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
