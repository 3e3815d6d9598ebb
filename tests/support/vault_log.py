"""What the embedded Vault was asked, by its own audit log."""

from __future__ import annotations

import json

from tests.support.service import Service


def values_read(service: Service, workspace: str) -> list[str]:
    """Return the paths below a workspace from which a value was asked for, oldest first."""
    prefix = f"strongroom/data/{workspace.removeprefix('/workspaces/')}/"
    log = service.folder / "var" / "openbao" / "audit.log"
    entries = [json.loads(line) for line in log.read_text().splitlines() if prefix in line]
    return [
        entry["request"]["path"].removeprefix(prefix)
        for entry in entries
        if entry["type"] == "request"
        and entry["request"]["operation"] == "read"
        and entry["request"]["path"].startswith(prefix)
    ]
