"""What the embedded Vault was asked, by its own audit log."""

from __future__ import annotations

import json
from typing import Any

from tests.support.service import Service


def reads(service: Service, workspace: str) -> list[dict[str, Any]]:
    """Return the audit log's entries about requests for a value of this workspace, oldest first."""
    log = service.folder / "var" / "openbao" / "audit.log"
    prefix = _prefix(workspace)
    entries = [json.loads(line) for line in log.read_text().splitlines() if prefix in line]
    return [
        entry
        for entry in entries
        if entry["type"] == "request"
        and entry["request"]["operation"] == "read"
        and entry["request"]["path"].startswith(prefix)
    ]


def values_read(service: Service, workspace: str) -> list[str]:
    """Return the paths below a workspace from which a value was asked for, oldest first."""
    return [entry["request"]["path"].removeprefix(_prefix(workspace)) for entry in reads(service, workspace)]


def _prefix(workspace: str) -> str:
    return f"strongroom/data/{workspace.removeprefix('/workspaces/')}/"
