"""Whether a plain variable's value is JSON; what is stored already stays text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# What a call goes by, as migration 0010 left it.
_WATCHED = (
    "id",
    "workspace",
    "name",
    "folded_name",
    "kind",
    "value",
    "visibility",
    "allowed_hosts",
    "allowed_places",
    "next_hosts",
    "next_places",
    "state",
    "expires_at",
    "allowed_requests",
    "wide",
    "next_requests",
    "next_wide",
)
_RAISE = "UPDATE changes SET number = number + 1"


def upgrade() -> None:
    op.add_column("variables", sa.Column("typed", sa.Boolean(), nullable=False, server_default=sa.false()))
    _watch((*_WATCHED, "typed"))


def downgrade() -> None:
    _watch(_WATCHED)
    op.drop_column("variables", "typed")


def _watch(columns: tuple[str, ...]) -> None:
    """Have a change of one of these columns raise the number of changes, as migration 0007 does."""
    named = ", ".join(columns)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER note_change ON variables")
        op.execute(
            f"CREATE CONSTRAINT TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE OF {named}"
            " ON variables DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change()"
        )
    else:
        op.execute("DROP TRIGGER note_variables_update")
        op.execute(f"CREATE TRIGGER note_variables_update AFTER UPDATE OF {named} ON variables BEGIN {_RAISE}; END")
