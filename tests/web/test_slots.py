"""Places among the threads: as many as there are, in order, and none is lost with whoever waits no more."""

from __future__ import annotations

import asyncio

from app.web.slots import Slots
from tests.support.loops import complete


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_there_are_as_many_places_as_were_made_and_one_given_back_is_free_again() -> None:
    slots = Slots(2)

    assert [slots.take_free() for _ in range(3)] == [True, True, False]
    slots.give()
    assert [slots.take_free() for _ in range(2)] == [True, False]


def test_those_who_wait_are_served_in_the_order_in_which_they_came() -> None:
    async def story() -> None:
        slots, served = Slots(1), list[int]()

        async def wait(number: int) -> None:
            await slots.take()
            served.append(number)

        await slots.take()
        waiting = [asyncio.create_task(wait(number)) for number in range(3)]
        await settle()
        assert served == []
        for expected in ([0], [0, 1], [0, 1, 2]):
            slots.give()
            assert not slots.take_free()  # it was handed on: nobody who comes late goes before
            await settle()
            assert served == expected
        await asyncio.gather(*waiting)

    complete(story())


def test_whoever_waits_no_more_leaves_the_place_to_the_next() -> None:
    async def story() -> None:
        slots = Slots(1)
        await slots.take()
        first, second = (asyncio.create_task(slots.take()) for _ in range(2))
        await settle()
        first.cancel()
        slots.give()
        await second
        slots.give()
        assert slots.take_free()

    complete(story())


def test_a_place_that_was_just_given_to_whoever_waits_no_more_is_free_again() -> None:
    async def story() -> None:
        slots = Slots(1)
        await slots.take()
        waiting = asyncio.create_task(slots.take())
        await settle()
        slots.give()
        waiting.cancel()  # in the same moment
        await asyncio.gather(waiting, return_exceptions=True)
        assert slots.take_free()

    complete(story())
