"""The record handed out: whole, safely, in little memory, and verified later without the service."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from app.access import Access, Actor, Role
from app.audit.append import append
from app.audit.export import export_events, verify_export
from app.audit.ndjson import _cell
from app.audit.service import Deed, Filters, Target
from app.db import cursor_of
from app.kernel.clock import system_clock
from app.kernel.errors import ValidationFailed
from app.resources import Resources
from tests.support.actors import Workspace
from tests.support.service import STRONGROOM, Service, problem

ADA = Access(Actor("user", "ada"), "acme", Role.OWNER)


@pytest.fixture
def ws_name(service: Service) -> str:
    made = Workspace.make(service, members=dict.fromkeys(("+ed", "@al", "-bo"), "editor"))
    assert made.ask("PUT", "members/=cmd()", {"role": "admin"}).status_code == 422
    return made.name


def exported(service: Service, ws_name: str, accept: str, query: str = "") -> requests.Response:
    return service.ask("GET", f"/workspaces/{ws_name}/audit{query}", headers={"Accept": accept})


def test_ndjson_holds_every_event_newest_first_and_itself_is_recorded(service: Service, ws_name: str) -> None:
    answer = exported(service, ws_name, "application/x-ndjson")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(lines), 0, -1))
    assert (lines[0]["action"], lines[0]["outcome"]) == ("audit.export", "intended")
    assert lines[0]["checkpoint"]["signature"].startswith("vault:v1:")
    assert {"id", "at", "actor", "action", "target", "outcome", "detail", "request_id", "hash"} <= lines[-1].keys()
    listed = service.ask("GET", f"/workspaces/{ws_name}/audit?action=audit.export").json()["items"]
    assert (listed[0]["outcome"], listed[0]["detail"]["events"]) == ("done", len(lines))


def test_csv_holds_no_cell_that_a_spreadsheet_would_run(service: Service, ws_name: str) -> None:
    answer = exported(service, ws_name, "text/csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.text))
    names = [row[head.index("target_name")] for row in rows]
    assert {"'+ed", "'@al", "'-bo"} <= set(names)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_filters_narrow_an_export_and_the_record_says_which(service: Service, ws_name: str) -> None:
    answer = exported(service, ws_name, "application/x-ndjson", "?action=member.add&outcome=done")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["action"] for line in lines} == {"member.add"}
    assert len(lines) == 3
    listed = service.ask("GET", f"/workspaces/{ws_name}/audit?action=audit.export").json()["items"]
    assert listed[0]["detail"]["filters"] == {"action": "member.add", "outcome": "done"}


@pytest.mark.parametrize(
    "query",
    [
        "?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "?from=yesterday", "?outcome=perhaps", "?colour=red",
        "?action=secret.steal",
        "?from=2026-02-01T00:00:00", "?actor=%00", "?cursor=nonsense", "?cursor=WyJzZWNyZXRzIiwgIkEiXQ", "?limit=0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_filters_and_cursors_that_make_no_sense_are_refused(
    service: Service, ws_name: str, query: str, accept: str
) -> None:
    assert problem(exported(service, ws_name, accept, query)) == (422, "validation_failed")


def test_an_editor_exports_nothing_and_the_attempt_is_recorded(service: Service, ws_name: str) -> None:
    path = f"/workspaces/{ws_name}/audit"
    answer = service.ask("GET", path, user="+ed", headers={"Accept": "text/csv"})
    assert problem(answer) == (403, "forbidden")
    newest = service.ask("GET", path).json()["items"][0]
    assert (newest["action"], newest["outcome"], newest["actor"]["acting_for"]) == ("audit.export", "refused", "+ed")


def fill(record: Resources, many: int) -> None:
    for start in range(0, many, 2000):
        deeds = [
            Deed(ADA, "secret.reveal", Target("secret", "1", "TOKEN"), detail={"version": n, "text": "x" * 200})
            for n in range(start, min(start + 2000, many))
        ]
        with record.sessions.begin() as session:
            append(cursor_of(session.connection()), [deed.event("done", system_clock()) for deed in deeds])


def take(record: Resources, form: str = "ndjson") -> int:
    pieces = export_events(
        Filters(), "csv" if form == "csv" else "ndjson", access=ADA, sessions=record.sessions, vault=record.vault,
        clock=record.clock,
    )  # fmt: skip
    return sum(piece.count(b"\n") for piece in pieces)


def peak(deed: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        deed()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_times_the_events_take_no_more_memory(record: Resources) -> None:
    fill(record, 1200)
    take(record)
    few = peak(lambda: take(record))
    fill(record, 2400)
    assert peak(lambda: take(record)) < few * 1.5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_hundred_thousand_events_stream_in_constant_memory(record: Resources, form: str) -> None:
    fill(record, 100_000)
    assert peak(lambda: take(record, form)) < 16 * 1024 * 1024


def test_a_client_that_breaks_off_is_recorded_and_takes_nothing_with_it(service: Service, ws_name: str) -> None:
    url = f"{service.url}/api/v1/workspaces/{ws_name}/audit"
    headers = {
        "Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": "ada", "Accept": "application/x-ndjson",
    }  # fmt: skip
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        next(answer.iter_content(64))
    end = time.monotonic() + 30
    while True:
        newest = service.ask("GET", f"/workspaces/{ws_name}/audit?action=audit.export").json()["items"][0]
        if newest["outcome"] != "intended":
            break
        assert time.monotonic() < end
        time.sleep(0.1)
    assert newest["outcome"] in ("done", "failed")


def test_a_stream_that_is_closed_half_way_ends_as_failed(record: Resources) -> None:
    fill(record, 1200)
    pieces = export_events(
        Filters(), "ndjson", access=ADA, sessions=record.sessions, vault=record.vault, clock=record.clock
    )
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    last = next(
        export_events(
            Filters(action="audit.export", outcome="failed"), "ndjson", access=ADA, sessions=record.sessions,
            vault=record.vault, clock=record.clock,
        )
    )  # fmt: skip
    assert json.loads(last)["detail"] == {"format": "ndjson", "events": 0, "reason": "the client broke off"}


@pytest.fixture(scope="module")
def whole(service: Service, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An export of a ws_name made by the command, and the public key."""
    name = f"w{uuid.uuid4().hex[:12]}"
    service.ask("POST", "/workspaces", {"name": name})
    for user in ("abe", "bob", "cyd", "dan"):
        service.ask("PUT", f"/workspaces/{name}/members/{user}", {"role": "editor"})
    folder = tmp_path_factory.mktemp("export")
    file, key = folder / "record.ndjson", folder / "record.pub"
    done = service.command("audit", "export", "--workspace", name, "--output", str(file))
    assert done.returncode == 0, done.stderr
    key.write_text(service.command("audit", "public-key").stdout)
    return file, key


