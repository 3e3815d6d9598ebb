"""Clients that do no good, all at once: ``python -m tests.support.strangers PORT TOKEN WORKSPACE UPSTREAM [SHARE]``.

Each of them opens its connection anew when it is closed, for as long as the process lives. It writes a line when all of
them have been connected once.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final

SLOW_HEADS: Final = 500
SLOW_BODIES: Final = 500
SILENT: Final = 500
NEVER_READING: Final = 200
SLOW_UPSTREAMS: Final = 200

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def slow_head(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a head that never ends, a line at a time."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    while True:
        writer.write(b"X-Slow: 1\r\n")
        await writer.drain()
        await asyncio.sleep(1)


async def slow_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Announce a body and send a byte of it now and then."""
    writer.write(b"POST /api/v1/workspaces HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1)


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Send nothing."""
    await reader.read(1)


async def never_reading(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask for a large answer and read none of it."""
    writer.write(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(3600)


def slow_upstream(token: str, workspace: str, upstream: str) -> Talk:
    """Return who has a call made that its upstream doesn't answer, and who comes again when that is refused."""
    body = json.dumps({"url": upstream, "timeout_seconds": 300}).encode()
    head = (
        f"POST /api/v1/workspaces/{workspace}/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Strongroom-Act-As: ada\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + body)
        await reader.read()

    return talk


async def keep_coming(port: int, talk: Talk, connected: asyncio.Semaphore) -> None:
    """Connect, do one's worst, and come again two seconds after that has ended."""
    first = True
    while True:
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=plug, limit=1024)
            if first:
                connected.release()
                first = False
            try:
                await talk(reader, writer)
            finally:
                writer.close()
        except OSError:
            plug.close()
        await asyncio.sleep(2)


async def main(port: int, token: str, workspace: str, upstream: str, share: str = "1") -> None:
    """Be all of them, or this share."""
    connected = asyncio.Semaphore(0)
    kinds = (
        (slow_head, SLOW_HEADS),
        (slow_body, SLOW_BODIES),
        (silent, SILENT),
        (never_reading, NEVER_READING),
        (slow_upstream(token, workspace, upstream), SLOW_UPSTREAMS),
    )
    wanted = [talk for talk, many in kinds for _ in range(int(many * float(share)))]
    tasks = [asyncio.create_task(keep_coming(port, talk, connected)) for talk in wanted]
    for _ in tasks:
        await connected.acquire()
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
