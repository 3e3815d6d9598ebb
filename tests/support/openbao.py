"""A real OpenBao of the operators' own: TLS, raft storage, an audit device, and a root token to begin with.

Nothing of it is Strongroom's: it stands for the Vault that a team runs already.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import trustme

from app.vault.operator import VaultOperator
from app.vault.options import Server
from tests.support.service import free_port

BAO = Path(sys.executable).with_name("bao")


@dataclass
class OpenBao:
    """A running server. ``ask`` speaks to it with the root token, or another."""

    folder: Path
    address: str
    cacert: Path
    root: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        namespace: str | None = None,
    ) -> requests.Response:
        headers = {"X-Vault-Token": token or self.root}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.cacert)
            return session.request(method, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=30)

    def server(self, namespace: str | None = None) -> Server:
        return Server(self.address, cacert=str(self.cacert), namespace=namespace, read_timeout=30.0)

    def operator(self, token: str | None = None, namespace: str | None = None) -> VaultOperator:
        return VaultOperator(self.server(namespace), token or self.root)

    def operator_token(self, policy: str, *, namespace: str | None = None) -> str:
        """Make a token that carries this policy and nothing else, as an administrator would hand it out."""
        path = "sys/policies/acl/strongroom-operator"
        assert self.ask("PUT", path, {"policy": policy}, namespace=namespace).ok
        wanted = {"policies": ["strongroom-operator"], "no_default_policy": True, "ttl": "1h"}
        made = self.ask("POST", "auth/token/create-orphan", wanted, namespace=namespace).json()["auth"]
        assert made["policies"] == ["strongroom-operator"]
        return str(made["client_token"])

    def environ(self, token: str, namespace: str | None = None) -> dict[str, str]:
        """Return the standard variables that a command reaches this server by."""
        more = {"VAULT_NAMESPACE": namespace} if namespace else {}
        return {"VAULT_ADDR": self.address, "VAULT_CACERT": str(self.cacert), "VAULT_TOKEN": token, **more}

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"


@contextmanager
def openbao(folder: Path, *, audited: bool = True, program: Path = BAO) -> Iterator[OpenBao]:
    """Run a server in this folder for as long as the block runs; ``program`` is another version's."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "seal.key").write_bytes(secrets.token_bytes(32))
    (folder / "raft").mkdir(exist_ok=True)
    api, cluster = free_port(), free_port()
    configuration = folder / "server.json"
    configuration.write_text(json.dumps(_configuration(folder, api, cluster, audited=audited)))
    running = OpenBao(folder, f"https://127.0.0.1:{api}", folder / "ca.pem")
    with ExitStack() as stack:
        log = stack.enter_context((folder / "server.log").open("ab"))
        process = subprocess.Popen([program, "server", f"-config={configuration}"], stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        _await(running, process, {200, 429, 501, 503})
        made = running.ask("PUT", "sys/init", {"recovery_shares": 1, "recovery_threshold": 1})
        running.root = made.json()["root_token"]
        _await(running, process, {200})
        yield running


def _await(running: OpenBao, process: subprocess.Popen[bytes], statuses: set[int]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            if running.ask("GET", "sys/health", token="none").status_code in statuses:
                return
        except requests.RequestException:
            pass
        time.sleep(0.02)
    raise AssertionError((running.folder / "server.log").read_text()[-2000:])


def _configuration(folder: Path, api: int, cluster: int, *, audited: bool) -> dict[str, Any]:
    options = {"description": "the team's own", "options": {"file_path": str(folder / "audit.log")}}
    return {
        "ui": False,
        "api_addr": f"https://127.0.0.1:{api}",
        "cluster_addr": f"https://127.0.0.1:{cluster}",
        "listener": [
            {
                "tcp": {
                    "address": f"127.0.0.1:{api}",
                    "cluster_address": f"127.0.0.1:{cluster}",
                    "tls_cert_file": str(folder / "server.pem"),
                    "tls_key_file": str(folder / "server.pem"),
                }
            }
        ],
        "storage": [{"raft": {"path": str(folder / "raft"), "node_id": "team", "performance_multiplier": 1}}],
        "seal": [{"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}}],
        **({"audit": [{"file": {"team": options}}]} if audited else {}),
    }
