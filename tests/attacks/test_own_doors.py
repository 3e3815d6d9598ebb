"""A call goes to Strongroom itself: the service, Vault, the database, Redis, in every spelling of their address."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.kernel.errors import DestinationNotAllowed
from app.outbound.guard import Guard
from app.outbound.model import OutboundRules
from app.outbound.urls import parse_url
from tests.attacks.conftest import Stage
from tests.support.service import problem

SPELLINGS = [
    "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "x.localhost", "127.1.2.3", "[::1]", "0.0.0.0", "[::]",
    "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "１２７.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_neither_the_service_nor_vault_is_a_destination(stage: Stage, host: str, scheme: str) -> None:
    server = json.loads((Path(stage.service.folder) / "var/openbao/server.json").read_text())
    vault, cluster = (urlsplit(server[address]).port for address in ("api_addr", "cluster_addr"))
    for port, path in ((stage.service.port, "/api/v1/me"), (vault, "/v1/sys/health"), (cluster, "/")):
        answer = stage.call(headers=[], url=f"{scheme}://{host}:{port}{path}")
        assert problem(answer) == (403, "destination_not_allowed")
        assert json.dumps(answer.json()).count("initialized") == 0


@pytest.mark.parametrize("port", [5432, 6379])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_neither_are_the_database_and_redis(host: str, port: int) -> None:
    guard = Guard(
        OutboundRules(
            networks=("127.0.0.0/8", "::1/128"), plain_http=True, never=(("localhost", 5432), ("127.0.0.1", 6379))
        )
    )
    with pytest.raises(DestinationNotAllowed) as caught:
        guard.check(parse_url(f"http://{host}:{port}/")[0], [])
    assert caught.value.extra["reason"] == "own_service"


def test_another_port_of_this_machine_is_one_where_the_operator_says_so(stage: Stage) -> None:
    assert stage.call(headers=[]).status_code == 200
