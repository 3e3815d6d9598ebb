"""A record of its own for each test: an empty database, signed by the shared service's real Vault."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import Sessions, open_engine
from app.migrations import upgrade
from app.resources import Resources
from app.settings import Settings
from app.wiring import open_resources
from tests.support import databases
from tests.support.service import Service


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
    yield dataclasses.replace(opened, sessions=sessions)
    sessions.close()
