"""Which requests a secret may ride, whether its wildcards were asked for, and the block that tries a new value."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.cache import watch

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("variables", sa.Column("allowed_requests", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("wide", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("variables", sa.Column("next_requests", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("next_wide", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("variables", sa.Column("check_block", sa.String(length=64), nullable=True))
    watch(op.get_bind(), "variables")


def downgrade() -> None:
    watch(op.get_bind(), "variables", without=("allowed_requests", "wide", "next_requests", "next_wide"))
    for column in ("check_block", "next_wide", "next_requests", "wide", "allowed_requests"):
        op.drop_column("variables", column)
