"""Fresh ids: as long as was asked for, never the same, in a process that was forked neither."""

from __future__ import annotations

import os
import random

from app.kernel.fresh import fresh_hex


def test_ids_have_the_length_that_was_asked_for_and_differ() -> None:
    ids = {fresh_hex(16) for _ in range(10_000)}

    assert len(ids) == 10_000
    assert {len(each) for each in ids} == {16}
    assert not set("".join(ids)) - set("0123456789abcdef")


def test_nobodys_seed_brings_an_id_back() -> None:
    random.seed(1)
    first = fresh_hex(16)
    random.seed(1)

    assert fresh_hex(16) != first


def test_a_forked_process_draws_ids_of_its_own() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, fresh_hex(32).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 32).decode() != fresh_hex(32)
