"""Plain variables and secrets in one table, since they share one name space; and which block uses which of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class VariableRow(Base):
    """A plain variable (with its value) or a secret (never with it).

    ``typed`` says that ``value`` is JSON and no text. ``type`` is a secret's, ``made_of`` what makes it up where it is
    no plain value, ``reconnect`` says that its service gives no tokens until somebody connects it anew.
    ``folded_name`` keeps names unique whatever their case. The ``next_`` columns hold rules that Vault may not know yet
    (``next_hosts`` None: there are none); ``check_block`` names the block that every new value is tried with;
    ``source`` says where a value lies that Vault's operators manage, of which calls saw ``source_version`` last;
    ``unfinished`` marks a secret for which a write to Vault was begun, at ``touched_at`` by ``touched_by``, and not
    seen to end.
    """

    __tablename__ = "variables"
    __table_args__ = (
        UniqueConstraint("workspace", "folded_name"),
        Index("ix_variables_listing", "workspace", "kind", "name"),
        Index("ix_variables_unfinished", "unfinished"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    workspace: Mapped[str] = mapped_column(ForeignKey("workspaces.name"))
    name: Mapped[str] = mapped_column(String(64))
    folded_name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))
    description: Mapped[str] = mapped_column(Text, default="")
    value: Mapped[str | None] = mapped_column(Text)
    typed: Mapped[bool] = mapped_column(default=False, server_default=false())
    visibility: Mapped[str | None] = mapped_column(String(16))
    allowed_hosts: Mapped[list[str]] = mapped_column(JSON, default=list)
    allowed_places: Mapped[list[str]] = mapped_column(JSON, default=list)
    allowed_requests: Mapped[list[dict[str, object]] | None] = mapped_column(JSON(none_as_null=True))
    wide: Mapped[bool] = mapped_column(default=False, server_default=false())
    next_hosts: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    next_places: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    next_requests: Mapped[list[dict[str, object]] | None] = mapped_column(JSON(none_as_null=True))
    next_wide: Mapped[bool] = mapped_column(default=False, server_default=false())
    type: Mapped[str] = mapped_column(String(16), default="value", server_default="value")
    made_of: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    next_made_of: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    reconnect: Mapped[bool] = mapped_column(default=False, server_default=false())
    check_block: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    source_version: Mapped[int | None]
    source_version_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(16), default="active")
    unfinished: Mapped[bool] = mapped_column(default=False)
    touched_at: Mapped[datetime] = mapped_column(UtcDateTime)
    touched_by: Mapped[str] = mapped_column(String(128), default="")
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(128))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_by: Mapped[str] = mapped_column(String(128))
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_by: Mapped[str | None] = mapped_column(String(64))
    calls: Mapped[int] = mapped_column(default=0)


class SecretVersionRow(Base):
    """Who made a version of a secret; all else about versions, Vault knows."""

    __tablename__ = "secret_versions"

    secret_id: Mapped[str] = mapped_column(
        ForeignKey("variables.id", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    created_by: Mapped[str] = mapped_column(String(128))


class SecretUseRow(Base):
    """A field of a block that names a secret; by name, so that it also tells of a secret that is gone."""

    __tablename__ = "secret_uses"

    workspace: Mapped[str] = mapped_column(String(64), primary_key=True)
    secret_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)


class VariableUseRow(Base):
    """A block whose runs take a plain variable's value where they bring none; by name, as secrets' uses are."""

    __tablename__ = "variable_uses"

    workspace: Mapped[str] = mapped_column(String(64), primary_key=True)
    variable_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    block: Mapped[str] = mapped_column(String(64), primary_key=True)


class GuessRow(Base):
    """A call of somebody's whose own text held a secret's value; forgotten when it counts no longer."""

    __tablename__ = "guesses"
    __table_args__ = (Index("ix_guesses_secret_id", "secret_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    secret_id: Mapped[str] = mapped_column(String(32))
    person: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class UsageMarkRow(Base):
    """How far a workspace's record has been counted into ``VariableRow.calls`` and its neighbours."""

    __tablename__ = "usage_marks"

    workspace: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int]


class UpstreamDenialRow(Base):
    """An upstream that answered a secret with 401 or 403; forgotten after a day."""

    __tablename__ = "upstream_denials"
    __table_args__ = (Index("ix_upstream_denials_at", "at"),)

    secret_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
