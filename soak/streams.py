"""Streams under the soak: short ones, one after the other, each read to its end and looked through."""

from __future__ import annotations

import json
import threading
import time
from typing import Final

import requests

from soak.client import PATIENCE, Client, code_of, new_value, shows_value
from soak.far import EVENTS
from soak.journal import Outcome
from soak.load import PACE

BLOCK: Final = "events"
SECRET: Final = "STREAMED"
CUT: Final = "stream_cut"
"""The code of a stream that ended without its last chunk, which nobody can take for whole."""


def save_block(owner: Client, workspace: str, host: str) -> bool:
    """Save a block that streams and its secret; tells whether both were."""
    secret = {"name": SECRET, "value": new_value(), "visibility": "restricted", "allowed_hosts": [host]}
    headers = [{"name": "Authorization", "value": f"Bearer {{{{secrets.{SECRET}}}}}"}]
    block = {"name": BLOCK, "answer": "stream", "call": {"url": f"http://{host}/events", "headers": headers}}
    asked = (("secrets", secret), ("blocks", block))
    return all(owner.ask("POST", f"/workspaces/{workspace}/{path}", body).status == 201 for path, body in asked)


def stream(client: Client, workspace: str, stop: threading.Event) -> None:
    """Read one stream after the other."""
    path = f"/api/v1/workspaces/{workspace}/blocks/{BLOCK}/run"
    while not stop.is_set():
        began = time.monotonic()
        code = _read(client, path)
        if client.journal is not None:
            client.journal.note(Outcome("stream", began, time.monotonic(), code))
        stop.wait(PACE)


def _read(client: Client, path: str) -> str:
    headers = {"Authorization": f"Bearer {client.token}"}
    try:
        with client.session.post(client.base + path, json={}, headers=headers, stream=True, timeout=PATIENCE) as answer:
            return _judge(client, answer)
    except requests.RequestException:
        return "dropped"


def _judge(client: Client, answer: requests.Response) -> str:
    body = b""
    try:
        for piece in answer.iter_content(None):
            body += piece
    except requests.RequestException:
        return CUT
    finally:
        if shows_value(body + repr(answer.headers).encode()):
            client.ledger.leaked.append("a stream")
    if "Strongroom-Call-Id" not in answer.headers:
        return code_of(answer.status_code, body)
    _, told, problem = body.partition(b"event: strongroom-error\ndata: ")
    if told:
        return str(json.loads(problem)["code"])
    if body.count(f"[redacted:{SECRET}]".encode()) != EVENTS:
        client.ledger.wrong.append(f"a stream that came whole has not all of its {EVENTS} events")
    client.ledger.calls.add(answer.headers["Strongroom-Call-Id"])
    return ""
