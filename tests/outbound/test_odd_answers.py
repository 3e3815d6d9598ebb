"""What we make of odd answers, beside what curl, requests and Node make of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from app.kernel.errors import StrongroomError
from app.outbound.client import OutboundClient
from app.outbound.model import Call, Field, Origin, OutboundRules, Text
from tests.http1.measure_clients import server
from tests.http1.odd_answers import ODD, measured

MEASURED: Final = measured()["answers"]
NAMES: Final = list(ODD)
PROTOCOL: Final = "upstream_protocol"
NOT_READABLE: Final = "response_not_readable"

# What can be read in more than one way, or is no answer at all.
REFUSED: Final = {
    PROTOCOL: [
        # no HTTP/1.x, or not to be told from something else
        "a tab before the status", "a protocol in small letters", "HTTP/1.2", "HTTP/2 without a minor number", "ICY",
        "no space after the status", "a status of two digits", "a status of four digits", "status 099",
        "an empty line first", "empty lines first", "a body alone", "a switch of protocols",
        # a CR that isn't at a line's end; a line that is no field
        "lines that end in CR CR LF", "a bare CR in a value", "a bare CR that hides a field", "lines that end in CR",
        "no colon", "a blank at a line's start", "a trailer without a colon",
        # where the body ends is said twice, or not at all
        "two lengths", "two lengths, the second lower", "different lengths in a list", "length and chunks",
        "chunks and length", "identity and a length", "a control byte in the length", "a length with a plus",
        "a length below zero", "a length in hexadecimal", "a length with a fraction", "a length with a semicolon",
        "a length in quotes", "a length with an underscore", "a length in other digits", "a length with a word",
        "an empty length", "a length beyond counting",
        # a transfer coding that isn't chunked
        "chunked with a parameter", "chunked in quotes", "chunked in two lines", "xchunked",
        "chunked with a control byte", "chunked after a vertical tab", "gzip, then chunked",
        "gzip alone as a transfer coding", "chunked, then gzip",
        # chunks that nobody can count
        "a blank before a chunk's size", "a chunk without an end", "a chunk with an end too many",
        "an empty line before chunks", "a chunk that ends in CR", "a chunk longer than its size", "a chunk of 0x4",
        "a chunk of +4", "a chunk of no size", "a chunk of zz", "a chunk of 4 and a word", "a chunk beyond counting",
        # cut off
        "fewer bytes than the length", "a last chunk without its empty line", "no last chunk", "cut in a chunk",
        "no body, and chunks told", "nothing", "half a head", "half a status line",
    ],
    NOT_READABLE: [
        "gzip in quotes", "gzip with a parameter", "gzip with a false sum", "gzip with a false size",
        "gzip that is cut off", "gzip without its sum", "gzip that is none", "gzip told twice, done once",
        "gzip in two lines, done once", "deflate that is gzip", "br and other bytes", "br that is cut off",
        "zstd and other bytes", "compress", "a media type as a content coding", "a coding that nobody knows",
    ],
}  # fmt: skip
# All three read these, and we don't: half of an answer would be taken for all of it. README.md in app/http1 says so.
CUT_OFF: Final = {"gzip that is cut off", "gzip without its sum", "br that is cut off"}
# Nobody agrees with us, or nobody is asked: the standard says what is meant, and two of three take it for the body.
BY_THE_STANDARD: Final = {
    "a blank before the coding's colon": (200, "mine"),
    "aws-chunked and gzip": (200, "mine"),
    "gzip and utf-8": (200, "mine"),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with server(list(ODD.values())) as listening:
        yield listening


@pytest.fixture(scope="module")
def client() -> Iterator[OutboundClient]:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True))
    yield client
    client.close()


def ours(client: OutboundClient, port: int, name: str) -> Any:
    path = Field((Text(f"/{NAMES.index(name)}"),))
    call = Call(method="GET", origin=Origin("http", "127.0.0.1", port), path=path, timeout_seconds=10)
    try:
        response = client.send(call, client.check(call, []), {}, workspace="acme")
    except StrongroomError as refused:
        return refused.code
    fields = [value for each, value in response.headers if each.lower() == "x-a"]
    return response.status, response.body.decode("latin-1"), fields


def readings(name: str) -> list[tuple[int, str]]:
    return [(told[0], told[1]) for told in MEASURED[name].values() if isinstance(told, list)]


def test_the_table_is_large_and_measured_whole() -> None:
    assert len(ODD) >= 120
    assert list(MEASURED) == NAMES
    assert all(set(told) == {"curl", "requests", "node"} for told in MEASURED.values())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*REFUSED[PROTOCOL], *REFUSED[NOT_READABLE]}])
def test_what_is_odd_and_clear_is_read_as_others_read_it(client: OutboundClient, port: int, name: str) -> None:
    told = ours(client, port, name)
    assert not isinstance(told, str), told
    if name in BY_THE_STANDARD:
        assert told[:2] == BY_THE_STANDARD[name]
        return
    assert told[:2] in readings(name)
    if "control byte" not in name:
        assert not any(ord(letter) < 32 and letter != "\t" for value in told[2] for letter in value)


@pytest.mark.parametrize(("code", "name"), [(code, name) for code, names in REFUSED.items() for name in names])
def test_what_is_ambiguous_is_refused(client: OutboundClient, port: int, code: str, name: str) -> None:
    assert ours(client, port, name) == code


def test_nothing_is_refused_that_all_three_read_but_what_is_cut_off() -> None:
    read_by_all = {name for name in NAMES if len(readings(name)) == 3 and len(set(readings(name))) == 1}
    assert read_by_all & {*REFUSED[PROTOCOL], *REFUSED[NOT_READABLE]} == CUT_OFF


@pytest.mark.parametrize(
    "name",
    ["a control byte", "a NUL", "an escape", "a DEL", "a name with a blank in it", "a name with a NUL", "no name"],
)
def test_a_field_that_has_what_none_may_hold_goes_and_the_others_stay(
    client: OutboundClient, port: int, name: str
) -> None:
    assert ours(client, port, name) == (200, "mine", [])
    assert ours(client, port, "a control byte in one of several") == (200, "mine", ["1"])
