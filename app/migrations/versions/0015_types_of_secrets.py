"""What type a secret has, and what makes it up; whether its service has to be connected anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# What a call goes by, as migration 0014 left it.
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
)
_MORE = ("type", "made_of", "next_made_of")
_RAISE = "UPDATE changes SET number = number + 1"


def upgrade() -> None:
    op.add_column("variables", sa.Column("type", sa.String(16), nullable=False, server_default="value"))
    op.add_column("variables", sa.Column("made_of", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("next_made_of", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("reconnect", sa.Boolean(), nullable=False, server_default=sa.false()))
    _watch((*_WATCHED, *_MORE))


def downgrade() -> None:
    _watch(_WATCHED)
    for column in ("reconnect", "next_made_of", "made_of", "type"):
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
