"""Who changed a member's role, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("members", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("members", sa.Column("changed_by", sa.String(length=128), nullable=True))


def downgrade() -> None:
    op.drop_column("members", "changed_by")
    op.drop_column("members", "changed_at")
