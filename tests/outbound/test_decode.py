"""Content codings are undone in bounded pieces; what lies about its coding is refused."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
import zstandard

from app.kernel.errors import ResponseNotReadable
from app.outbound.decode import decoder

Encode = Callable[[bytes], bytes]


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-15)


def zstd_stream(body: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()  # doesn't say how long it is
    return compressor.compress(body) + compressor.flush()


CODINGS: list[tuple[str, Encode]] = [
    ("gzip", gzip.compress),
    ("x-gzip", lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:])),
    ("deflate", zlib.compress),
    ("Deflate", raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstandard.compress),
    ("zstd", zstd_stream),
    ("zstd", lambda body: zstandard.compress(body[:10]) + zstd_stream(body[10:])),
    ("aws-chunked,gzip", gzip.compress),
    ("gzip, br", lambda body: brotli.compress(gzip.compress(body))),
    ("deflate, identity ,zstd,gzip", lambda body: gzip.compress(zstandard.compress(zlib.compress(body)))),
]
IDS = [f"{coding} {number}" for number, (coding, _) in enumerate(CODINGS)]
BODY = b"some text that repeats, " * 20_000 + os.urandom(3000)


def decoded(coding: str | None, packed: bytes, size: int = 100) -> list[bytes]:
    decode = decoder(coding)
    pieces = [piece for at in range(0, len(packed), size) for piece in decode.feed(packed[at : at + size])]
    return pieces + list(decode.finish())


@pytest.mark.parametrize(("coding", "encode"), CODINGS, ids=IDS)
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_content_is_decoded_however_it_is_cut(coding: str, encode: Encode, size: int) -> None:
    assert b"".join(decoded(coding, encode(BODY), size)) == BODY


@pytest.mark.parametrize(
    "coding",
    [
        "identity",
        None,
        "",
        "identity, identity",
        "none",
        "utf-8",
        "UTF8",
        "utf8mb4",
        "ISO-8859-1",
        "binary",
        "8bit",
        "aws-chunked",
    ],
)
def test_what_has_no_coding_stays_as_it_is(coding: str | None) -> None:
    assert b"".join(decoded(coding, BODY)) == BODY


@pytest.mark.parametrize(("coding", "encode"), CODINGS, ids=IDS)
def test_a_body_that_is_empty_or_holds_nothing_is_no_lie(coding: str, encode: Encode) -> None:
    assert decoded(coding, b"") == []
    assert b"".join(decoded(coding, encode(b""))) == b""


@pytest.mark.parametrize(("coding", "encode"), CODINGS, ids=IDS)
def test_an_end_that_is_missing_is_refused(coding: str, encode: Encode) -> None:
    packed = encode(BODY)
    for size in (1, 2, 5, len(packed) // 2, len(packed) - 1):
        with pytest.raises(ResponseNotReadable):
            decoded(coding, packed[:size])


MEMBER = gzip.compress(b"more", mtime=0)
AFTER = [b"\0", b"x", b"something else", b"\r\n", bytes(1000), b"\x1f", b"\x1fx", b"\0" + MEMBER]


@pytest.mark.parametrize(("coding", "encode"), [pair for pair in CODINGS if pair[0][-2:] in ("br", "td")])
@pytest.mark.parametrize("more", AFTER)
def test_what_comes_after_the_end_is_refused(coding: str, encode: Encode, more: bytes) -> None:
    for size in (1, 1 << 20):
        with pytest.raises(ResponseNotReadable):
            decoded(coding, encode(BODY) + more, size)


@pytest.mark.parametrize(("coding", "encode"), CODINGS[:4], ids=IDS[:4])
@pytest.mark.parametrize("more", AFTER)
def test_what_comes_after_a_finished_member_is_left_out(coding: str, encode: Encode, more: bytes) -> None:
    for size in (1, 7, 1 << 20):
        assert b"".join(decoded(coding, encode(BODY) + more, size)) == BODY


def test_a_further_member_that_is_none_is_refused() -> None:
    for more in (b"\x1f\x8b", gzip.compress(BODY)[:-1], b"\x1f\x8bsomething else"):
        for size in (1, 1 << 20):
            with pytest.raises(ResponseNotReadable):
                decoded("gzip", gzip.compress(BODY) + more, size)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_a_coding_that_lies_is_refused(coding: str) -> None:
    with pytest.raises(ResponseNotReadable):
        decoded(coding, b"\xff\xff\xff no such coding")


@pytest.mark.parametrize(
    "coding",
    [
        "compress",
        "gzip, lzma",
        "nonsense",
        "br;q=1",
        "base64",
        "hex",
        "utf-7",
        "zlib",
        "rot13",
        ", ".join(["gzip"] * 5),
    ],
)
def test_a_coding_that_is_not_known_is_refused(coding: str) -> None:
    with pytest.raises(ResponseNotReadable):
        decoder(coding)


def test_a_frame_that_asks_for_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27))
    packed = wide.compressobj().compress(b"x") + wide.compress(os.urandom(1 << 20) * 20)
    with pytest.raises(ResponseNotReadable):
        decoded("zstd", packed, 1 << 20)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", lambda body: gzip.compress(body, 1)),
        ("deflate", zlib.compress),
        ("br", lambda body: brotli.compress(body, quality=1)),
        ("zstd", zstandard.compress),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body, 1))),
    ],
)
def test_a_bomb_unfolds_in_bounded_pieces(coding: str, encode: Encode) -> None:
    decode = decoder(coding)
    pieces: Iterator[bytes] = decode.feed(encode(bytes(64 << 20)))
    assert max(len(piece) for piece in pieces) <= 8 << 20
