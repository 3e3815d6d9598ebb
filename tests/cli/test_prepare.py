"""What workers are forked with is made before that, and holds nothing that two processes can't have in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from app.vault.keys import new_signing_key

PREPARE = """
import json, os, threading
from app.cli import worker
from app.settings import Settings
from app.wiring import load_shared

def opened():
    links = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
    files = [os.readlink(each) for each in links if os.path.islink(each)]  # the list's own is closed by now
    return sorted(each for each in files if each.startswith("socket:") or each.endswith((".db", ".db-wal", ".db-turn")))

settings = Settings.from_env(os.environ)
load_shared(settings.database_url)
before = opened()
worker.prepare(settings)
prepared = worker._prepared
print(json.dumps({
    "opened": [each for each in opened() if each not in before],
    "threads": len(threading.enumerate()),
    "connections": prepared.resources.sessions.connections,
    "named": prepared.resources.sessions.lease._process,
    "routes": len(list(prepared.app.url_map.iter_rules())),
}))
"""


def test_what_is_made_before_the_fork_opens_nothing_and_begins_no_thread(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_bytes(new_signing_key())
    (tmp_path / "secret.key").write_bytes(b"k" * 32)
    environ = {
        "PATH": os.defpath,
        "STRONGROOM_DATA_DIR": str(tmp_path),
        "VAULT_ADDR": "http://127.0.0.1:1",
        "STRONGROOM_SIGNING_KEY_FILE": str(tmp_path / "signing.key"),
        "STRONGROOM_SECRET_KEY_FILE": str(tmp_path / "secret.key"),
    }
    done = subprocess.run([sys.executable, "-c", PREPARE], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("routes") > 50
    assert found == {"opened": [], "threads": 1, "connections": [0, 0], "named": None}
