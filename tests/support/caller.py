"""Somebody who talks to the pages with a cookie jar and no browser."""

from __future__ import annotations

import re
from typing import Any

import requests


class Caller:
    """Somebody with a cookie jar and no browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
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
