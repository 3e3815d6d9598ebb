"""The end of a workspace's variables and secrets, with the workspace."""

from __future__ import annotations

from sqlalchemy import delete

from app.db import Sessions
from app.variables.models import SecretUseRow, VariableRow, VariableUseRow
from app.vault import Engine, Vault


def purge_variables(workspace: str, engine: Engine, *, sessions: Sessions, vault: Vault) -> None:
    """Delete every variable and secret of a workspace that is being deleted; Vault first.

    The row of a secret that is being made stays until its value, which may come after this, is taken back: by its
    maker, or by ``reconcile``, which would know nothing of it without the row.
    """
    vault.purge_workspace(workspace, engine)
    with sessions.begin() as session:
        for uses in (SecretUseRow, VariableUseRow):
            session.execute(delete(uses).where(uses.workspace == workspace))
        session.execute(delete(VariableRow).where(VariableRow.workspace == workspace, VariableRow.state != "pending"))
