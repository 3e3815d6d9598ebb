"""Whether a plain variable's value is JSON; what is stored already stays text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.cache import watch

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("variables", sa.Column("typed", sa.Boolean(), nullable=False, server_default=sa.false()))
    watch(op.get_bind(), "variables")


def downgrade() -> None:
    watch(op.get_bind(), "variables", without=("typed",))
    op.drop_column("variables", "typed")
