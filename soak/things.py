"""What is written during a soak: a secret, a plain variable and a block that carries both, each with its register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Protocol

from soak.client import Answer, Client, new_value
from soak.ledger import ABSENT, Held, Ledger, Register

_PUT_OFF: Final = frozenset({"conflict", "name_taken"})
"""Refused because an earlier change isn't known to have ended; allowed only after one that was left in doubt."""
_MAY_BE_LATE: Final = 60.0
"""Seconds after which a request without an answer isn't carried out any more: as long as a client waited for it."""


class Thing(Protocol):
    """Something with a register that one writer changes again and again."""

    register: Register

    def change(self, client: Client, dice: Random) -> Answer | None:
        """Make one change and keep the books; None where there was nothing to do."""


def kept(register: Register, wanted: Held, answer: Answer, ledger: Ledger, before: frozenset[Held]) -> bool:
    """Enter in the books how a write ended that had begun; tells whether it was acknowledged."""
    if 200 <= answer.status < 300:
        register.acknowledge(wanted)
        ledger.count("acknowledged")
        return True
    if answer.code in _PUT_OFF | {"not_found", "unknown_secret"}:
        register.withdraw(before)
        ledger.count("put_off")
        if len(before) == 1 and answer.code != "unknown_secret":
            ledger.wrong.append(f"write of {register.name}: {answer.document}, though nothing was in doubt")
        return False
    ledger.count("doubtful")
    if answer.status == 0 or answer.code.startswith("proxy_"):  # nobody said that it isn't going on
        register.leave(wanted, answer.ended + _MAY_BE_LATE)
    return False


