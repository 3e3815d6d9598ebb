"""What tests share: one service for all that only talk to it, and an upstream."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.support import databases
from tests.support.actors import Workspace
from tests.support.service import Service, running
from tests.support.upstream import Upstream
from tests.support.upstream import upstream as run_upstream

TESTS: Final = Path(__file__).parent
FIRST_SEED: Final = "STRONGROOM_TEST_SEED"
# Files and folders whose tests need no server, no process and no socket: `make test-fast` runs these alone.
PURE: Final = (
    "access",
    "audit/test_canonical.py",
    "audit/test_chain.py",
    "audit/test_ndjson.py",
    "bench",
    "calls/test_captures.py",
    "calls/test_field_template.py",
    "calls/test_template.py",
    "house/test_documents.py",
    "house/test_gallery.py",
    "house/test_habits.py",
    "house/test_manners.py",
    "house/test_pure_files.py",
    "house/test_settings_page.py",
    "kernel",
    "outbound/test_decode.py",
    "outbound/test_hosts.py",
    "outbound/test_inject.py",
    "outbound/test_places.py",
    "outbound/test_redirects.py",
    "outbound/test_requests_allowed.py",
    "outbound/test_shared_names.py",
    "outbound/test_urls.py",
    "policies/test_grants.py",
    "policies/test_hcl.py",
    "policies/test_patterns.py",
    "policies/test_plan.py",
    "policies/test_probes.py",
    "policies/test_render.py",
    "policies/test_table.py",
    "redaction",
    "variables/secrets/test_binding.py",
    "variables/secrets/test_changes.py",
    "variables/secrets/test_sigv4.py",
    "variables/secrets/test_token_answers.py",
    "variables/secrets/test_types.py",
    "vault/test_key_material.py",
    "vault/test_paths.py",
)
# Files and folders without a database, or with one that they choose by themselves. All others run on both databases.
RUNS_ONCE: Final = (
    *PURE,
    "contracts/test_vault_contract.py",
    "db/test_moments.py",
    "db/test_turns.py",
    "deployment/test_compose_file.py",
    "deployment/test_guide.py",
    "deployment/test_topology.py",
    "journeys/test_database_away.py",
    "journeys/test_soak.py",
    "migrations",
    "outbound",
    "policies/test_apply.py",
    "policies/test_verify.py",
    "soak",
    "vault",
    "http1",
)

# How long an example takes says how busy the machine is.
settings.register_profile("strongroom", deadline=None)
settings.load_profile("strongroom")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pure", action="store_true", help="run only the tests that need no server")
    parser.addoption("--postgresql", action="store_true", help="run the services under test on PostgreSQL")
    parser.addoption("--seed", type=int, help="replay the one run of faults that has this seed")
    parser.addoption("--seeds", type=int, default=200, help="how many seeds a run of faults has (200)")
    parser.addoption(
        "--hashicorp-vault", action="store_true", help="try the contract on HashiCorp Vault's own image too (Docker)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--postgresql"):
        databases.choose_postgresql()
    # Every worker of a run gets the same first seed.
    os.environ.setdefault(FIRST_SEED, str(random.SystemRandom().randrange(1_000_000)))


def pytest_report_header(config: pytest.Config) -> str:
    (*_, last) = seeds_of(config)
    return f"faults by seed: {seeds_of(config)[0]} to {last}; one is replayed by --seed N or {FIRST_SEED}=N"


def seeds_of(config: pytest.Config) -> range:
    """Return the seeds of this run: the one that was asked for, or so many from the first one on."""
    asked = config.getoption("--seed")
    if asked is not None:
        return range(asked, asked + 1)
    first = int(os.environ[FIRST_SEED])
    return range(first, first + config.getoption("--seeds"))


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> Sequence[int]:
    return seeds_of(request.config)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance by this run's first seed, which is printed: what a test does by it can be replayed."""
    seed = seeds_of(request.config)[0]
    print(f"replay this by --seed {seed}")  # noqa: T201 - shown where the test fails
    return random.Random(seed)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out of a run on PostgreSQL what would only do the same once more, and of a pure one what isn't."""
    if config.getoption("--pure") and collection_path.suffix == ".py" and collection_path.name.startswith("test_"):
        return None if _is_among(PURE, collection_path) else True
    return True if config.getoption("--postgresql") and _is_among(RUNS_ONCE, collection_path) else None


class _Sockets:
    """Refuses sockets while a pure test runs. Source: docs.python.org, "Audit events table"."""

    def __init__(self) -> None:
        self.refused = False
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.refused and event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
            raise RuntimeError("PURE names this test's file, and it opens a socket: take it out")


_SOCKETS: Final = _Sockets()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test that RUNS_ONCE or PURE names, and that stands on what it says it doesn't need."""
    once = _is_among(RUNS_ONCE, item.path)
    databases.let_be_asked(not once)
    assert not (once and "service" in getattr(item, "fixturenames", ())), "RUNS_ONCE names this file: take it out"
    _SOCKETS.refused = _is_among(PURE, item.path)


def pytest_runtest_teardown() -> None:
    _SOCKETS.refused = False


def _is_among(names: Sequence[str], path: Path) -> bool:
    return any(path == TESTS / each or TESTS / each in path.parents for each in names)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def workspace(service: Service) -> Workspace:
    return Workspace.make(service)


@pytest.fixture
def ws_name(workspace: Workspace) -> str:
    return workspace.name


@pytest.fixture
def ws_path(workspace: Workspace) -> str:
    return workspace.path


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with run_upstream() as upstream:
        yield upstream
