"""A record of its own for each test: an empty database, signed by the shared service's real Vault."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from app.db import Sessions, open_engine
from app.migrations import upgrade
from app.resources import Resources
from app.settings import Settings
from app.vault import Vault
from app.wiring import open_resources
from tests.support import databases
from tests.support.service import Service


class OwnFolder:
    """The real Vault, with the newest checkpoints under names of this test's own: they outlive its database."""

    def __init__(self, vault: Vault, prefix: str) -> None:
        self._vault = vault
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    def read_newest_checkpoint(self, chain: str) -> Any:
        return self._vault.read_newest_checkpoint(self._prefix + chain)

    def store_newest_checkpoint(self, chain: str, document: Mapping[str, Any], *, cas: int) -> None:
        self._vault.store_newest_checkpoint(self._prefix + chain, document, cas=cas)

    def chains_with_checkpoint(self) -> Sequence[str]:
        found = self._vault.chains_with_checkpoint()
        return [name.removeprefix(self._prefix) for name in found if name.startswith(self._prefix)]


@pytest.fixture(scope="session")
def opened(service: Service) -> Iterator[Resources]:
    with open_resources(Settings.from_env(service.environ)) as resources:
        yield resources


@pytest.fixture
def database(tmp_path: Path) -> str:
    (tmp_path / "var").mkdir()
    return databases.url_for(tmp_path)


@pytest.fixture
def record(opened: Resources, database: str) -> Iterator[Resources]:
    sessions = Sessions(open_engine(database))
    upgrade(sessions.engine)
    vault = cast(Vault, OwnFolder(opened.vault, f"t{secrets.token_hex(6)}-"))
    yield dataclasses.replace(opened, sessions=sessions, vault=vault)
    sessions.close()
