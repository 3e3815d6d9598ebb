"""An embedded Vault's folder as earlier versions left it: OpenBao's storage names the audit log by an absolute path."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from tests.support.openbao import BAO
from tests.support.service import free_port

SECRETS = 50


def make_old_folder(folder: Path) -> None:
    """Make such a folder, with fifty secrets in it."""
    (folder / "raft").mkdir(parents=True, mode=0o700)
    (folder / "seal.key").write_bytes(secrets.token_bytes(32))
    api, cluster = free_port(), free_port()
    (folder / "server.json").write_text(json.dumps(_configuration(folder, api, cluster), indent=2))
    (folder / "address").write_text(f"http://127.0.0.1:{api}\n")
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([BAO, "server", f"-config={folder / 'server.json'}"], stdout=log, stderr=log)
    try:
        _fill(folder, f"http://127.0.0.1:{api}/v1")
    finally:
        process.terminate()
        process.wait()


def _fill(folder: Path, api: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        _await(session, api, {501})
        made = session.put(f"{api}/sys/init", json={"recovery_shares": 1, "recovery_threshold": 1}).json()
        (folder / "recovery.json").write_text(json.dumps({"recovery_key": made["recovery_keys_base64"][0]}))
        _await(session, api, {200})
        session.headers["X-Vault-Token"] = made["root_token"]
        mount: dict[str, Any] = {"type": "kv", "options": {"version": "2"}}
        assert session.post(f"{api}/sys/mounts/strongroom", json=mount).ok
        for number in range(SECRETS):
            while not session.post(f"{api}/strongroom/data/s{number}", json={"data": {"value": f"old-{number}"}}).ok:
                time.sleep(0.05)  # the mount is being made ready
        assert session.post(f"{api}/auth/token/revoke-self").ok


def _await(session: requests.Session, api: str, statuses: set[int]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            if session.get(f"{api}/sys/health").status_code in statuses:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < end
        time.sleep(0.02)


def _configuration(folder: Path, api: int, cluster: int) -> dict[str, object]:
    listener = {
        "address": f"127.0.0.1:{api}",
        "cluster_address": f"127.0.0.1:{cluster}",
        "tls_disable": True,
        "disable_unauthed_generate_root_endpoints": False,
    }
    options = {"file_path": str(folder / "audit.log"), "mode": "0600"}
    return {
        "ui": False,
        "api_addr": f"http://127.0.0.1:{api}",
        "cluster_addr": f"https://127.0.0.1:{cluster}",
        "listener": [{"tcp": listener}],
        "storage": [{"raft": {"path": str(folder / "raft"), "node_id": "strongroom", "performance_multiplier": 1}}],
        "seal": [{"static": {"current_key_id": "1", "current_key": f"file://{folder / 'seal.key'}"}}],
        "audit": [{"file": {"strongroom": {"description": "The embedded Vault's own record", "options": options}}}],
    }
