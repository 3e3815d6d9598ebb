"""Two copies of the service on one database, one Vault and one Redis: what a load balancer stands before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.service import Service, free_port, launch, running


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 400)) as asking:
            asking.ping()
        yield url, server
    finally:
        server.terminate()
        server.wait(10)


def launch_beside(first: Service, folder: Path, **more: str) -> Service:
    """Start another copy on the database, the Vault and the keys of the first one."""
    kept = first.folder / "var"
    other = launch(
        folder,
        None,
        VAULT_ADDR=(kept / "openbao" / "address").read_text().strip(),
        DATABASE_URL=first.database_url,
        STRONGROOM_SIGNING_KEY_FILE=str(kept / "signing.key"),
        STRONGROOM_SECRET_KEY_FILE=str(kept / "secret.key"),
        **more,
    )
    other.platform = first.platform
    return other


@contextmanager
def two_copies(folder: Path, **more: str) -> Iterator[tuple[Service, Service]]:
    """Run two copies in this folder; the first one has the embedded Vault."""
    for each in ("first", "other", "redis"):
        (folder / each).mkdir()
    with redis_server(folder / "redis") as (url, _server), running(folder / "first", REDIS_URL=url, **more) as first:
        other = launch_beside(first, folder / "other", REDIS_URL=url, **more)
        try:
            yield first, other
        finally:
            other.stop()
