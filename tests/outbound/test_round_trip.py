"""For any value, field, echo and packing, over real sockets: no form of the value comes back, and all else does."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.kernel.errors import ValueNotAllowedHere
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import (
    Body,
    Call,
    Field,
    FormBody,
    JsonBody,
    MultipartBody,
    NoBody,
    Origin,
    OutboundRules,
    Part,
    Response,
    Slot,
    Text,
    TextBody,
    UsedSecret,
)  # fmt: skip
from app.redaction.letters import SHORTEST, letters
from tests.support.echoes import CODINGS, ECHOES
from tests.support.upstream import Handler, Upstream, upstream

MARKER = b"[redacted:TOKEN]"
_FIELD = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # what a header's value may hold; another is no answer at all
SLOT = Field((Slot("TOKEN"),))
QUICK = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
# What answers have in their heads by themselves: Hypothesis takes texts from the code too, names of headers among them.
HEAD = "content-type: text/plain content-encoding: content-length: transfer-encoding: chunked x-echo: server: date:"
PLACES = ["path", "query", "header", "basic", "json", "form", "text", "multipart"]
BODIES: dict[str, Body] = {
    "json": JsonBody({"a": [SLOT]}),
    "form": FormBody((("a", SLOT),)),
    "text": TextBody(SLOT),
    "multipart": MultipartBody((Part("a", SLOT),)),
}
ANY = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")
VALUES = st.one_of(
    st.text(ANY, min_size=4, max_size=40),
    st.text(st.sampled_from('ab/+%&"\\<=;u0 -é€😀'), min_size=4, max_size=24),
    st.text(st.sampled_from("ABCDEFabcdef0123456789_-"), min_size=20, max_size=3000),
)


@dataclass(frozen=True)
class Packing:
    """How the upstream packs its answer."""

    coding: str
    chunks: int | None
    in_header: bool


PACKINGS = st.builds(Packing, st.sampled_from(sorted(CODINGS)), st.one_of(st.none(), st.integers(1, 50)), st.booleans())


@pytest.fixture(scope="module")
def there() -> Iterator[Upstream]:
    with upstream() as there:
        yield there


@pytest.fixture(scope="module")
def client() -> Iterator[OutboundClient]:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True))
    yield client
    client.close()


def exchange(
    client: OutboundClient, there: Upstream, value: str, place: str, body: bytes, packing: Packing, header: bytes = b""
) -> Response:
    def script(handler: Handler) -> None:
        headers = {"Content-Type": "text/plain", "Content-Encoding": packing.coding}
        if packing.in_header:
            headers["X-Echo"] = header.decode("latin-1")
        packed = CODINGS[packing.coding](body)
        if packing.chunks is None:
            handler.answer(packed, headers=headers)
        else:
            handler.answer_in_chunks(
                (packed[at : at + packing.chunks] for at in range(0, len(packed), packing.chunks)), headers
            )

    there.seen.clear()
    there.scripts.clear()
    call = Call(
        method="POST",
        origin=Origin("http", "127.0.0.1", there.port),
        path=Field((Text("/a/"), SLOT.pieces[0]) if place == "path" else (Text("/a"),)),
        query=(("q", SLOT),) if place == "query" else (),
        headers=(("X-Key", SLOT),) if place == "header" else (),
        basic=(Field((Text("me"),)), SLOT) if place == "basic" else None,
        body=BODIES.get(place, NoBody()),
        timeout_seconds=20,
    )
    there.scripts = _Everywhere(script)
    destination = client.check(call, [UsedSecret("TOKEN", (f"127.0.0.1:{there.port}",))])
    try:
        return client.send(call, destination, {"TOKEN": SecretValue(value)}, workspace="acme")
    except ValueNotAllowedHere:
        assert there.seen == []
        assume(False)
        raise


class _Everywhere(dict):
    def __init__(self, script: object) -> None:
        super().__init__()
        self._script = script

    def get(self, key: object, default: object = None) -> object:
        return self._script


def forms(value: str) -> set[bytes]:
    return {echo(value) for echo in ECHOES.values()}


@QUICK
@given(
    value=VALUES,
    place=st.sampled_from(PLACES),
    echo=st.sampled_from(sorted(ECHOES)),
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    packing=PACKINGS,
)
def test_no_form_of_a_value_comes_back(
    client: OutboundClient, there: Upstream, value: str, place: str, echo: str, before: bytes, after: bytes,
    packing: Packing,
) -> None:  # fmt: skip
    form = ECHOES[echo](value)
    around = before + b" " * (4 - len(before) % 4), b"    " + after
    assume(not any(each in piece for each in forms(value) for piece in (*around, MARKER, *_wide_markers())))
    header = form if _FIELD.fullmatch(form) and form == form.strip() else b"none"
    reply = exchange(client, there, value, place, around[0] + form + around[1], packing, header)
    assert reply.redactions >= 1
    shown = [reply.body, *(text.encode("latin-1", "replace") for pair in reply.headers for text in pair)]
    assert not any(form in text for text in shown)
    assert reply.body.startswith(before)
    assert reply.body.endswith(after)
    assert there.seen  # and it went out


def _wide_markers() -> list[bytes]:
    return [MARKER.decode().encode(encoding) for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")]


@QUICK
@given(
    value=st.text(ANY, min_size=8, max_size=40).filter(lambda text: len(set(text)) > 4),
    place=st.sampled_from(PLACES),
    echo=st.sampled_from(sorted(ECHOES)),
    body=st.binary(max_size=200),
    packing=PACKINGS,
)
def test_what_holds_no_value_comes_back_byte_for_byte(
    client: OutboundClient, there: Upstream, value: str, place: str, echo: str, body: bytes, packing: Packing
) -> None:
    near = ECHOES[echo](value[:-1]) + b"\0\0\0\0" + ECHOES[echo](value[1:])
    whole = body + b"\0\0\0\0" + near + b"\0\0\0\0" + body
    joined = whole.replace(b"\0", b"")  # as what stands between the pieces of a wide text is left out
    assume("\r" not in value and not any(form in text for form in forms(value) for text in (whole, joined)))
    # With punctuation between two of its letters it is still the value.
    own = letters(value.encode())
    assume(len(own) < SHORTEST or own not in letters((value[:-1] + value[1:]).encode()))
    assume(value.lower() not in HEAD)
    reply = exchange(client, there, value, place, whole, packing, b"nothing here")
    assert (reply.body, reply.redactions) == (whole, 0)
    assert ("X-Echo", "nothing here") in reply.headers or not packing.in_header


def test_a_value_of_64_kib_goes_out_and_never_comes_back(client: OutboundClient, there: Upstream) -> None:
    dice = random.Random(64)
    value = "".join(dice.choices("abcdefgh0123456789/+=&é€ \n", k=44_000))
    for echo in ("plain", "every character its own way", "form", "hex", "base64, second", "utf-16-le"):
        form = ECHOES[echo](value)
        reply = exchange(client, there, value, "text", b"    " + form + b"    ", Packing("gzip", 10_000, False))
        assert reply.redactions == 1
        assert len(reply.body) < 200
    assert there.seen[0].body == value.encode()
