"""Who made each version of a secret."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "secret_versions",
        sa.Column("secret_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["variables.id"],
            name=op.f("fk_secret_versions_secret_id"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_id", "version", name=op.f("pk_secret_versions")),
    )
    op.add_column("variables", sa.Column("touched_by", sa.String(length=128), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("variables", "touched_by")
    op.drop_table("secret_versions")
