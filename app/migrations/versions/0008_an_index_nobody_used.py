"""An index of events that no query went by, and that every call had to write."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_events_target", table_name="events")


def downgrade() -> None:
    op.create_index("ix_events_target", "events", ["chain", "target_type", "target_id", "seq"])
