"""A call's body of 32 MiB, of every kind: it goes out whole, and takes no more than six times as much memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.actors import Workspace
from tests.support.service import Service, running, workers_of
from tests.support.upstream import Upstream

pytestmark = pytest.mark.slow

SIZE = 32 * 1024 * 1024 - 4096
BODIES: dict[str, Callable[[], dict[str, object]]] = {
    "base64": lambda: {
        "type": "base64",
        "content": base64.b64encode(b"x" * SIZE).decode(),
        "content_type": "application/octet-stream",
    },
    "text": lambda: {"type": "text", "content": "x" * SIZE},
    "text beyond ASCII": lambda: {"type": "text", "content": "é" * (SIZE // 2)},
    "json": lambda: {"type": "json", "content": {"a": ["x" * 996] * (SIZE // 1000)}},
    "multipart": lambda: {
        "type": "multipart",
        "content": [
            {"name": "f", "filename": "f", "encoding": "base64", "value": base64.b64encode(b"x" * SIZE).decode()}
        ],
    },
    "form": lambda: {"type": "form", "content": [{"name": "f", "value": "x" * SIZE}]},
    "xml": lambda: {"type": "xml", "content": f"<a>{'x' * SIZE}</a>"},
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("large"), STRONGROOM_WORKERS="1") as service:
        yield service


def _bytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@pytest.mark.parametrize("kind", BODIES)
def test_a_large_body_takes_bounded_memory(alone: Service, upstream: Upstream, kind: str) -> None:
    workspace = Workspace.make(alone, members={})
    upstream.scripts["/"] = lambda h: h.answer(b"{}")
    workspace.secret("TOKEN", "sk-canary-7Qx2mPz9LwEr4TyUiOpA", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/",
        "method": "POST",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        "body": BODIES[kind](),
        "timeout_seconds": 100,
    }
    (pid,) = workers_of(alone)
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the peak begins anew
    before = _bytes(pid, "VmRSS")
    content = json.dumps(call, ensure_ascii=False).encode()
    answer = alone.ask(
        "POST", f"{workspace.path}/calls", data=content, headers={"Content-Type": "application/json"}, keep=False
    )
    assert answer.status_code == 200, answer.text
    size = len(upstream.seen[0].body)
    assert 0.99 * SIZE < size <= SIZE + 4096
    assert _bytes(pid, "VmHWM") - before <= 6 * size
