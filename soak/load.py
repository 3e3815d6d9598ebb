"""The load: writers, callers and somebody at the pages, each a thread, each at a walking pace."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

import requests

from soak.client import Answer, Client, shows_value
from soak.journal import Outcome
from soak.ledger import Held, Told, complaints
from soak.things import Block, Plain, Secret, Thing
from tests.support.caller import token_in

PACE: Final = 0.1
"""Seconds that everybody rests between two requests."""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Slot:
    """A secret, a variable and a block that belong together, and have one writer."""

    secret: Secret
    plain: Plain
    block: Block

    @property
    def things(self) -> Sequence[Thing]:
        """All three."""
        return (self.secret, self.plain, self.block)

    def moments(self) -> Mapping[str, int]:
        """Mark this moment in each register."""
        return {name: thing.register.moment() for name, thing in self._named.items()}

    def since(self, moments: Mapping[str, int]) -> Mapping[str, frozenset[Held]]:
        """Return what each of the three may have held since."""
        return {name: thing.register.since(moments[name]) for name, thing in self._named.items()}

    @property
    def _named(self) -> Mapping[str, Thing]:
        return {"secret": self.secret, "plain": self.plain, "mark": self.block}


def slots(workspace: str, host: str, numbers: range) -> list[Slot]:
    """Make the slots of one writer; every second secret is restricted."""
    made = []
    for number in numbers:
        secret = Secret(workspace, f"S{number}", "restricted" if number % 2 else "masked", host)
        plain = Plain(workspace, f"v{number}")
        block = Block(workspace, f"b{number}", f"http://{host}/check", secret, plain)
        made.append(Slot(secret, plain, block))
    return made


@contextmanager
def running(threads: Sequence[threading.Thread], stop: threading.Event) -> Iterator[None]:
    """Let these threads work for as long as the block runs."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(client: Client, mine: Sequence[Slot], stop: threading.Event, seed: int) -> None:
    """Change one thing after the other."""
    dice = Random(seed)  # noqa: S311  # for the order of things, which shall be the same in each run
    for slot in itertools.cycle(mine):
        for thing in slot.things:
            if stop.is_set():
                return
            thing.register.settle(time.monotonic())
            answer = thing.change(client, dice)
            if answer is not None:
                kind = f"write {type(thing).__name__.lower()}"
                client.note(kind, answer, expected=answer.code in ("not_found", "conflict", "name_taken"))
            stop.wait(PACE)


# --- calling ----------------------------------------------------------------------------------------------------------


def call(client: Client, kind: str, all_slots: Sequence[Slot], stop: threading.Event) -> None:
    """Run one block after the other, and compare what arrived with what may be."""
    for slot in itertools.cycle(all_slots):
        if stop.is_set():
            return
        check(client, kind, slot)
        stop.wait(PACE)


def check(client: Client, kind: str, slot: Slot) -> Answer:
    """Run a block once; a wrong answer goes into the ledger, a refusal into the journal."""
    moments, number = slot.moments(), f"{next(_numbers)}"
    path = f"/workspaces/{slot.secret.workspace}/blocks/{slot.block.name}/run"
    answer = client.ask("POST", path, {"variables": {"number": number}})
    possible = slot.since(moments)
    told: Told | str = answer.code
    if not answer.code:
        client.ledger.calls.add(answer.document["call_id"])
        told = _compare(answer, client, slot)
    for complaint in complaints(told, possible):
        where = client.ledger.lost if complaint.startswith("lost") else client.ledger.wrong
        where.append(f"{kind}, {slot.block.name}: {complaint}")
    in_flux = answer.code == "conflict" and len(possible["secret"]) > 1
    client.note(kind, answer, expected=in_flux or answer.code in ("unknown_secret", "missing_variable", "not_found"))
    return answer


def _compare(answer: Answer, client: Client, slot: Slot) -> Told:
    content = answer.document["body"]["content"]
    redacted = f"[redacted:{slot.secret.name}]"
    if answer.document["status"] != 200 or content["echo"] != redacted:
        client.ledger.wrong.append(f"a call of {slot.block.name} gave something else than the redacted answer")
    return Told(content["secret"], content["plain"], content["mark"])


# --- looking at pages -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Visitor:
    """A member who signs in now and then, opens the Variables page, and looks at a masked value."""

    client: Client
    user: str
    password: str

    def visit(self, mine: Sequence[Slot], stop: threading.Event) -> None:
        """Go on until told to stop."""
        masked = [slot for slot in mine if slot.secret.visibility == "masked"]
        for slot in itertools.cycle(masked):
            if stop.is_set():
                return
            began = time.monotonic()
            code = self._look(slot)
            if self.client.journal is not None:
                self.client.journal.note(Outcome("page", began, time.monotonic(), code))
            stop.wait(2 * PACE)

    def _look(self, slot: Slot) -> str:
        page = f"/workspaces/{slot.secret.workspace}/variables"
        try:
            shown = self._ask("GET", page)
            if shown.url.partition("?")[0].endswith("/sign-in"):
                form = {"user": self.user, "password": self.password, "csrf_token": token_in(shown.text)}
                self._ask("POST", "/sign-in", form)
                shown = self._ask("GET", page)
            if not shown.ok:
                return f"page_{shown.status_code}"
            if "/sign-in" in shown.url:
                return "not signed in"
            return self._reveal(slot, page, token_in(shown.text))
        except requests.RequestException:
            return "dropped"

    def _reveal(self, slot: Slot, page: str, csrf: str) -> str:
        moment = slot.secret.register.moment()
        got = self._ask("POST", f"{page}/{slot.secret.name}/reveal", {"csrf_token": csrf}, shows=True)
        possible = slot.secret.register.since(moment)
        if got.ok:
            if got.json()["value"] not in possible:
                self.client.ledger.wrong.append(f"the page showed another value of {slot.secret.name}")
            return ""
        if got.status_code == 404 and None in possible:
            return ""
        if got.status_code == 409 and len(possible) > 1:
            return ""
        return f"page_{got.status_code}"

    def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, *, shows: bool = False
    ) -> requests.Response:
        # A browser says where its form was; the service compares it.
        headers = {"Referer": self.client.base + path, "Accept": "application/json" if shows else "text/html"}
        got = self.client.session.request(
            method, self.client.base + path, data=form, headers=headers, timeout=60, allow_redirects=True
        )
        if not shows and shows_value(got.content + repr(got.headers).encode()):
            self.client.ledger.leaked.append(f"page {path}")
        return got
