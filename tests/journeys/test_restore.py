"""A record that lacks what Vault knows of: found by `audit verify`, and accepted by an operator who says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.support import databases
from tests.support.service import Service, running

TABLES = ("events", "chain_heads", "checkpoints")
pytestmark = pytest.mark.slow


def verify(service: Service) -> tuple[int, dict[str, Any]]:
    done = service.command("audit", "verify", "--json")
    assert not done.stderr
    return done.returncode, {row["chain"]: row for row in json.loads(done.stdout)}


def run(service: Service, *statements: str) -> None:
    with databases.connected(service.database_url) as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_older_a_removed_and_an_empty_record_are_found_and_an_honest_restore_is_accepted(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for name in ("acme", "zeta"):
            assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
            assert service.ask("POST", f"/workspaces/{name}/variables", {"name": "A", "value": "b"}).status_code == 201
        service.stop()
        code, rows = verify(service)
        assert (code, rows["acme"]["fault"], rows["acme"]["unsigned"]) == (0, None, 0)

        run(
            service,
            *(f"DELETE FROM {table} WHERE chain = 'zeta'" for table in ("events", "chain_heads", "checkpoints")),
        )
        code, rows = verify(service)
        assert (code, rows["zeta"]["fault"], rows["acme"]["fault"]) == (1, "end_missing", None)

        run(service, *(f"DELETE FROM {table}" for table in TABLES))
        code, rows = verify(service)
        assert code == 1
        assert {row["fault"] for row in rows.values()} == {"end_missing"}

        refused = service.command("audit", "accept-restore", stdin="n\n")
        assert refused.returncode == 1
        assert "zeta: events 1 to" in refused.stdout
        assert verify(service)[0] == 1, "it was asked, and nothing was accepted"
        accepted = service.command("audit", "accept-restore", stdin="y\n")
        assert accepted.returncode == 0, accepted.stderr
        code, rows = verify(service)
        assert code == 0
        assert "an older record was accepted on" in rows["zeta"]["finding"]
        assert "Nothing is missing" in service.command("audit", "accept-restore").stdout