def offline(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STRONGROOM, "audit", "verify", *arguments], env={}, capture_output=True, text=True, timeout=60
    )


def test_an_export_is_verified_offline(whole: tuple[Path, Path]) -> None:
    file, key = whole
    done = offline(str(file), "--public-key", str(key), "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["fault"], row["unsigned"], row["events"]) == (None, 0, len(file.read_text().splitlines()))


def changed(lines: list[str]) -> list[str]:
    return [line.replace('"cyd"', '"eve"') for line in lines]


@pytest.mark.parametrize(
    ("tamper", "kind", "seq"),
    [
        (changed, "changed", 5),
        (lambda lines: [*lines[:3], *lines[4:]], "removed", -3),
        (lambda lines: [*lines[:3], lines[3], *lines[3:]], "inserted", -3),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "reordered", -3),
        (lambda lines: lines[2:], "end_missing", -1),
        (lambda lines: lines[:-2], "removed", 1),
        (lambda lines: [line.replace("vault:v1:", "vault:v1:AAAA") for line in lines], "forged", 0),
    ],
)
def test_a_tampered_export_is_found_offline(
    whole: tuple[Path, Path], tamper: Callable[[list[str]], list[str]], kind: str, seq: int
) -> None:
    file, key = whole
    lines = file.read_text().splitlines(keepends=True)
    (verdict,) = verify_export(io.BytesIO("".join(tamper(lines)).encode()), {1: key.read_text().strip()[3:]})
    assert verdict.fault is not None
    assert (verdict.fault.kind, verdict.fault.seq) == (kind, seq if seq > 0 else len(lines) + seq)


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda lines: [*lines[:-1], lines[-1][:-40]], "breaks off"),
        (lambda lines: [*lines[:2], "nonsense\n", *lines[2:]], "Line 3 isn't an event"),
        (lambda lines: [*lines[:2], '{"workspace": 1, "at": 2}\n', *lines[2:]], "Line 3 isn't an event"),
        (lambda lines: ["x" * 3_000_000, *lines], "isn't an event"),
    ],
)
def test_what_is_no_export_is_refused(
    whole: tuple[Path, Path], tamper: Callable[[list[str]], list[str]], told: str
) -> None:
    lines = whole[0].read_text().splitlines(keepends=True)
    with pytest.raises(ValidationFailed, match=told):
        verify_export(io.BytesIO("".join(tamper(lines)).encode()), {})


