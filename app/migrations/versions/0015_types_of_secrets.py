"""What type a secret has, and what makes it up; whether its service has to be connected anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.cache import watch

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("variables", sa.Column("type", sa.String(16), nullable=False, server_default="value"))
    op.add_column("variables", sa.Column("made_of", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("next_made_of", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("variables", sa.Column("reconnect", sa.Boolean(), nullable=False, server_default=sa.false()))
    watch(op.get_bind(), "variables")


def downgrade() -> None:
    watch(op.get_bind(), "variables", without=("type", "made_of", "next_made_of"))
    for column in ("reconnect", "next_made_of", "made_of", "type"):
        op.drop_column("variables", column)
