"""Where in Vault a secret's value lies that Vault's operators manage, and which version of it calls saw last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# What a call goes by, as migration 0015 left it.
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
    "typed",
    "type",
    "made_of",
    "next_made_of",
)
_RAISE = "UPDATE changes SET number = number + 1"


def upgrade() -> None:
    op.add_column("variables", sa.Column("source", sa.JSON(), nullable=True))
    op.add_column("variables", sa.Column("source_version", sa.Integer(), nullable=True))
    op.add_column("variables", sa.Column("source_version_at", sa.DateTime(timezone=True), nullable=True))
    _watch((*_WATCHED, "source", "source_version"))


def downgrade() -> None:
    _watch(_WATCHED)
    for column in ("source_version_at", "source_version", "source"):
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
