"""The mark of a field that a request didn't name."""

from __future__ import annotations

import copy
import pickle

from app.kernel.unset import UNSET, Unset


def test_there_is_one_and_a_copy_of_it_is_the_same() -> None:
    assert list(Unset) == [UNSET]
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET


def test_it_is_neither_none_nor_what_a_request_could_say() -> None:
    assert UNSET is not None
    said: list[object] = ["unset", "", None, False]
    assert UNSET not in said  # a mark that equals what can be sent could be sent
