"""An event as a line of an export, and as it is read back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit.chain import Checkpoint, Event
from app.audit.ndjson import CSV_COLUMNS, ExportLine, InvalidLine, csv_head, from_json, read_back, to_csv, to_json

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EVENT = Event(
    id="18ec72b9", chain="acme", seq=7, deed_id="d1", at=AT, workspace="acme", actor_type="token", actor_id="t1",
    acting_for="ada", action="call.run", target_type="block", target_id="b1", target_name="ping", outcome="done",
    detail={"status": 200, "host": "example.com"}, request_id="r1", hash="ab" * 32,
)  # fmt: skip
SIGNED = Checkpoint("acme", 7, "ab" * 32, AT, "vault:v1:c2ln")


def cells(line: ExportLine) -> dict[str, str]:
    text = (csv_head() + to_csv(line)).decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    return row


@pytest.mark.parametrize(
    "line", [ExportLine(EVENT, SIGNED, 9), ExportLine(EVENT, None, None), ExportLine(EVENT, None, 0)]
)
def test_a_line_is_read_back_as_it_was_written(line: ExportLine) -> None:
    written = to_json(line)
    assert written.endswith(b"\n")
    assert from_json(written, 1) == line


def test_only_a_call_shows_a_call_id() -> None:
    assert json.loads(to_json(ExportLine(EVENT, None, None)))["call_id"] == "d1"
    assert json.loads(to_json(ExportLine(replace(EVENT, action="secret.create"), None, None)))["call_id"] is None


def test_an_export_is_read_from_its_last_line_to_its_first() -> None:
    lines = [ExportLine(replace(EVENT, seq=number), None, 3) for number in (1, 2, 3)]
    file = io.BytesIO(b"".join(map(to_json, lines)))
    assert [line.event.seq for line in read_back(file)] == [3, 2, 1]
    assert list(read_back(io.BytesIO())) == []


@pytest.mark.parametrize(
    "text", [b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"[" * 5000 + b"\n", b'{"workspace": 1, "seq": "x"}\n']
)
def test_what_is_no_event_is_named_by_its_line(text: bytes) -> None:
    with pytest.raises(InvalidLine) as caught:
        from_json(text, 12)
    assert (caught.value.number, caught.value.cut_off) == (12, False)


def test_a_line_that_breaks_off_is_told_so() -> None:
    with pytest.raises(InvalidLine) as caught:
        from_json(to_json(ExportLine(EVENT, None, None))[:-20], 3)
    assert caught.value.cut_off


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(name: str) -> None:
    assert cells(ExportLine(replace(EVENT, target_name=name), None, None))["target_name"] == f"'{name}"


def test_a_row_has_every_column_and_an_empty_cell_for_none() -> None:
    row = cells(ExportLine(replace(EVENT, acting_for=None, workspace=None), None, None))
    assert tuple(row) == CSV_COLUMNS
    assert row["acting_for"] == row["workspace"] == ""
    assert row["at"] == "2030-01-02T03:04:05.678901Z"
    assert json.loads(row["detail"]) == {"status": 200, "host": "example.com"}


@given(st.text(), st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_any_text_survives_both_forms(name: str, detail: dict[str, Any]) -> None:
    event = replace(EVENT, target_name=name.encode("utf-8", "ignore").decode(), detail=json.loads(json.dumps(detail)))
    try:
        written = to_json(ExportLine(event, None, 1))
    except UnicodeEncodeError:  # half of a surrogate pair, which no database holds
        return
    assert from_json(written, 1).event == event


def test_a_line_is_utf_8_as_it_is() -> None:
    assert '"é 漢"'.encode() in to_json(ExportLine(replace(EVENT, detail={"title": "é 漢"}), None, None))


class _Measured(io.BytesIO):
    """Notes how much each line may have."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.limits: list[int | None] = []

    def readline(self, size: int | None = -1, /) -> bytes:
        self.limits.append(size)
        return super().readline(size)


def test_no_line_is_read_without_a_limit() -> None:
    file = _Measured(to_json(ExportLine(EVENT, None, None)) * 3)
    assert len(list(read_back(file))) == 3
    assert all(limit is not None and 0 < limit <= 1 << 24 for limit in file.limits)
