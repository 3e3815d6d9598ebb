"""Where in Vault a secret's value lies that Vault's operators manage, and which version of it calls saw last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.cache import watch

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("variables", sa.Column("source", sa.JSON(), nullable=True))
    op.add_column("variables", sa.Column("source_version", sa.Integer(), nullable=True))
    op.add_column("variables", sa.Column("source_version_at", sa.DateTime(timezone=True), nullable=True))
    watch(op.get_bind(), "variables")


def downgrade() -> None:
    watch(op.get_bind(), "variables", without=("source", "source_version"))
    for column in ("source_version_at", "source_version", "source"):
        op.drop_column("variables", column)
