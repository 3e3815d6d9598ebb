"""An event as a line of an export, JSON or CSV, and as it is read back. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final

from app.audit.chain import Checkpoint, Event, rfc3339

CSV_COLUMNS: Final = (
    "id",
    "seq",
    "at",
    "workspace",
    "actor_type",
    "actor_id",
    "acting_for",
    "action",
    "target_type",
    "target_id",
    "target_name",
    "outcome",
    "call_id",
    "request_id",
    "detail",
    "hash",
)
# What a spreadsheet would take for a formula, with what it skips before one.
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
_LONGEST_LINE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExportLine:
    """A line of an export: an event, Vault's word on it where there is one, and where its chain ended then.

    ``head`` is None where the export was narrowed by filters: then nothing can be said of a chain.
    """

    event: Event
    checkpoint: Checkpoint | None
    head: int | None


class InvalidLine(ValueError):
    """A line that isn't an event of an export; ``number`` counts from 1, ``cut_off`` tells that it breaks off."""

    def __init__(self, number: int, *, cut_off: bool = False) -> None:
        super().__init__(f"Line {number} isn't an event of an export.")
        self.number = number
        self.cut_off = cut_off


def as_document(event: Event) -> dict[str, Any]:
    """Return an event as JSON shows it everywhere."""
    return {
        "id": event.id,
        "call_id": event.deed_id if event.action == "call.run" else None,
        "at": rfc3339(event.at),
        "workspace": event.workspace,
        "actor": {"type": event.actor_type, "id": event.actor_id, "acting_for": event.acting_for},
        "action": event.action,
        "target": {"type": event.target_type, "id": event.target_id, "name": event.target_name},
        "outcome": event.outcome,
        "detail": dict(event.detail),
        "request_id": event.request_id,
        "hash": event.hash,
    }


def to_json(line: ExportLine) -> bytes:
    """Write a line of NDJSON: the event as everywhere, and what verifying it needs."""
    word = line.checkpoint
    signed = word and {"hash": word.hash, "at": rfc3339(word.at), "signature": word.signature}
    more = {"seq": line.event.seq, "deed_id": line.event.deed_id, "head": line.head, "checkpoint": signed}
    return json.dumps(as_document(line.event) | more, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def csv_head() -> bytes:
    """Write the first line of a CSV."""
    return _row(CSV_COLUMNS)


def to_csv(line: ExportLine) -> bytes:
    """Write a line of CSV; a cell that a spreadsheet would run as a formula begins with an apostrophe."""
    event = line.event
    named = {name: getattr(event, name) for name in Event.__slots__} | {
        "at": rfc3339(event.at),
        "call_id": event.deed_id if event.action == "call.run" else None,
        "detail": json.dumps(dict(event.detail), ensure_ascii=False),
    }
    return _row([_cell(named[column]) for column in CSV_COLUMNS])


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(cells: Sequence[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return written.getvalue().encode()


def read_back(file: IO[bytes]) -> Iterator[ExportLine]:
    """Read an export's lines from the last to the first, as a chain goes; only their places are kept in memory.

    Raises:
        InvalidLine: naming the line.
    """
    places = []
    file.seek(0)
    while line := file.readline(_LONGEST_LINE):
        places.append(file.tell() - len(line))
    for number in range(len(places), 0, -1):
        file.seek(places[number - 1])
        yield from_json(file.readline(_LONGEST_LINE), number)


def from_json(text: bytes, number: int) -> ExportLine:
    """Read a line of NDJSON. Raises ``InvalidLine``."""
    try:
        read = json.loads(text)
        event = _event(read)
        signed = read["checkpoint"] and Checkpoint(
            event.chain,
            event.seq,
            str(read["checkpoint"]["hash"]),
            datetime.fromisoformat(read["checkpoint"]["at"]),
            str(read["checkpoint"]["signature"]),
        )
        return ExportLine(event, signed, None if read["head"] is None else int(read["head"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidLine(number, cut_off=not text.endswith(b"\n")) from None


def _event(read: Mapping[str, Any]) -> Event:
    actor, target = read["actor"], read["target"]
    return Event(
        id=read["id"],
        chain=read["workspace"] or "",
        seq=int(read["seq"]),
        deed_id=read["deed_id"],
        at=datetime.fromisoformat(read["at"]),
        workspace=read["workspace"],
        actor_type=actor["type"],
        actor_id=actor["id"],
        acting_for=actor["acting_for"],
        action=read["action"],
        target_type=target["type"],
        target_id=target["id"],
        target_name=target["name"],
        outcome=read["outcome"],
        detail=dict(read["detail"]),
        request_id=read["request_id"],
        hash=str(read["hash"]),
    )
