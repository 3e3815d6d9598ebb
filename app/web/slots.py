"""Places for so many at once, for one event loop; whoever finds none waits in line."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """So many places. What asyncio's semaphore does, without a call for each question that it asks itself."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take_free(self) -> bool:
        """Take a place if one is free, and tell whether one was."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Take a place, once there is one; those who wait get theirs in the order in which they came."""
        if self.take_free():
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give()  # it had just been given to whoever waits no more
            raise

    def give(self) -> None:
        """Give a place back: to the first who waits, if anybody does."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
