"""An upstream of server-sent events at a steady pace, each with the moment at which it was sent; a process of its own.

``python -m bench.events PORT``; asked for ``/COUNT/PER_SECOND``, it sends so many events, so many a second, and gives
the credential back in each. Moments are the machine's monotonic clock, which all processes share (clock_gettime(2)).
"""

from __future__ import annotations

import asyncio
import sys
import time

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await _send_events(head, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _send_events(head: bytes, writer: asyncio.StreamWriter) -> None:
    lines = head.split(b"\r\n")
    path = lines[0].split()[1].strip(b"/").split(b"/")
    count, rate = (int(path[0]), float(path[1])) if len(path) == 2 and path[0].isdigit() else (1, 1.0)
    credential = next((line[15:] for line in lines if line.lower().startswith(b"authorization: ")), b"none")
    writer.write(_HEAD)
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(began + number / rate - time.monotonic())
        event = b'data: {"sent": %.6f, "number": %d, "echo": "%b"}\n\n' % (time.monotonic(), number, credential)
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
