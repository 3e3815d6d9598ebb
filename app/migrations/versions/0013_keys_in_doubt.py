"""Which of Vault's keys may be half changed, so that nothing is encrypted or signed under them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doubtful_keys",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_doubtful_keys"),
    )


def downgrade() -> None:
    op.drop_table("doubtful_keys")
