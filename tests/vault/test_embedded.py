"""The embedded Vault beside others on the same machine."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from app.kernel.errors import ServiceError
from app.vault import embedded
from app.vault.embedded_process import line_to
from tests.support.upstream import upstream


@pytest.mark.slow
def test_a_port_that_somebody_else_took_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    embedded.start(tmp_path).stop()
    port = int((tmp_path / "address").read_text().rpartition(":")[2])
    with upstream(port=port) as other:
        with pytest.raises(ServiceError, match=f"Is port {port} taken"):
            embedded.start(tmp_path, port=port)
        again = embedded.start(tmp_path)
        try:
            assert again.address != f"http://127.0.0.1:{port}"
        finally:
            again.stop()
        assert other.seen == []


@pytest.mark.slow
def test_the_audit_log_is_kept_within_a_bound_and_no_entry_is_lost(tmp_path: Path) -> None:
    def entries() -> int:
        return sum((tmp_path / name).read_text().count('"type":"response"') for name in ("audit.log", "audit.log.1"))

    running = embedded.start(tmp_path)
    try:
        before = (tmp_path / "audit.log").read_bytes()
        assert not running.rotate_audit_log(tmp_path)  # far from the bound
        assert running.rotate_audit_log(tmp_path, most=0)
        end = time.monotonic() + 60
        with closing(line_to(running.address)) as line:
            asked = 0
            while not (tmp_path / "audit.log").exists() or not (tmp_path / "audit.log").stat().st_size:
                assert line.ask("GET", "sys/mounts", token="none", repeat=True).status == 403
                asked += 1
                assert time.monotonic() < end
        assert (tmp_path / "audit.log.1").read_bytes().startswith(before)
        assert entries() == before.count(b'"type":"response"') + asked
        assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
    finally:
        running.stop()
    embedded.start(tmp_path).stop()  # what it stored of the device still fits
