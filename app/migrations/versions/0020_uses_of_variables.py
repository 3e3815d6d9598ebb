"""Which block uses which plain variable; of the blocks that are there, as their calls say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_REFERENCE: Final = re.compile(r"\{\{ *\+? *([A-Za-z_][A-Za-z0-9_]{0,63}) *\}\}", re.ASCII)
_NO_FIELDS: Final = ("method", "captures", "variables")


def upgrade() -> None:
    uses = op.create_table(
        "variable_uses",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("variable_name", sa.String(length=64), nullable=False),
        sa.Column("block", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "variable_name", "block", name=op.f("pk_variable_uses")),
    )
    blocks = sa.table("blocks", sa.column("workspace"), sa.column("name"), sa.column("call", sa.Text()))
    saved = op.get_bind().execute(sa.select(blocks.c.workspace, blocks.c.name, blocks.c.call)).all()
    for workspace, name, call in saved:
        rows = [{"workspace": workspace, "variable_name": used, "block": name} for used in sorted(_references(call))]
        if rows:
            op.get_bind().execute(uses.insert(), rows)


def _references(call: Any) -> set[str]:
    """Return the variables that a call refers to and has no default of its own for."""
    call = json.loads(call) if isinstance(call, str) else call
    if not isinstance(call, dict):
        return set()
    fields = [part for name, part in call.items() if name not in _NO_FIELDS]
    found = {name for text in _texts(fields) for name in _REFERENCE.findall(text)}
    return found - dict(call.get("variables") or {}).keys()


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for inner in part.values():
            yield from _texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner)


def downgrade() -> None:
    op.drop_table("variable_uses")