@pytest.mark.slow
def test_the_command_says_what_is_wrong_and_exits_1(whole: tuple[Path, Path], tmp_path: Path) -> None:
    file, key = whole
    forged = tmp_path / "forged.ndjson"
    forged.write_text("".join(changed(file.read_text().splitlines(keepends=True))))
    done = offline(str(forged), "--public-key", str(key))
    assert (done.returncode, "event 5 isn't what was recorded" in done.stdout) == (1, True)
    forged.write_text("")
    done = offline(str(forged), "--public-key", str(key))
    assert (done.returncode, done.stderr.strip()) == (1, "strongroom: The export has no event.")


def test_another_key_or_none_verifies_nothing(whole: tuple[Path, Path], tmp_path: Path) -> None:
    file, _ = whole
    with file.open("rb") as lines:
        (verdict,) = verify_export(lines, {1: "A" * 43 + "="})
    assert verdict.fault is not None
    assert verdict.fault.kind == "forged"
    (tmp_path / "key").write_text("no key")
    done = offline(str(file), "--public-key", str(tmp_path / "key"))
    assert (done.returncode, "holds no public key" in done.stderr) == (1, True)


def test_a_narrowed_export_says_that_it_cant_be_verified(service: Service, ws_name: str, tmp_path: Path) -> None:
    file = tmp_path / "narrowed.ndjson"
    file.write_text(exported(service, ws_name, "application/x-ndjson", "?action=member.add").text)
    with file.open("rb") as lines, pytest.raises(ValidationFailed, match="narrowed by filters"):
        verify_export(lines, {})


def test_the_running_record_is_verified_by_the_command(service: Service, ws_name: str) -> None:
    done = service.command("audit", "verify", "--workspace", ws_name, "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["chain"], row["fault"]) == (ws_name, None)
    assert service.command("audit", "verify", "--workspace", "not-there").returncode == 1


@pytest.mark.parametrize("sign", list("=+-@＝＋－＠"))
def test_a_cell_that_a_spreadsheet_would_run_is_quoted_however_wide_its_sign(sign: str) -> None:
    assert _cell(f"{sign}1+1") == f"'{sign}1+1"


@pytest.mark.parametrize("accept", ["text/csv; charset=utf-8", "text/csv;header=present", "text/csv"])
def test_a_types_parameters_ask_for_nothing_else(service: Service, accept: str) -> None:
    ws_name = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": ws_name}).status_code == 201
    answer = service.ask("GET", f"/workspaces/{ws_name}/audit", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
