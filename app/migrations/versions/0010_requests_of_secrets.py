"""Which requests a secret may ride, whether its wildcards were asked for, and the block that tries a new value."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# What a call goes by; before this migration, and with it.
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
)
_RAISE = "UPDATE changes SET number = number + 1"
_MORE = ("allowed_requests", "wide", "next_requests", "next_wide")


def upgrade() -> None:
    op.add_column("variables", sa.Column("allowed_requests", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("wide", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("variables", sa.Column("next_requests", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("next_wide", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("variables", sa.Column("check_block", sa.String(length=64), nullable=True))
    _watch((*_WATCHED, *_MORE))


def downgrade() -> None:
    _watch(_WATCHED)
    for column in ("check_block", "next_wide", "next_requests", "wide", "allowed_requests"):
        op.drop_column("variables", column)


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
