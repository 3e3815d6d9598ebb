"""The embedded Vault beside others on the same machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.kernel.errors import ServiceError
from app.vault import embedded
from tests.support.upstream import upstream


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
