"""Streams while the service stops, dies, loses its database, or has readers that read no more."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from tests.support.actors import Workspace
from tests.support.service import Service, launch, running, workers_of
from tests.support.streams import add_block, events_upstream, outcomes, reading, send_chunk
from tests.support.upstream import Handler, Upstream

pytestmark = pytest.mark.slow


def _open(service: Service, upstream: Upstream) -> str:
    upstream.scripts["/stream"] = events_upstream(threading.Event())
    ws = Workspace.make(service, members={}).name
    add_block(service, upstream, ws)
    return ws


def test_a_stop_ends_streams_after_its_grace_time_in_their_own_way(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, STRONGROOM_STOP_SECONDS="1") as service:
        ws = _open(service, upstream)
        with reading(service, ws) as reader:
            reader.until(b"data: one")
            service.process.send_signal(signal.SIGTERM)
            reader.until(b"event: strongroom-error")
            reader.rest()
            assert reader.is_whole
            assert b'"code": "stopping"' in reader.came
        assert service.process.wait(100) == 0
        again = launch(tmp_path, service.port)
        again.platform = service.platform
    try:
        event = outcomes(again, ws)[0]
        assert (event["outcome"], event["detail"]["code"]) == ("failed", "stopping")
    finally:
        again.stop()


def test_a_stream_whose_process_was_killed_reads_unknown_and_names_its_opening(
    tmp_path: Path, upstream: Upstream
) -> None:
    with running(tmp_path) as service:
        ws = _open(service, upstream)
        with reading(service, ws, Idempotency_Key="once") as reader:
            reader.until(b"data: one")
            service.kill()
            assert not reader.rest().endswith(b"0\r\n\r\n")
        call = reader.header("Strongroom-Call-Id")
        again = launch(tmp_path, service.port)
        again.platform = service.platform
    try:
        engine = create_engine(again.database_url)
        with engine.begin() as connection:  # as if half a minute had gone by
            connection.execute(text("UPDATE leases SET renewed_at = renewed_at - 60"))
        opening, intent = outcomes(again, ws)
        assert (opening["outcome"], intent["outcome"]) == ("streaming", "unknown")
        assert opening["call_id"] == intent["call_id"] == call
        assert intent["detail"]["streaming"]["event"] == opening["id"]
        assert intent["detail"]["streaming"]["status"] == 200
        runs = again.ask("GET", f"/workspaces/{ws}/blocks/s/runs").json()["items"]
        assert [(run["outcome"], run["status"]) for run in runs] == [("unknown", 200)]
        repeat = again.ask("POST", f"/workspaces/{ws}/blocks/s/run", {}, headers={"Idempotency-Key": "once"})
        assert (repeat.status_code, repeat.json()["call_id"]) == (409, call)
        assert "Retry-After" not in repeat.headers
        assert again.command("audit", "verify").returncode == 0
    finally:
        again.stop()


def test_a_stream_is_cut_where_the_record_can_not_be_written(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite") as service:
        ws = _open(service, upstream)
        with reading(service, ws) as reader:
            reader.until(b"data: one")
            with closing(sqlite3.connect(tmp_path / "db.sqlite", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                reader.rest()
                waited = time.monotonic() - began
                other.execute("ROLLBACK")
            assert not reader.is_whole
            assert waited < 8  # two seconds, and what a busy machine takes besides; a lock is waited for ten
        event = outcomes(service, ws, await_end=True)[0]
        assert (event["outcome"], event["detail"]["code"]) == ("failed", "record_unavailable")


def _without_end(written: list[int]) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"})
        handler.close_connection = True
        try:
            while True:
                send_chunk(handler, b"x" * 65536)
                written[0] += 65536
        except OSError:
            written[1] += 1

    return answer


def _memory(service: Service) -> int:
    """Return how many bytes the serving processes have in memory, of their own."""
    total = 0
    for pid in workers_of(service):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024
    return total


@pytest.mark.timeout(900)
def test_a_reader_that_stalls_holds_little_and_is_cut(tmp_path: Path, upstream: Upstream) -> None:
    count = 10
    with running(tmp_path) as service:
        ws = _open(service, upstream)
        with reading(service, ws) as reader:  # what a first stream costs once
            reader.until(b"data: one")
        written = [0, 0]
        upstream.scripts["/stream"] = _without_end(written)
        before = _memory(service)
        readers = [reading(service, ws) for _ in range(count)]
        opened = [each.__enter__() for each in readers]
        sent = -1
        while sent != written[0]:  # until no upstream gets rid of anything more
            sent = written[0]
            time.sleep(2)
        assert written[1] == 0
        assert _memory(service) - before < count * 2 * 1024 * 1024
        end = time.monotonic() + 60
        while written[1] < count and time.monotonic() < end:
            time.sleep(0.5)
        assert written[1] == count
        for each in opened:
            each.socket.close()
        codes = [event["detail"].get("code") for event in outcomes(service, ws) if event["outcome"] == "failed"]
        assert codes.count("client_stalled") == count


@pytest.mark.parametrize("buffer", [8 * 1024, None])
def test_a_reader_that_goes_on_slowly_is_not_cut(tmp_path: Path, upstream: Upstream, buffer: int | None) -> None:
    """Eight KiB a second, for longer than a reader may stall."""
    with running(tmp_path) as service:
        ws = _open(service, upstream)
        upstream.scripts["/stream"] = _without_end([0, 0])
        with reading(service, ws) as reader:
            if buffer is not None:
                reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            end = time.monotonic() + 75
            while time.monotonic() < end:
                assert reader.socket.recv(8192)
                time.sleep(1)
            assert [event["outcome"] for event in outcomes(service, ws)] == ["streaming", "intended"]


def test_streams_have_limits_of_their_own(tmp_path: Path, upstream: Upstream) -> None:
    limits = {"STRONGROOM_STREAMS": "4", "STRONGROOM_STREAM_BYTES": "100000", "STRONGROOM_WORKERS": "1"}
    with running(tmp_path, **limits) as service, ExitStack() as stack:
        one, two, three = (_open(service, upstream) for _ in range(3))
        for ws in (one, one, two, two):
            stack.enter_context(reading(service, ws)).until(b"data: one")
        for ws in (one, three):  # half of all streams for one workspace; and no more than all
            refused = service.ask("POST", f"/workspaces/{ws}/blocks/s/run", {})
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_calls")
            assert refused.headers["Retry-After"] == "1"
            assert refused.headers["Proxy-Status"].startswith("strongroom; error=connection_limit_reached")
            event = outcomes(service, ws)[0]
            assert (event["outcome"], event["detail"]["code"]) == ("refused", "too_many_calls")
        short = service.ask("POST", f"/workspaces/{one}/calls", {"url": f"http://127.0.0.1:{upstream.port}/"})
        assert short.json()["status"] == 200
        stack.close()
        assert outcomes(service, one, await_end=True)
        upstream.scripts["/stream"] = lambda h: h.answer(b"x" * 200_000, headers={"Content-Type": "text/plain"})
        with reading(service, three) as reader:
            reader.rest()
        assert not reader.is_whole
        assert outcomes(service, three, await_end=True)[0]["detail"]["code"] == "response_too_large"


def test_a_stream_has_a_longest_time(tmp_path: Path, upstream: Upstream) -> None:
    with running(tmp_path, STRONGROOM_STREAM_SECONDS="2") as service:
        ws = _open(service, upstream)
        with reading(service, ws) as reader:
            reader.until(b"event: strongroom-error")
            reader.rest()
        assert b'"code": "upstream_timeout"' in reader.came


@pytest.mark.timeout(2400)
def test_memory_stays_flat_over_ten_thousand_streams(tmp_path: Path, upstream: Upstream) -> None:
    def short(handler: Handler) -> None:
        handler.upstream.seen.clear()
        handler.answer(b"data: %d\n\n" % len(handler.path) * 20, headers={"Content-Type": "text/event-stream"})

    with running(tmp_path) as service:
        ws = _open(service, upstream)
        upstream.scripts["/stream"] = short
        token = service.ask("POST", f"/workspaces/{ws}/tokens", {"role": "runtime", "label": "t"}, keep=False).json()
        headers = {"Authorization": f"Bearer {token['token']}"}
        url = f"{service.url}/api/v1/workspaces/{ws}/blocks/s/run"

        def read(count: int) -> None:
            with requests.Session() as session:
                session.trust_env = False
                for _ in range(count):
                    answer = session.post(url, json={}, headers=headers, timeout=60)
                    assert (answer.status_code, answer.content.count(b"data:")) == (200, 20)

        taken = []
        for streams in (2_000, 8_000):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(read, [streams // 8] * 8))
            taken.append(_memory(service))
        assert taken[1] < 1.1 * taken[0]
