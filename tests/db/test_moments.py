"""Moments come back as they were stored, whatever zone the database server lives in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select, text
from sqlalchemy.engine import make_url

from app.db import UtcDateTime, open_engine
from tests.support import databases


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Lima"])
def test_the_ends_of_the_calendar_come_back(tmp_path: Path, zone: str) -> None:
    (tmp_path / "var").mkdir()
    url = databases.url_for(tmp_path, postgresql=True)
    with databases.connected(url) as connection:
        connection.execute(text(f"ALTER DATABASE \"{make_url(url).database}\" SET timezone = '{zone}'"))
    moments = Table("moments", MetaData(), Column("at", UtcDateTime))
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)]
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            moments.create(connection)
            connection.execute(insert(moments), [{"at": end} for end in ends])
            assert list(connection.scalars(select(moments.c.at).order_by(moments.c.at))) == ends
    finally:
        engine.dispose()
