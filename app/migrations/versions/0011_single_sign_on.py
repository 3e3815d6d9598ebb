"""A session that an identity provider confirmed knows whose it is there, so that the provider can end it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("provider_subject", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("provider_session", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("attempt", sa.String(length=64), nullable=True))
        batch_op.create_index("ix_sessions_provider_subject", ["provider_subject"], unique=False)
        batch_op.create_index("ix_sessions_attempt", ["attempt"], unique=True)


def downgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_sessions_attempt")
        batch_op.drop_index("ix_sessions_provider_subject")
        batch_op.drop_column("attempt")
        batch_op.drop_column("provider_session")
        batch_op.drop_column("provider_subject")
