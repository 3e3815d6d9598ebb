"""A number that every change of what calls look up raises, whoever makes it and however."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Each table's columns that a call goes by; those that only tell of its use aren't among them.
WATCHED = {
    "tokens": ("id", "secret_hash", "role", "workspace", "ad_hoc", "expires_at", "revoked_at"),
    "workspaces": ("name", "title", "engine", "refuse_expired", "state", "revision"),
    "members": ("workspace", "user_id", "role"),
    "blocks": ("workspace", "name", "id", "call", "answer", "revision"),
    "variables": (
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
    ),
}

_RAISE = "UPDATE changes SET number = number + 1"


def upgrade() -> None:
    changes = op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.bulk_insert(changes, [{"id": 1, "number": 0}])
    if op.get_bind().dialect.name == "postgresql":
        _watch_postgresql()
    else:
        _watch_sqlite()


def _watch_postgresql() -> None:
    # At the commit, so that the row is held for a moment only and nothing is waited for while it is; and once for
    # each transaction, whose own change of the row has its number.
    op.execute(
        f"""
        CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {_RAISE} WHERE xmin <> pg_current_xact_id()::xid;
            RETURN NULL;
        END $$
        """
    )
    for table, columns in WATCHED.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER note_change AFTER INSERT OR DELETE OR UPDATE OF {', '.join(columns)}"
            f" ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change()"
        )


def _watch_sqlite() -> None:
    for table, columns in WATCHED.items():
        for deed in ("INSERT", "DELETE", f"UPDATE OF {', '.join(columns)}"):
            name = f"note_{table}_{deed.split()[0].lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {deed} ON {table} BEGIN {_RAISE}; END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in WATCHED:
            op.execute(f"DROP TRIGGER note_change ON {table}")
        op.execute("DROP FUNCTION note_change()")
    else:
        for table in WATCHED:
            for deed in ("insert", "delete", "update"):
                op.execute(f"DROP TRIGGER note_{table}_{deed}")
    op.drop_table("changes")
