"""Somebody who talks to the pages with a cookie jar and no browser."""

from __future__ import annotations

import re
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class _From(HTTPAdapter):
    """Connections that come from an address of this machine's own loopback network."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more, source_address=(self._source, 0))


class Caller:
    """Somebody with a cookie jar and no browser."""

    def __init__(self, url: str, source: str = "127.0.0.1") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.mount("http://", _From(source))
        self.session.trust_env = False

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=10, **more)

    def post(self, path: str, data: dict[str, str] | None = None, *, form: str | None = None) -> requests.Response:
        sent = (data or {}) | {"csrf_token": token_in(self.get(form or path).text)}
        return self.session.post(self.url + path, data=sent, timeout=10, allow_redirects=False)

    def sign_in(self, user: str, password: str, path: str = "/sign-in") -> requests.Response:
        return self.post(path, {"user": user, "password": password})


def token_in(page: str) -> str:
    """Return the token of the forms on a page; empty where it has none."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    return found[1] if found else ""
