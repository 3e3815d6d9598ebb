"""No size that is shown, and no limit that refuses, measures a value: one of another length gives the same."""

from __future__ import annotations

import gzip
from itertools import count
from typing import Any

import pytest

from app.kernel.errors import PayloadTooLarge
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import Call, Field, Origin, OutboundRules, Slot, Text, TextBody, UsedSecret
from tests.attacks.conftest import Stage
from tests.support.service import problem

SHORT = "k7Qz-9fT2xLm_4WvB8nR"
LONG = "Jd83hKq0ZxVb5-" * 40 + "uY6tRe"
LARGEST_HEAD = 256 * 1024
_NUMBERS = count(1)


def _add(stage: Stage, value: str) -> str:
    name = f"SIZED_{next(_NUMBERS)}"
    stage.add(name, value, visibility="restricted", allowed_places=["body", "header:X-Filled"])
    return name


def _measure(stage: Stage, name: str, content: str = "<{name}>", **more: Any) -> tuple[int, int]:
    """Make a call with a secret in its body; return the sizes that the record keeps of it."""
    filled = content.replace("{name}", f"{{{{secrets.{name}}}}}")
    answer = stage.call(**({"headers": [], "body": {"type": "text", "content": filled}} | more))
    assert answer.status_code == 200, answer.text
    events = stage.service.ask("GET", f"/workspaces/{stage.workspace}/audit").json()["items"]
    detail = next(each["detail"] for each in events if "sent_bytes" in each["detail"])
    return detail["sent_bytes"], detail["received_bytes"]


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_received_bytes_are_those_after_redaction(stage: Stage, coding: str) -> None:
    sizes = set()
    for value in (SHORT, LONG, SHORT[::-1]):
        body = f'{{"echo": "{value}", "again": "{value}"}}'.encode()
        packed = gzip.compress(body) if coding == "gzip" else body
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        stage.upstream.scripts["/"] = lambda h, packed=packed, headers=headers: h.answer(packed, headers=headers)  # type: ignore[misc]
        name = _add(stage, value)
        received = _measure(stage, name)[1]
        sizes.add(received - 2 * len(f"[redacted:{name}]"))
    assert sizes == {len('{"echo": "", "again": ""}')}


def test_compressed_guesses_beside_a_value_are_not_measured(stage: Stage) -> None:
    # A right guess beside the value compresses better; a size over the wire would tell which one it is.
    name, sizes = _add(stage, SHORT), set()
    for guess in (SHORT[:12], "Xw3-0pD7cHsy", SHORT[8:20]):
        packed = gzip.compress(f"{guess} {SHORT} {guess}".encode(), 9)
        headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
        stage.upstream.scripts["/"] = lambda h, packed=packed, headers=headers: h.answer(packed, headers=headers)  # type: ignore[misc]
        sizes.add(_measure(stage, name)[1])
    assert len(sizes) == 1


def test_sent_bytes_count_no_value(stage: Stage) -> None:
    stage.upstream.scripts["/"] = lambda h: h.answer(b"{}")
    sizes = {_measure(stage, _add(stage, value))[0] for value in (SHORT, LONG, SHORT * 3)}
    assert len(sizes) == 1


def test_the_heads_limit_refuses_at_the_same_length_whatever_the_value(stage: Stage) -> None:
    stage.upstream.scripts["/"] = lambda h: h.answer(b"{}")
    names = [_add(stage, value) for value in (SHORT, LONG)]

    def refused(name: str, size: int) -> bool:
        filled = "x" * size + f"{{{{secrets.{name}}}}}"
        answer = stage.call(headers=[{"name": "X-Filled", "value": filled}])
        if answer.status_code != 200:
            assert problem(answer)[0] == 413
        return answer.status_code == 413

    low, high = LARGEST_HEAD - 1024, LARGEST_HEAD
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if refused(names[0], middle) else (middle, high)
    assert [refused(name, size) for size in (low, high) for name in names] == [False, False, True, True]


def test_the_bodys_limit_refuses_at_the_same_length_whatever_the_value(stage: Stage) -> None:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True, max_request_bytes=1000))
    origin = Origin("http", "127.0.0.1", stage.upstream.port)

    def send(value: str, length: int) -> int:
        body = TextBody(Field((Text("x" * length), Slot("KEY"))))
        call = Call("POST", origin, Field((Text("/"),)), headers=(), body=body, timeout_seconds=5)
        destination = client.check(call, [UsedSecret("KEY", (f"127.0.0.1:{stage.upstream.port}",))])
        return client.send(call, destination, {"KEY": SecretValue(value)}, workspace="acme").sent_bytes

    for value in (SHORT, LONG):  # each counts as one letter
        assert send(value, 999) == 1000
        with pytest.raises(PayloadTooLarge):
            send(value, 1000)
