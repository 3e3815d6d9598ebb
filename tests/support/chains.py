"""What who can write to the database does to a chain of the record."""

from __future__ import annotations

from sqlalchemy import Connection, text

_TABLES = ("events", "chain_heads", "checkpoints")


def cut_back(connection: Connection, chain: str) -> None:
    """Take away all after the chain's oldest checkpoint, as if nothing had come after it."""
    names = {"chain": chain}
    oldest = "SELECT min(seq) FROM checkpoints WHERE chain = :chain"
    seq = connection.execute(text(oldest), names).scalar_one()
    for table in ("events", "checkpoints"):
        done = connection.execute(
            text(f"DELETE FROM {table} WHERE chain = :chain AND seq > :seq"), names | {"seq": seq}
        )
        assert done.rowcount > 0, f"nothing in {table} came after the oldest checkpoint"
    last = "(SELECT hash FROM events WHERE chain = :chain AND seq = :seq)"
    head = f"UPDATE chain_heads SET seq = :seq, hash = {last} WHERE chain = :chain"
    connection.execute(text(head), names | {"seq": seq})


def remove(connection: Connection, chain: str) -> None:
    """Take away all that the database has of the chain."""
    for table in _TABLES:
        connection.execute(text(f"DELETE FROM {table} WHERE chain = :chain"), {"chain": chain})