@dataclass
class Secret:
    """A secret: created, given values, given other rules, rolled back, deleted."""

    workspace: str
    name: str
    visibility: str
    host: str
    register: Register = field(init=False)
    versions: dict[int, str] = field(default_factory=dict)
    newest: int = 0
    wide: bool = False

    def __post_init__(self) -> None:
        self.register = Register(self.name)

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/workspaces/{self.workspace}/secrets/{self.name}"

    def change(self, client: Client, dice: Random) -> Answer | None:
        """See ``Thing``."""
        if not self.register.known and ABSENT in self.register.possible:
            return self._look(client, dice)
        if self.register.possible == {ABSENT}:
            return self._create(client)
        chosen = dice.random()
        if chosen < 0.5:
            return self._set_value(client)
        if chosen < 0.65:
            return self._change_rules(client)
        older = sorted(self.versions.keys() - {self.newest})
        if chosen < 0.85 and older:
            return self._roll_back(client, dice.choice(older))
        return self._delete(client)

    def _create(self, client: Client) -> Answer:
        value = new_value()
        body = {"name": self.name, "value": value, "visibility": self.visibility, "allowed_hosts": [self.host]}
        self.versions, self.newest, self.wide = {}, 0, False
        return self._written(client, value, "POST", f"/workspaces/{self.workspace}/secrets", body)

    def _set_value(self, client: Client) -> Answer:
        value = new_value()
        return self._written(client, value, "PUT", f"{self.path}/value", {"value": value})

    def _change_rules(self, client: Client) -> Answer:
        found = client.ask("GET", self.path)
        if found.code:
            return found
        value, self.wide = new_value(), not self.wide
        hosts = [self.host, "further.example.com"] if self.wide else [self.host]
        # A restricted secret that is given a further host loses its older values.
        self.versions = {}
        body = {"allowed_hosts": hosts, "value": value}
        return self._written(client, value, "PATCH", self.path, body, {"If-Match": found.headers["ETag"]})

    def _roll_back(self, client: Client, number: int) -> Answer:
        return self._written(client, self.versions[number], "POST", f"{self.path}/rollback", {"version": number})

    def _delete(self, client: Client) -> Answer:
        return self._written(client, ABSENT, "DELETE", f"{self.path}?confirm={self.name}&force=true")

    def _look(self, client: Client, dice: Random) -> Answer:
        """Find out whether it is there; one that is being made or deleted is deleted, or left to ``reconcile``."""
        found = client.ask("GET", self.path)
        if found.code == "not_found":
            self.register.acknowledge(ABSENT)
        elif found.status == 200 and found.document["state"] == "active":
            self.register.is_there()
        elif found.status == 200 and dice.random() < 0.3:
            return self._delete(client)
        return found

    def _written(
        self,
        client: Client,
        wanted: Held,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        before = self.register.possible
        self.register.begin(wanted)
        answer = client.ask(method, path, body, headers=headers)
        if kept(self.register, wanted, answer, client.ledger, before) and wanted is not ABSENT:
            self._note_version(client.ledger, answer.document["version"], wanted)
        return answer

    def _note_version(self, ledger: Ledger, version: int, value: str) -> None:
        if version <= self.newest:
            ledger.lost.append(f"{self.name}: version {version} was told after {self.newest}")
        self.newest = version
        self.versions = {number: held for number, held in self.versions.items() if number > version - 8}
        self.versions[version] = value


@dataclass
class Plain:
    """A plain variable: created, changed, deleted, and read back."""

    workspace: str
    name: str
    register: Register = field(init=False)

    def __post_init__(self) -> None:
        self.register = Register(self.name)

    def change(self, client: Client, dice: Random) -> Answer | None:
        """See ``Thing``."""
        path = f"/workspaces/{self.workspace}/variables/{self.name}"
        found = client.ask("GET", path)
        if found.code not in ("", "not_found"):
            return found
        held = ABSENT if found.code else found.document["value"]
        if not _read_back(self.register, held, client.ledger):
            return found
        wanted = f"plain-{dice.getrandbits(64):x}"
        if held is ABSENT:
            body = {"name": self.name, "value": wanted}
            return _write(self.register, client, wanted, "POST", f"/workspaces/{self.workspace}/variables", body)
        if dice.random() < 0.15:
            return _write(self.register, client, ABSENT, "DELETE", f"{path}?confirm={self.name}&force=true")
        headers = {"If-Match": found.headers["ETag"]}
        return _write(self.register, client, wanted, "PATCH", path, {"value": wanted}, headers)


@dataclass
class Block:
    """An API block that carries the secret, the variable and a mark: created, changed, deleted, and read back."""

    workspace: str
    name: str
    url: str
    secret: Secret
    plain: Plain
    register: Register = field(init=False)

    def __post_init__(self) -> None:
        self.register = Register(self.name)

    def change(self, client: Client, dice: Random) -> Answer | None:
        """See ``Thing``."""
        if ABSENT in self.secret.register.possible:
            return None  # a block can't be saved with a secret that isn't there
        path = f"/workspaces/{self.workspace}/blocks/{self.name}"
        found = client.ask("GET", path)
        if found.code not in ("", "not_found"):
            return found
        held = ABSENT if found.code else _mark_in(found.document)
        if not _read_back(self.register, held, client.ledger):
            return found
        wanted = f"mark-{dice.getrandbits(64):x}"
        if held is ABSENT:
            body = {"name": self.name, "call": self._call(wanted)}
            return _write(self.register, client, wanted, "POST", f"/workspaces/{self.workspace}/blocks", body)
        if dice.random() < 0.1:
            return _write(self.register, client, ABSENT, "DELETE", f"{path}?confirm={self.name}")
        headers = {"If-Match": found.headers["ETag"]}
        return _write(self.register, client, wanted, "PATCH", path, {"call": self._call(wanted)}, headers)

    def _call(self, mark: str) -> Mapping[str, Any]:
        return call(self.url, self.secret.name, plain=self.plain.name, mark=mark)


def call(url: str, secret: str, *, plain: str, mark: str) -> Mapping[str, Any]:
    """Return a call that carries a secret, a variable, a mark, and its number."""
    headers = {
        "Authorization": f"Bearer {{{{secrets.{secret}}}}}",
        "X-Plain": f"{{{{{plain}}}}}",
        "X-Mark": mark,
        "X-Number": "{{number}}",
    }
    pairs = [{"name": name, "value": value} for name, value in headers.items()]
    return {"method": "POST", "url": url, "headers": pairs, "timeout_seconds": 2}


def _mark_in(document: Any) -> str:
    return next(str(pair["value"]) for pair in document["call"]["headers"] if pair["name"] == "X-Mark")


def _read_back(register: Register, held: Held, ledger: Ledger) -> bool:
    """Compare what was read with what may be; what was read is then what there is."""
    if held not in register.possible:
        ledger.lost.append(f"{register.name} was read back as none of what it may be")
        return False
    if not register.known:
        register.acknowledge(held)
    return True


def _write(
    register: Register,
    client: Client,
    wanted: Held,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    before = register.possible
    register.begin(wanted)
    answer = client.ask(method, path, body, headers=headers)
    kept(register, wanted, answer, client.ledger, before)
    return answer
