"""Whether whoever asked is still there: nobody watches until somebody asks."""

from __future__ import annotations

import asyncio
from typing import Any

from app.web.presence import ClientPresence, hold_presence, presence_of
from tests.support.loops import complete


def test_a_client_is_watched_once_somebody_asks_and_is_gone_when_it_went() -> None:
    leaves, watched = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        watched.set()
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def story() -> None:
        environ: dict[str, Any] = {}
        presence = ClientPresence(receive)
        hold_presence(environ, presence)
        is_there = presence_of(environ)
        await asyncio.sleep(0.01)
        assert not watched.is_set()
        assert await asyncio.to_thread(is_there)
        await watched.wait()
        assert is_there()
        leaves.set()
        await presence.watch()
        assert not await asyncio.to_thread(is_there)

    complete(story())


def test_nobody_is_watched_who_was_answered() -> None:
    async def receive() -> dict[str, Any]:
        raise NotImplementedError

    async def story() -> None:
        presence = ClientPresence(receive)
        presence.close()
        assert presence()
        await asyncio.sleep(0.01)

    complete(story())


def test_where_nobody_can_tell_the_client_is_there() -> None:
    assert presence_of({})()
