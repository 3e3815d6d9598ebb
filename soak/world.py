"""The installation under the soak: what runs, who may ask it, and the doors that only an operator has."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import requests
from sqlalchemy.engine import make_url

from soak.client import Client
from soak.far import Far, far_side
from soak.journal import Journal
from soak.ledger import Ledger
from soak.streams import save_block
from tests.support.topology import COPIES, Topology, topology

WORKSPACE: Final = "soak"
NOISY: Final = "noisy"
OWNER: Final = "ada"


@dataclass(slots=True)
class World:
    """The running topology, the upstream, the tokens, and the books."""

    topology: Topology
    far: Far
    platform: str = field(repr=False)
    runtime: str = field(repr=False)
    password: str = field(repr=False)
    ledger: Ledger
    journal: Journal

    def direct(self, copy: str) -> str:
        """Where one copy of the service listens, past the proxy."""
        return f"http://127.0.0.1:{self.topology.ports[copy]}"

    def owner(self, base: str | None = None, *, act_as: str = OWNER) -> Client:
        """Return somebody who asks as a member, by default through the proxy."""
        return self._client(base, self.platform, act_as)

    def caller(self, base: str | None = None, *, token: str | None = None) -> Client:
        """Return somebody who runs blocks."""
        return self._client(base, token or self.runtime, None)

    def _client(self, base: str | None, token: str, act_as: str | None) -> Client:
        return Client(
            base or self.topology.url, token, self.ledger, self.journal, act_as, authority=self.topology.authority
        )

    # --- the operator's doors

    @contextmanager
    def database(self, *, beside: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """Connect to the service's database, or to the one beside it on the same server."""
        url = make_url(self.topology.database_url).difference_update_query(["passfile"])
        url = url.set(database="postgres") if beside else url
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
            yield connection

    @property
    def database_name(self) -> str:
        """The database's name on its server."""
        return str(make_url(self.topology.database_url).database)

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """Seal Vault, with a root token made for that from the unseal key; unseal it at the end, as anybody would."""
        root = self._root_token()
        self.vault("PUT", "sys/seal", {}, token=root)
        yield
        self.topology.run("vault-init")
        self.vault("POST", "auth/token/revoke-self", {}, token=root)

    def vault(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Ask Vault as an operator does."""
        headers = {"X-Vault-Token": token} if token else {}
        url = f"https://127.0.0.1:{self.topology.ports['vault']}/v1/{path}"
        with requests.Session() as session:
            session.trust_env = False
            session.verify = self.topology.authority
            answer = session.request(method, url, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def _root_token(self) -> str:
        key = json.loads((self.topology.folder / "unseal" / "unseal.json").read_bytes())["key"]
        self.vault("DELETE", "sys/generate-root/attempt")
        attempt = self.vault("PUT", "sys/generate-root/attempt", {})
        made = self.vault("PUT", "sys/generate-root/update", {"key": key, "nonce": attempt["nonce"]})
        encoded = base64.b64decode(made["encoded_token"] + "==")
        return bytes(a ^ b for a, b in zip(encoded, attempt["otp"].encode(), strict=True)).decode()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start everything, with one workspace in it, a runtime token, and a member who signs in to the pages."""
    with topology(folder) as made, far_side() as far:
        issued = made.run(COPIES[0], ["strongroom", "token", "create", "--platform", "--json"])
        password = secrets.token_urlsafe(16)
        made.run(COPIES[0], ["strongroom", "user", "create", OWNER, "--password-stdin"], stdin=password)
        opened = World(made, far, json.loads(issued)["token"], "", password, Ledger(), Journal())
        owner = opened.owner()
        for workspace in (WORKSPACE, NOISY):
            _require(owner.ask("POST", "/workspaces", {"name": workspace}).status == 201)
        _require(save_block(owner, WORKSPACE, far.host))
        token = owner.ask("POST", f"/workspaces/{WORKSPACE}/tokens", {"role": "runtime", "label": "soak"})
        _require(token.status == 201)
        opened.runtime = token.document["token"]
        yield opened


def _require(met: bool) -> None:
    if not met:
        raise RuntimeError("The installation under the soak can't be set up.")
