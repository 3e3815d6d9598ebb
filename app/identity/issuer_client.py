"""Asking the operator's own identity provider over HTTP: its origin alone, no redirect, every answer bounded.

The outbound guard doesn't stand here, since the operator named this host, and it is often a private one.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from app.kernel.errors import IssuerUnavailable

_SECONDS: Final = 5.0
_LARGEST_ANSWER: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class IssuerClient:
    """Fetches JSON documents from one origin.

    Args:
        issuer: The issuer's URL, https, or http on loopback.
    """

    issuer: str

    def get(self, url: str) -> Mapping[str, object]:
        """Fetch a JSON object.

        Raises:
            IssuerUnavailable: The provider doesn't answer, or not with a JSON object, or the URL is on another origin.
        """
        return self._fetch("GET", url, None, {})

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Mapping[str, object]:
        """Send a form and read the JSON object that answers it.

        Raises:
            IssuerUnavailable: The provider doesn't answer, or not with a JSON object, or the URL is on another origin.
        """
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch("POST", url, urlencode(form).encode(), {**headers, **kind})

    def same_origin(self, url: str) -> bool:
        """Tell whether a URL is on the issuer's own origin."""
        here, there = urlsplit(self.issuer), urlsplit(url)
        try:
            return (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
        except ValueError:  # a port that is no number
            return False

    def _fetch(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Mapping[str, object]:
        if not self.same_origin(url):
            raise IssuerUnavailable("The identity provider names an address outside its own origin.")
        parts = urlsplit(url)
        connection = self._connection()
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, body=body, headers={"Accept": "application/json", **headers})
            response = connection.getresponse()
            content = response.read(_LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException, ValueError):
            raise IssuerUnavailable("The identity provider doesn't answer at the moment.", retry_after=5) from None
        finally:
            connection.close()
        if response.status != http.client.OK or len(content) > _LARGEST_ANSWER:
            raise IssuerUnavailable(f"The identity provider answered {response.status} where 200 was expected.")
        return _object(content)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.issuer)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=_SECONDS)
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(host, parts.port, timeout=_SECONDS, context=context)


def _object(content: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise IssuerUnavailable("The identity provider's answer isn't a JSON object.")
    return document
