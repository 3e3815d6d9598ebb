"""What the record can say was done: a closed list. Pure."""

from __future__ import annotations

from typing import Literal

Action = Literal[
    "workspace.create",
    "workspace.update",
    "workspace.delete",
    "member.add",
    "member.change",
    "member.remove",
    "variable.create",
    "variable.update",
    "variable.delete",
    "secret.create",
    "secret.update",
    "secret.set_value",
    "secret.rollback",
    "secret.delete",
    "secret.reveal",
    "secret.import",
    "secret.renew",
    "block.create",
    "block.update",
    "block.delete",
    "call.run",
    "token.create",
    "token.revoke",
    "session.sign_in",
    "session.sign_out",
    "user.create",
    "user.disable",
    "user.enable",
    "user.reset_password",
    "user.change_password",
    "audit.export",
    "audit.accept_restore",
]
