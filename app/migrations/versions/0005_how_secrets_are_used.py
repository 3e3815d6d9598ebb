"""How secrets are used, as counted from the record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("variables", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_used_by", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("calls", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "usage_marks",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_usage_marks")),
    )
    op.create_table(
        "upstream_denials",
        sa.Column("secret_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("secret_id", "seq", name=op.f("pk_upstream_denials")),
    )
    with op.batch_alter_table("upstream_denials", schema=None) as batch_op:
        batch_op.create_index("ix_upstream_denials_at", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("upstream_denials")
    op.drop_table("usage_marks")
    # Not as a batch: SQLite would make the table anew, and what refers to it would go with the old one.
    op.drop_column("variables", "calls")
    op.drop_column("variables", "last_used_by")
