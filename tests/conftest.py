"""What tests share: one service for all that only talk to it, and an upstream."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import databases
from tests.support.service import Service, running
from tests.support.upstream import Upstream
from tests.support.upstream import upstream as run_upstream


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgresql", action="store_true", help="run the services under test on PostgreSQL")
    parser.addoption(
        "--hashicorp-vault", action="store_true", help="try the contract on HashiCorp Vault's own image too (Docker)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--postgresql"):
        databases.choose_postgresql()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with run_upstream() as upstream:
        yield upstream
