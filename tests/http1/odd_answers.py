"""Odd answers, byte for byte: what real servers and the proxies before them send, and what nobody should.

What curl, requests and Node make of each stands in ``odd_answers.json``; ``python -m tests.http1.measure_clients``
measures it anew.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, Final

import brotli
import zstandard

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_MINE: Final = b"Content-Length: 4\r\n\r\nmine"
_CHUNKED: Final = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_LAST: Final = b"0\r\n\r\n"
_BODY: Final = b"4\r\nmine\r\n" + _LAST


def measured() -> dict[str, Any]:
    """Return the versions of the clients, and what each makes of each answer."""
    kept: dict[str, Any] = json.loads(Path(__file__).with_name("odd_answers.json").read_text())
    return kept


def _field(line: bytes) -> bytes:
    return _OK + line + b"\r\n" + _MINE


def _length(value: bytes, body: bytes = b"mine") -> bytes:
    return _OK + b"Content-Length:" + value + b"\r\n\r\n" + body


def _coded(coding: bytes, body: bytes, line: bytes = b"Content-Encoding: ") -> bytes:
    return _OK + line + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _transfer(value: bytes, body: bytes = _BODY) -> bytes:
    return _OK + b"Transfer-Encoding:" + value + b"\r\n\r\n" + body


_STATUS_LINES: Final = {
    "a plain answer": _OK + _MINE,
    "no reason": b"HTTP/1.1 200 \r\n" + _MINE,
    "no reason and no space": b"HTTP/1.1 200\r\n" + _MINE,
    "two spaces before the status": b"HTTP/1.1  200 OK\r\n" + _MINE,
    "two spaces after the status": b"HTTP/1.1 200  OK\r\n" + _MINE,
    "a space at the end of the status line": b"HTTP/1.1 200 OK \r\n" + _MINE,
    "a tab before the status": b"HTTP/1.1\t200 OK\r\n" + _MINE,
    "a reason in Latin-1": b"HTTP/1.1 200 D'accord \xe9\r\n" + _MINE,
    "a reason in UTF-8": "HTTP/1.1 200 好\r\n".encode() + _MINE,
    "a reason with a control byte": b"HTTP/1.1 200 O\x01K\r\n" + _MINE,
    "a reason with a tab": b"HTTP/1.1 200 O\tK\r\n" + _MINE,
    "a long reason": b"HTTP/1.1 200 " + b"K" * 5000 + b"\r\n" + _MINE,
    "a protocol in small letters": b"http/1.1 200 OK\r\n" + _MINE,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + _MINE,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + _MINE,
    "HTTP/2 without a minor number": b"HTTP/2 200 OK\r\n" + _MINE,
    "ICY": b"ICY 200 OK\r\n" + _MINE,
    "no space after the status": b"HTTP/1.1 200OK\r\n" + _MINE,
    "a status of two digits": b"HTTP/1.1 20 OK\r\n" + _MINE,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n" + _MINE,
    "status 099": b"HTTP/1.1 099 Low\r\n" + _MINE,
    "status 299": b"HTTP/1.1 299 Own\r\n" + _MINE,
    "status 600": b"HTTP/1.1 600 Own\r\n" + _MINE,
    "status 999": b"HTTP/1.1 999 Request denied\r\n" + _MINE,
    "an empty line first": b"\r\n" + _OK + _MINE,
    "empty lines first": b"\r\n\r\n" + _OK + _MINE,
    "a status line that ends in LF": b"HTTP/1.1 200 OK\n" + _MINE,
    "a body alone": b"mine",
}
_LINES: Final = {
    "LF alone": (_OK + b"X-A: 1\r\n" + _MINE).replace(b"\r\n", b"\n"),
    "LF alone in chunks": (_CHUNKED + _BODY).replace(b"\r\n", b"\n"),
    "one field that ends in LF": _OK + b"X-A: 1\n" + _MINE,
    "an end of the head in LF": _OK + b"Content-Length: 4\r\n\nmine",
    "a last line in LF": _OK + b"Content-Length: 4\n\r\nmine",
    "lines that end in CR CR LF": _OK + b"X-A: 1\r\r\n" + _MINE,
    "a bare CR in a value": _field(b"X-A: 1\r2"),
    "a bare CR that hides a field": _field(b"X-A: 1\rTransfer-Encoding: chunked"),
    "lines that end in CR": (_OK + _MINE).replace(b"\r\n", b"\r"),
}
_FIELDS: Final = {
    "a blank before a colon": _field(b"X-A : 1"),
    "a tab before a colon": _field(b"X-A\t: 1"),
    "blanks before a colon": _field(b"X-A   : 1"),
    "a blank before the length's colon": _OK + b"Content-Length : 4\r\n\r\nmine",
    "a blank before the coding's colon": _OK + b"Transfer-Encoding : chunked\r\n\r\n" + _BODY,
    "no blank after a colon": _field(b"X-A:1"),
    "blanks after a colon": _field(b"X-A: \t 1"),
    "blanks after a value": _field(b"X-A: 1 \t "),
    "no value": _field(b"X-A:"),
    "no name": _field(b": 1"),
    "no colon": _field(b"X-A"),
    "a blank at a line's start": _OK + b" X-A: 1\r\n" + _MINE,
    "a name with a blank in it": _field(b"X A: 1"),
    "a name with a bracket": _field(b"X(A): 1"),
    "a name with a slash": _field(b"X/A: 1"),
    "a name in Latin-1": _field(b"X-\xe9: 1"),
    "a name in quotes": _field(b'"X-A": 1'),
    "a name with a control byte": _field(b"X\x01A: 1"),
    "a name with a NUL": _field(b"X\x00A: 1"),
    "a fold": _field(b"X-A: 1\r\n 2"),
    "a fold with a tab": _field(b"X-A: 1\r\n\t2"),
    "a fold of blanks alone": _field(b"X-A: 1\r\n  "),
    "a folded length": _OK + b"Content-Length:\r\n 4\r\n\r\nmine",
    "Latin-1": _field(b"X-A: \xe9"),
    "UTF-8": _field("X-A: é 😀".encode()),
    "a control byte": _field(b"X-A: a\x01b"),
    "a bell": _field(b"X-A: a\x07b"),
    "an escape": _field(b"X-A: \x1b[31mred"),
    "a form feed": _field(b"X-A: a\x0cb"),
    "a vertical tab": _field(b"X-A: a\x0bb"),
    "a DEL": _field(b"X-A: a\x7fb"),
    "a NUL": _field(b"X-A: a\x00b"),
    "a control byte in one of several": _field(b"X-A: 1\r\nX-B: a\x02b\r\nX-C: 3"),
    "a control byte in the length": _OK + b"Content-Length: 4\x01\r\n\r\nmine",
    "101 fields": _OK + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(101)) + _MINE,
    "250 fields": _OK + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(250)) + _MINE,
    "101 cookies": _OK + b"".join(b"Set-Cookie: c%d=%d\r\n" % (n, n) for n in range(101)) + _MINE,
    "a field of 7,000 bytes": _field(b"X-A: " + b"y" * 7_000),
    "a field of 30,000 bytes": _field(b"X-A: " + b"y" * 30_000),
    "a field of 60,000 bytes": _field(b"X-A: " + b"y" * 60_000),
    "a field twice": _field(b"X-A: 1\r\nX-A: 2"),
    "a media type twice": _field(b"Content-Type: text/plain\r\nContent-Type: text/html"),
}
_LENGTHS: Final = {
    "no length": _OK + b"\r\nmine",
    "a length twice": _OK + b"Content-Length: 4\r\n" + _MINE,
    "a length three times": _OK + b"Content-Length: 4\r\nX-A: 1\r\ncontent-length: 4\r\n" + _MINE,
    "a length twice, once with a zero": _OK + b"Content-Length: 04\r\n" + _MINE,
    "two lengths": _OK + b"Content-Length: 2\r\n" + _MINE,
    "two lengths, the second lower": _OK + b"Content-Length: 4\r\nContent-Length: 2\r\n\r\nmine",
    "lengths in a list": _length(b" 4, 4"),
    "different lengths in a list": _length(b" 4, 2"),
    "a length with zeros": _length(b" 0004"),
    "a length with blanks": _length(b" \t 4 \t "),
    "a length without a blank": _length(b"4"),
    "a length with a plus": _length(b" +4"),
    "a length below zero": _length(b" -4"),
    "a length in hexadecimal": _length(b" 0x4"),
    "a length with a fraction": _length(b" 4.0"),
    "a length with a semicolon": _length(b" 4;"),
    "a length in quotes": _length(b' "4"'),
    "a length with an underscore": _length(b" 1_0", b"mine is it"),
    "a length in other digits": _length(" ４".encode()),
    "a length with a word": _length(b" 4 bytes"),
    "an empty length": _length(b" "),
    "a length beyond counting": _length(b" 99999999999999999999999"),
    "fewer bytes than the length": _length(b" 9"),
    "more bytes than the length": _length(b" 4", b"mine and more"),
    "bytes after a length of zero": _length(b" 0", b"more"),
    "a body with 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nmine",
    "chunks with 204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + _LAST,
    "a length with 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
    "a body with 205": b"HTTP/1.1 205 Reset\r\n" + _MINE,
}
_TRANSFER: Final = {
    "chunks": _CHUNKED + _BODY,
    "chunks in capitals": _transfer(b" CHUNKED"),
    "chunks with blanks": _transfer(b" \t chunked \t"),
    "chunked twice": _OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + _BODY,
    "chunked three times, in any case": _OK
    + b"Transfer-Encoding: chunked\r\ntransfer-encoding: Chunked\r\nX-A: 1\r\nTransfer-Encoding:chunked\r\n\r\n"
    + _BODY,
    "chunked twice in a list": _transfer(b" chunked, chunked"),
    "chunked with a comma": _transfer(b" chunked,"),
    "a comma before chunked": _transfer(b" ,chunked"),
    "chunked with a parameter": _transfer(b" chunked;q=1"),
    "chunked in quotes": _transfer(b' "chunked"'),
    "chunked folded": _transfer(b"\r\n chunked"),
    "chunked in two lines": _transfer(b" chun\r\n ked"),
    "xchunked": _transfer(b" xchunked"),
    "chunked with a control byte": _transfer(b" chunked\x01"),
    "chunked after a vertical tab": _transfer(b" \x0bchunked"),
    "identity": _transfer(b" identity", b"mine"),
    "identity and a length": _OK + b"Transfer-Encoding: identity\r\n" + _MINE,
    "identity, then chunked": _transfer(b" identity, chunked"),
    "identity and chunked in two lines": _OK
    + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _BODY,
    "chunked, then identity": _transfer(b" chunked, identity"),
    "gzip, then chunked": _transfer(
        b" gzip, chunked",
        b"%x\r\n" % len(gzip.compress(b"mine", mtime=0)) + gzip.compress(b"mine", mtime=0) + b"\r\n" + _LAST,
    ),
    "gzip alone as a transfer coding": _transfer(b" gzip", gzip.compress(b"mine", mtime=0)),
    "chunked, then gzip": _transfer(b" chunked, gzip"),
    "no transfer coding": _transfer(b"", b"mine"),
    "length and chunks": _OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + _BODY,
    "chunks and length": _OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + _BODY,
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _BODY,
}
_CHUNKS: Final = {
    "a chunk with zeros": _CHUNKED + b"0004\r\nmine\r\n" + _LAST,
    "a chunk with many zeros": _CHUNKED + b"0" * 40 + b"4\r\nmine\r\n" + _LAST,
    "capitals in a chunk's size": _CHUNKED + b"A\r\nmine is it\r\n" + _LAST,
    "blanks after a chunk's size": _CHUNKED + b"4  \r\nmine\r\n" + _LAST,
    "a tab after a chunk's size": _CHUNKED + b"4\t\r\nmine\r\n" + _LAST,
    "blanks after the last chunk's size": _CHUNKED + b"4\r\nmine\r\n0  \r\n\r\n",
    "a blank before a chunk's size": _CHUNKED + b" 4\r\nmine\r\n" + _LAST,
    "a chunk with an extension": _CHUNKED + b"4;a=b\r\nmine\r\n" + _LAST,
    "a chunk with an extension in quotes": _CHUNKED + b'4;a="b;c"\r\nmine\r\n' + _LAST,
    "a chunk with an extension after a blank": _CHUNKED + b"4 ; a\r\nmine\r\n" + _LAST,
    "a chunk with an empty extension": _CHUNKED + b"4;\r\nmine\r\n" + _LAST,
    "a chunk with a long extension": _CHUNKED + b"4;a=" + b"b" * 5000 + b"\r\nmine\r\n" + _LAST,
    "an extension with a bare LF": _CHUNKED + b"4;a\nmine\r\n" + _LAST,
    "an extension with a control byte": _CHUNKED + b"4;a\x01b\r\nmine\r\n" + _LAST,
    "a chunk's size that ends in LF": _CHUNKED + b"4\nmine\r\n" + _LAST,
    "a chunk that ends in LF": _CHUNKED + b"4\r\nmine\n" + _LAST,
    "a chunk without an end": _CHUNKED + b"4\r\nmine" + _LAST,
    "a chunk with an end too many": _CHUNKED + b"4\r\nmine\r\n\r\n" + _LAST,
    "an empty line before chunks": _CHUNKED + b"\r\n4\r\nmine\r\n" + _LAST,
    "a chunk that ends in CR": _CHUNKED + b"4\r\nmine\r" + _LAST,
    "a chunk longer than its size": _CHUNKED + b"2\r\nmine\r\n" + _LAST,
    "a chunk of 0x4": _CHUNKED + b"0x4\r\nmine\r\n" + _LAST,
    "a chunk of +4": _CHUNKED + b"+4\r\nmine\r\n" + _LAST,
    "a chunk of no size": _CHUNKED + b"\r\nmine\r\n" + _LAST,
    "a chunk of zz": _CHUNKED + b"zz\r\nmine\r\n" + _LAST,
    "a chunk of 4 and a word": _CHUNKED + b"4 mine\r\nmine\r\n" + _LAST,
    "a chunk beyond counting": _CHUNKED + b"fffffffffffffffff\r\nmine\r\n" + _LAST,
    "a last chunk of zeros": _CHUNKED + b"4\r\nmine\r\n0000\r\n\r\n",
    "a last chunk with an extension": _CHUNKED + b"4\r\nmine\r\n0;a=b\r\n\r\n",
    "a last chunk without its empty line": _CHUNKED + b"4\r\nmine\r\n0\r\n",
    "no last chunk": _CHUNKED + b"4\r\nmine\r\n",
    "nothing but a last chunk": _CHUNKED + _LAST,
    "cut in a chunk": _CHUNKED + b"9\r\nmine",
    "a trailer": _CHUNKED + b"4\r\nmine\r\n0\r\nX-Late: 1\r\n\r\n",
    "a trailer that is a length": _CHUNKED + b"4\r\nmine\r\n0\r\nContent-Length: 2\r\n\r\n",
    "a trailer without a colon": _CHUNKED + b"4\r\nmine\r\n0\r\nX-Late\r\n\r\n",
    "a trailer with a control byte": _CHUNKED + b"4\r\nmine\r\n0\r\nX-Late: a\x01\r\n\r\n",
    "a trailer in LF": _CHUNKED + b"4\r\nmine\r\n0\nX-Late: 1\n\n",
    "an answer after chunks": _CHUNKED + _BODY + _OK + _MINE,
    "lines after chunks": _CHUNKED + _BODY + b"\r\n\r\n",
    "no body, and chunks told": _CHUNKED,
}
_GZIP: Final = gzip.compress(b"mine", mtime=0)
_CODINGS: Final = {
    "gzip": _coded(b"gzip", _GZIP),
    "x-gzip": _coded(b"x-gzip", _GZIP),
    "gzip in capitals": _coded(b"GZIP", _GZIP),
    "gzip with blanks": _coded(b" gzip ", _GZIP),
    "gzip with a comma": _coded(b"gzip,", _GZIP),
    "gzip in quotes": _coded(b'"gzip"', _GZIP),
    "gzip with a parameter": _coded(b"gzip;q=1.0", _GZIP),
    "gzip in two members": _coded(b"gzip", gzip.compress(b"mi", mtime=0) + gzip.compress(b"ne", mtime=0)),
    "gzip and zeros": _coded(b"gzip", _GZIP + b"\0" * 12),
    "gzip and one zero": _coded(b"gzip", _GZIP + b"\0"),
    "gzip and a line's end": _coded(b"gzip", _GZIP + b"\r\n"),
    "gzip and LF": _coded(b"gzip", _GZIP + b"\n"),
    "gzip and other bytes": _coded(b"gzip", _GZIP + b"rest"),
    "gzip and zeros in chunks": _OK
    + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(_GZIP)
    + _GZIP
    + b"\r\n2\r\n\0\0\r\n"
    + _LAST,
    "gzip with a false sum": _coded(b"gzip", _GZIP[:-8] + b"\1\2\3\4" + _GZIP[-4:]),
    "gzip with a false size": _coded(b"gzip", _GZIP[:-4] + b"\1\2\3\4"),
    "gzip that is cut off": _coded(b"gzip", _GZIP[:-9]),
    "gzip without its sum": _coded(b"gzip", _GZIP[:-8]),
    "gzip that is none": _coded(b"gzip", b"mine"),
    "gzip that is empty": _coded(b"gzip", b""),
    "gzip twice": _coded(b"gzip, gzip", gzip.compress(_GZIP, mtime=0)),
    "gzip told twice, done once": _coded(b"gzip, gzip", _GZIP),
    "gzip in two lines, done once": _OK + b"Content-Encoding: gzip\r\n" + _coded(b"gzip", _GZIP)[len(_OK) :],
    "gzip in two lines, done twice": _OK
    + b"Content-Encoding: gzip\r\n"
    + _coded(b"gzip", gzip.compress(_GZIP, mtime=0))[len(_OK) :],
    "gzip that nobody told": _coded(b"application/json", _GZIP, b"Content-Type: "),
    "deflate": _coded(b"deflate", zlib.compress(b"mine")),
    "deflate without its frame": _coded(b"deflate", zlib.compress(b"mine", wbits=-15)),
    "deflate and other bytes": _coded(b"deflate", zlib.compress(b"mine") + b"rest"),
    "deflate and zeros": _coded(b"deflate", zlib.compress(b"mine") + b"\0\0"),
    "deflate that is gzip": _coded(b"deflate", _GZIP),
    "br": _coded(b"br", brotli.compress(b"mine")),
    "br and other bytes": _coded(b"br", brotli.compress(b"mine") + b"rest"),
    "br that is cut off": _coded(b"br", brotli.compress(b"mine" * 50)[:-2]),
    "zstd": _coded(b"zstd", zstandard.compress(b"mine")),
    "zstd and other bytes": _coded(b"zstd", zstandard.compress(b"mine") + b"rest"),
    "compress": _coded(b"compress", b"mine"),
    "identity as a content coding": _coded(b"identity", b"mine"),
    "none": _coded(b"none", b"mine"),
    "utf-8": _coded(b"utf-8", b"mine"),
    "UTF-8 in capitals": _coded(b"UTF-8", b"mine"),
    "utf8": _coded(b"utf8", b"mine"),
    "iso-8859-1": _coded(b"ISO-8859-1", b"mine"),
    "binary": _coded(b"binary", b"mine"),
    "8bit": _coded(b"8bit", b"mine"),
    "aws-chunked": _coded(b"aws-chunked", b"mine"),
    "aws-chunked and gzip": _coded(b"aws-chunked,gzip", _GZIP),
    "gzip and utf-8": _coded(b"gzip, utf-8", _GZIP),
    "an empty content coding": _coded(b"", b"mine"),
    "a media type as a content coding": _coded(b"application/json", b"mine"),
    "a coding that nobody knows": _coded(b"foo", b"mine"),
}
_REST: Final = {
    "told to close": _field(b"Connection: close"),
    "told to keep alive": _field(b"Connection: keep-alive\r\nKeep-Alive: timeout=5"),
    "an offer to upgrade": _field(b"Upgrade: h2c\r\nConnection: Upgrade"),
    "an offer to upgrade without a connection": _field(b"Upgrade: websocket"),
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + _MINE,
    "102 first": b"HTTP/1.1 102 Processing\r\n\r\n" + _OK + _MINE,
    "early hints first": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + _OK + _MINE,
    "100 with a length first": b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + _OK + _MINE,
    "199 first": b"HTTP/1.1 199 Own\r\n\r\n" + _OK + _MINE,
    "an answer in LF after 100 in LF": b"HTTP/1.1 100 Continue\n\n" + (_OK + _MINE).replace(b"\r\n", b"\n"),
    "Location twice, alike": b"HTTP/1.1 302 Found\r\nLocation: /y\r\nLocation: /y\r\n" + _MINE,
    "nothing": b"",
    "half a head": _OK + b"X-A: 1\r\n",
    "half a status line": b"HTTP/1.1 2",
}  # fmt: skip
ODD: Final[dict[str, bytes]] = {
    **_STATUS_LINES, **_LINES, **_FIELDS, **_LENGTHS, **_TRANSFER, **_CHUNKS, **_CODINGS, **_REST,
}  # fmt: skip
