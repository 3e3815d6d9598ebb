"""The naive service: Flask, a new hvac client and ``requests`` for each call; no guard, no redaction, no record."""

from __future__ import annotations

import os

import hvac
import requests
from flask import Flask, Response

app = Flask(__name__)


@app.post("/call/<name>")
def call(name: str) -> Response:
    client = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["BENCH_VAULT_TOKEN"])
    mount, _, folder = os.environ["BENCH_SECRETS"].partition("/data/")
    stored = client.secrets.kv.v2.read_secret_version(
        f"{folder}/{name}", mount_point=mount, raise_on_deleted_version=True
    )
    value = stored["data"]["data"]["value"]
    answer = requests.get(
        os.environ["BENCH_UPSTREAM"] + "/1k.json", headers={"Authorization": f"Bearer {value}"}, timeout=10
    )
    return Response(answer.content, answer.status_code, content_type=answer.headers["Content-Type"])
