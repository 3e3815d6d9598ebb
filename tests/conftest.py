"""What tests share: one service for all that only talk to it, and an upstream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support import databases
from tests.support.service import Service, running
from tests.support.upstream import Upstream
from tests.support.upstream import upstream as run_upstream

TESTS: Final = Path(__file__).parent
# Folders and files without a database, or with one that they choose by themselves. All others run on both databases.
RUNS_ONCE: Final = (
    "audit/test_chain.py",
    "bench",
    "calls/test_captures.py",
    "contracts/test_vault_contract.py",
    "db/test_moments.py",
    "db/test_turns.py",
    "deployment/test_compose_file.py",
    "deployment/test_guide.py",
    "deployment/test_topology.py",
    "house/test_gallery.py",
    "house/test_settings_page.py",
    "journeys/test_database_away.py",
    "journeys/test_soak.py",
    "migrations",
    "outbound",
    "policies/test_apply.py",
    "policies/test_render.py",
    "policies/test_verify.py",
    "soak",
    "vault",
    "http1",
    "redaction",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgresql", action="store_true", help="run the services under test on PostgreSQL")
    parser.addoption(
        "--hashicorp-vault", action="store_true", help="try the contract on HashiCorp Vault's own image too (Docker)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--postgresql"):
        databases.choose_postgresql()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out of a run on PostgreSQL what would only do the same once more."""
    return True if config.getoption("--postgresql") and _runs_once(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that RUNS_ONCE names, and that stands on a database which depends on the run all the same."""
    once = _runs_once(item.path)
    databases.let_be_asked(not once)
    assert not (once and "service" in getattr(item, "fixturenames", ())), "RUNS_ONCE names this file: take it out"


def _runs_once(path: Path) -> bool:
    return any(path == TESTS / each or TESTS / each in path.parents for each in RUNS_ONCE)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with run_upstream() as upstream:
        yield upstream
