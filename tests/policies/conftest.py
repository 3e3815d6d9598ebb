"""One OpenBao of a team's own for all the tests here, each of which has a namespace of it for itself."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests

from app.policies.service import Setup, export, read_files
from app.vault.keys import new_signing_key, public_key
from app.vault.operator import VaultOperator
from app.vault.options import Mounts
from tests.support.openbao import OpenBao, openbao
from tests.support.service import STRONGROOM, environment

POLICIES = Path(__file__).parents[2] / "vault-policies"


@dataclass(frozen=True)
class Team:
    """A namespace, an operator's token in it with ``operator.hcl`` alone, and what is to be set up there."""

    bao: OpenBao
    namespace: str
    token: str
    key: bytes
    setup: Setup

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Do something by hand, as somebody with every right."""
        answer = self.bao.ask(method, path, body, namespace=self.namespace)
        assert answer.ok, answer.text
        return answer

    def operator(self) -> VaultOperator:
        """Come as the operator, who has ``operator.hcl`` and no more."""
        return self.bao.operator(self.token, self.namespace)

    def environ(self) -> dict[str, str]:
        return self.bao.environ(self.token, self.namespace)


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with openbao(tmp_path_factory.mktemp("team")) as running:
        yield running


@pytest.fixture
def team(bao: OpenBao) -> Team:
    namespace, key = f"team-{uuid.uuid4().hex[:8]}", new_signing_key()
    assert bao.ask("POST", f"sys/namespaces/{namespace}", {}).ok
    setup = Setup(Mounts(), read_files(POLICIES), [public_key(key)], namespaced=True)
    policy = export(Setup(Mounts(), {"operator": setup.files["operator"]}, []), accessor="")["operator"]
    return Team(bao, namespace, bao.operator_token(policy, namespace=namespace), key, setup)


def command(
    team: Team, *arguments: str, seconds: int = 110, environ: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """Run a command as the team's operator."""
    key = team.bao.folder / f"{team.namespace}.key"
    if not key.exists():
        key.write_bytes(team.key)
    own = {"STRONGROOM_SIGNING_KEY_FILE": str(key), "DATABASE_URL": "sqlite:////nowhere"}  # none of them needs one
    whole = environment(team.bao.folder, 1, **own, **team.environ())
    return subprocess.run(
        [STRONGROOM, *arguments], env=whole | dict(environ), input="", capture_output=True, text=True, timeout=seconds
    )
