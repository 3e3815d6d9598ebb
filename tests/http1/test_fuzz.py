"""The rules that every answer keeps, whatever its bytes: tried with what the fuzzer kept, and mutations of it."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest
from httptools import HttpParserError, HttpResponseParser

from tests.http1.fuzz import corpus, in_single_bytes, mutations, read, way_of
from tests.http1.odd_answers import ODD

SEEDS = [*ODD.values(), *corpus()]


class _Body:
    def __init__(self) -> None:
        self.body = b""
        self.over = False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.over = True


def _strictly(raw: bytes) -> bytes | None:
    told = _Body()
    try:
        HttpResponseParser(told).feed_data(raw)
    except HttpParserError:
        return None
    return told.body if told.over else None


def _keeps_the_rules(raw: bytes) -> None:
    told = read([raw])
    for pieces in (in_single_bytes(raw), [raw[:17], raw[17:40], raw[40:]]):
        assert read(pieces)[:3] == told[:3]
    assert read([raw], to_head=True)
    # llhttp, which reads nothing leniently (no fold, no tab after a coding), agrees on what a connection is kept after.
    alone = raw.count(b"HTTP/1.") == 1 and not re.search(rb"\n[ \t]|chunked *\t", raw)
    if len(told) == 4 and told[3] and alone and told[0] not in (204, 304):
        assert _strictly(raw) == told[2]


@pytest.mark.parametrize("number", range(len(corpus())))
def test_what_the_fuzzer_kept_keeps_the_rules(number: int) -> None:
    _keeps_the_rules(corpus()[number])


def test_mutations_keep_the_rules() -> None:
    for raw in islice(mutations(SEEDS, random.Random(20261120)), 4000):
        _keeps_the_rules(raw)


def test_the_corpus_takes_ways_that_the_table_does_not() -> None:
    by_table = frozenset().union(*map(way_of, ODD.values()))
    assert frozenset().union(*map(way_of, corpus())) - by_table
