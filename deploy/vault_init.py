"""Initialise, unseal and set up a new Vault: ``vault_init.py FOLDER``; where it is, and its TLS, as ``VAULT_*`` say.

The unseal key goes to FOLDER/unseal.json: whoever reads it and Vault's storage owns the values, so a real installation
takes it from there, or has Vault unseal itself by a cloud's key service or an HSM. The first root token stands in that
file, too, until everything is set up: it writes ``operator.hcl``, makes a token with it for ``strongroom vault apply``,
switches an audit device on, and is revoked. Stopped anywhere and run again, this goes on where it stopped; run once
more, it only unseals. It exits with 1 where the service couldn't use Vault afterwards.

``vault_init.py FOLDER --keep-unsealed`` stays and unseals Vault whenever it is sealed, with the key in FOLDER.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

from app.cli.runtime import read_settings, vault_setup
from app.kernel.errors import StrongroomError, VaultUnavailable
from app.policies.service import export
from app.vault.client import VaultClient
from app.vault.keys import store
from app.vault.options import Server
from app.vault.recovery import OPERATOR_POLICY
from app.vault.transport import VaultConnections, read_health
from app.wiring import vault_options, vault_server

WAIT_SECONDS: Final = 120
LOOK_SECONDS: Final = 10
ANSWER_SECONDS: Final = 30.0
AUDIT_LOG: Final = os.environ.get("VAULT_AUDIT_LOG", "/vault/logs/audit.log")


def main() -> None:
    """Bring Vault to where the service can use it."""
    file = Path(sys.argv[1]) / "unseal.json"
    # All that is done here is the whole server's, whatever namespace the service has.
    vault = Vault(replace(vault_server(read_settings()), namespace=None, forward=False, read_timeout=ANSWER_SECONDS))
    if sys.argv[2:] == ["--keep-unsealed"]:
        keep_unsealed(vault, file)
    kept = initialise(vault, file)
    if vault.state()["sealed"]:
        unseal(vault, file, kept)
    vault.await_active()
    if "root_token" in kept:
        if not kept.get("set_up"):
            set_up(vault, kept["root_token"])
            kept["set_up"] = True
            store(file, json.dumps(kept).encode())
        vault.token = kept.pop("root_token")
        vault.ask("POST", "auth/token/revoke-self", {}, fine=(403,))  # revoked before it was taken out of the file
        store(file, json.dumps(kept).encode())
    prove()
    print("Vault is ready.", flush=True)


def keep_unsealed(vault: Vault, file: Path) -> NoReturn:
    """Look again and again, and unseal Vault where it is sealed; one that is away is waited for."""
    while True:
        try:
            state = vault.state()
            if state["initialized"] and state["sealed"]:
                unseal(vault, file, json.loads(file.read_bytes()))
                print("Vault was sealed, and is unsealed.", flush=True)
        except (RuntimeError, StrongroomError) as error:
            print(f"Vault can't be unsealed yet: {error}", flush=True)
        time.sleep(LOOK_SECONDS)


def unseal(vault: Vault, file: Path, kept: Mapping[str, Any]) -> None:
    """Unseal Vault with the key that is kept.

    Raises:
        SystemExit: none is.
    """
    if "key" not in kept:
        raise SystemExit(f"Vault is sealed, and {file} has no unseal key. Unseal it with the key that you keep.")
    vault.ask("PUT", "sys/unseal", {"key": kept["key"]})


def initialise(vault: Vault, file: Path) -> dict[str, Any]:
    """Initialise a new Vault and return what is kept of it. Whoever unseals itself gives a recovery key instead."""
    kept: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    state = vault.state()
    if state["initialized"]:
        return kept
    shares = "recovery" if state.get("recovery_seal") else "secret"
    answer = vault.ask("PUT", "sys/init", {f"{shares}_shares": 1, f"{shares}_threshold": 1})
    name, keys = ("recovery_key", "recovery_keys_base64") if shares == "recovery" else ("key", "keys_base64")
    kept = {name: answer[keys][0], "root_token": answer["root_token"]}
    store(file, json.dumps(kept).encode())
    return kept


def set_up(vault: Vault, root: str) -> None:
    """Apply the policies with a token that lives for that alone, and switch an audit device on."""
    vault.token = root
    policy = export(vault_setup(read_settings()), accessor="none")["operator"]
    vault.ask("PUT", f"sys/policies/acl/{OPERATOR_POLICY}", {"policy": policy})
    wanted = {"policies": [OPERATOR_POLICY], "no_default_policy": True, "ttl": "10m", "renewable": False}
    operator = vault.ask("POST", "auth/token/create-orphan", wanted)["auth"]["client_token"]
    environ = os.environ | {"VAULT_TOKEN": operator}
    strongroom = Path(sys.executable).with_name("strongroom")
    subprocess.run([strongroom, "vault", "apply", "--yes"], env=environ, check=True)
    if not vault.ask("GET", "sys/audit").get("data"):
        device = {"type": "file", "options": {"file_path": AUDIT_LOG}}
        if vault.ask("PUT", "sys/audit/file", device, fine=(400, 404)) is None:
            print("Vault takes no audit device by its API (OpenBao): declare one in its configuration.", flush=True)
    vault.token = operator
    vault.ask("POST", "auth/token/revoke-self", {})
    vault.token = root


def prove() -> None:
    """Log in and read as the service does.

    Raises:
        SystemExit: the service can't use Vault.
    """
    client = VaultClient(vault_options(read_settings()))
    try:
        health = client.health()
    finally:
        client.close()
    if not health.ok:
        raise SystemExit(f"Vault runs, and the service can't use it: {health.reason} See docs/deployment.md, Recovery.")


class Vault:
    """Vault's HTTP API, as far as this goes, over the connections that the service has to it."""

    def __init__(self, server: Server) -> None:
        self.address = server.address
        self.token = ""
        self.line = VaultConnections(server)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, fine: tuple[int, ...] = ()) -> Any:
        """Ask, and return the answer's document; None for a status that is ``fine``.

        Raises:
            RuntimeError: a refusal, without what was sent, or what no Vault would say.
            VaultUnavailable: no answer came.
        """
        answer = self.line.once(method, path, token=self.token or None, body=body)
        if answer.status in fine:
            return None
        if answer.status >= 400:
            raise RuntimeError(f"Vault answered {answer.status} to {method} {path}.")
        if answer.foreign:
            raise RuntimeError(f"What answers at {self.address} isn't Vault.")
        return answer.document

    def state(self) -> Any:
        """Wait until Vault answers, and return its seal status."""
        end, told = time.monotonic() + WAIT_SECONDS, ""
        while True:
            try:
                return self.ask("GET", "sys/seal-status")
            except VaultUnavailable as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"No Vault answers at {self.address}: {error}") from None
                if str(error) != told:
                    told = str(error)
                    print(f"Waiting for Vault at {self.address}: {told}", flush=True)
                time.sleep(0.2)

    def await_active(self) -> None:
        """Wait until Vault is unsealed and active."""
        end = time.monotonic() + WAIT_SECONDS
        while read_health(self.line).status != 200:
            if time.monotonic() > end:
                raise RuntimeError("Vault doesn't become active.")
            time.sleep(0.2)


if __name__ == "__main__":
    main()
