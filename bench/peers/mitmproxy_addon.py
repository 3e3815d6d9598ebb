"""mitmproxy's add-on: reads the secret that the path names from Vault, over kept connections, and injects it."""

from __future__ import annotations

import os

import aiohttp
from mitmproxy import http


class Inject:
    def __init__(self) -> None:
        self.vault: aiohttp.ClientSession | None = None

    async def request(self, flow: http.HTTPFlow) -> None:
        if self.vault is None:
            self.vault = aiohttp.ClientSession(
                os.environ["VAULT_ADDR"],
                headers={"X-Vault-Token": os.environ["BENCH_VAULT_TOKEN"]},
                connector=aiohttp.TCPConnector(limit=64),
            )
        name = flow.request.path.rpartition("/")[2]
        async with self.vault.get(f"/v1/{os.environ['BENCH_SECRETS']}/{name}") as answer:
            if answer.status != 200:
                flow.response = http.Response.make(502)
                return
            stored = await answer.json()
        flow.request.path = "/1k.json"
        flow.request.headers["Authorization"] = "Bearer " + stored["data"]["data"]["value"]

    async def done(self) -> None:
        if self.vault is not None:
            await self.vault.close()


addons = [Inject()]
