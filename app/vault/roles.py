"""What a login carries: agreed between who signs it (``tokens``) and who configures Vault (``policies``). Pure."""

from __future__ import annotations

from typing import Final

AUDIENCE: Final = "vault"
ALGORITHM: Final = "ES256"
SERVICE: Final = "_service"
"""The workspace claim of the roles that belong to none; it can't be a workspace's name."""
SERVICE_ROLES: Final = ("health", "record")


def grant_role(workspace: str) -> str:
    """Return the Vault role, and the policy behind ``strongroom-``, of a workspace's grants."""
    return f"grant-{workspace}"
