"""The index that no node will reach: made of one that OpenBao told, and of nothing else."""

from __future__ import annotations

import base64
import json

import pytest

from app.vault.forwarding import Forwarding, index_ahead


def index(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_an_index_is_far_ahead_in_the_same_cluster() -> None:
    ahead = index_ahead(index({"cluster": "c1", "value": "35"}))
    assert ahead is not None
    document = json.loads(base64.b64decode(ahead))
    assert document["cluster"] == "c1"
    assert int(document["value"]) > 2**59


@pytest.mark.parametrize("told", ["", "v1:abc", "%%%", index([]), index({"cluster": "c1"}), index({"value": "x"})])
def test_what_another_server_tells_is_left_alone(told: str) -> None:
    assert index_ahead(told) is None


def test_the_active_node_is_asked_for_from_the_first_request_on() -> None:
    asking = Forwarding()
    assert ("X-Vault-Forward", "active-node") in asking.fields()
    asking.learn(None)
    assert "X-Vault-Index" not in dict(asking.fields())
    asking.learn(index({"cluster": "c1", "value": "35"}))
    first = dict(asking.fields())["X-Vault-Index"]
    asking.learn(index({"cluster": "c2", "value": "1"}))
    assert dict(asking.fields())["X-Vault-Index"] != first
    asking.learn("v1:of another product")
    assert "X-Vault-Index" not in dict(asking.fields())
