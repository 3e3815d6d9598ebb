"""Alembic's entry: runs the migrations on the connection that it is handed."""

from __future__ import annotations

from alembic import context

# Every domain's tables, so that `Base.metadata` is whole.
import app.audit.models
import app.blocks.models
import app.db.key_guard
import app.idempotency.models
import app.identity.models
import app.variables.models
import app.workspaces.models  # noqa: F401
from app.db import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
