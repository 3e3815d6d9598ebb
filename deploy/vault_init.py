"""Initialise, unseal and set up a new Vault: ``vault_init.py FOLDER``; the address and authority as ``VAULT_*`` say.

The unseal key goes to FOLDER/unseal.json: whoever reads it and Vault's storage owns the values, so a real installation
takes it from there, or has Vault unseal itself by a cloud's key service or an HSM. The first root token lives for as
long as this takes: it writes ``operator.hcl``, makes a token with it for ``strongroom vault apply``, switches an audit
device on, and is revoked. Run again, this only unseals.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

from app.cli.runtime import read_settings, vault_setup
from app.policies.service import export
from app.vault.keys import store
from app.vault.recovery import OPERATOR_POLICY

WAIT_SECONDS: Final = 120
AUDIT_LOG: Final = os.environ.get("VAULT_AUDIT_LOG", "/vault/logs/audit.log")


def main() -> None:
    """Bring Vault to where the service can use it."""
    kept = Path(sys.argv[1]) / "unseal.json"
    vault = Vault(os.environ["VAULT_ADDR"], os.environ.get("VAULT_CACERT") or True)
    state = vault.state()
    root = None
    if not state["initialized"]:
        made = vault.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        store(kept, json.dumps({"key": made["keys_base64"][0]}).encode())
        root = made["root_token"]
    if vault.state()["sealed"]:
        vault.ask("PUT", "sys/unseal", {"key": json.loads(kept.read_bytes())["key"]})
    vault.await_active()
    if root is not None:
        set_up(vault, root)
    print("Vault is ready.", flush=True)


def set_up(vault: Vault, root: str) -> None:
    """Apply the policies with a token that lives for that alone; revokes it, and the root token."""
    vault.token = root
    device = {"type": "file", "options": {"file_path": AUDIT_LOG}}
    vault.ask("PUT", "sys/audit/file", device)
    policy = export(vault_setup(read_settings()), accessor="none")["operator"]
    vault.ask("PUT", f"sys/policies/acl/{OPERATOR_POLICY}", {"policy": policy})
    wanted = {"policies": [OPERATOR_POLICY], "no_default_policy": True, "ttl": "10m", "renewable": False}
    operator = vault.ask("POST", "auth/token/create-orphan", wanted)["auth"]["client_token"]
    vault.ask("POST", "auth/token/revoke-self", {})
    vault.token = operator
    try:
        environ = os.environ | {"VAULT_TOKEN": operator}
        subprocess.run(["strongroom", "vault", "apply", "--yes"], env=environ, check=True)
    finally:
        vault.ask("POST", "auth/token/revoke-self", {})


class Vault:
    """Vault's HTTP API, as far as this goes."""

    def __init__(self, address: str, verify: str | bool) -> None:
        self.address = address
        self.token = ""
        self.session = requests.Session()
        self.session.verify = verify
        self.session.trust_env = False

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask, and return the answer's document. Raises ``RuntimeError`` on a refusal, without what was sent."""
        headers = {"X-Vault-Token": self.token} if self.token else {}
        answer = self.session.request(method, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=30)
        if not answer.ok:
            raise RuntimeError(f"Vault answered {answer.status_code} to {method} {path}.")
        return answer.json() if answer.content else {}

    def state(self) -> Any:
        """Wait until Vault answers, and return its seal status."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self.ask("GET", "sys/seal-status")
            except requests.ConnectionError:
                if time.monotonic() > end:
                    raise RuntimeError(f"No Vault answers at {self.address}.") from None
                time.sleep(0.2)

    def await_active(self) -> None:
        """Wait until Vault is unsealed and active."""
        end = time.monotonic() + WAIT_SECONDS
        while self.session.get(f"{self.address}/v1/sys/health", timeout=10).status_code != 200:
            if time.monotonic() > end:
                raise RuntimeError("Vault doesn't become active.")
            time.sleep(0.2)


if __name__ == "__main__":
    main()
