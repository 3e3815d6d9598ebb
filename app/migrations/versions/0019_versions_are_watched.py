"""A new version of a value is a change that calls go by: what was read of the one before counts no longer."""

from __future__ import annotations

from alembic import op

from app.db.cache import watch

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    watch(op.get_bind(), "variables")


def downgrade() -> None:
    watch(op.get_bind(), "variables", without=("version",))
