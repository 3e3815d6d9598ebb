"""A number that every change of what calls look up raises, whoever makes it and however."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.cache import RAISE, WATCHED, watch

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    changes = op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.bulk_insert(changes, [{"id": 1, "number": 0}])
    if op.get_bind().dialect.name == "postgresql":
        # Once for each transaction, whose own change of the row has its number.
        op.execute(
            f"""
            CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                {RAISE} WHERE xmin <> pg_current_xact_id()::xid;
                RETURN NULL;
            END $$
            """
        )
    for table in WATCHED:
        watch(op.get_bind(), table)


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
