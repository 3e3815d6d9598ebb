"""Leases of processes, and which process has a keyed request under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("process", sa.String(length=32), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_leases")),
    )
    with op.batch_alter_table("keyed_requests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("process", sa.String(length=32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("keyed_requests", schema=None) as batch_op:
        batch_op.drop_column("process")
    op.drop_table("leases")
