"""What is set on the server's listening socket, once it is there."""

from __future__ import annotations

import asyncio
import socket

from app.cli.listener import notice_slow_readers
from tests.support.loops import complete


def test_connections_say_soon_that_their_reader_goes_on_also_where_the_server_listens_later() -> None:
    async def story() -> int:
        notice_slow_readers(asyncio.get_running_loop())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await asyncio.sleep(0.6)
            with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
                return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)

    assert complete(story()) == 64 * 1024
