"""Finds the credentials in a call that was written for curl, and puts ``{{secrets.NAME}}`` in their places. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from app.calls.curl_command import SHELL_VARIABLE
from app.calls.field_template import OPENING
from app.outbound.hosts import owner_label
from app.outbound.inject import authority
from app.outbound.model import Origin
from app.outbound.places import may_hold_secret

_NAMED: Final = re.compile(
    r"(?:^|[-_.\[])(?:key|token|secret|password|passwd|pwd|credentials?|auth|authorization|apikey|signature|sig|jwt|pat)\]?$",
    re.IGNORECASE,
)
_COMPOUND: Final = re.compile(
    r"(?:api|access|auth|client|refresh|id|private|secret|app|session)[-_]?(?:key|token|secret)$|^appid$", re.IGNORECASE
)
_NO_CREDENTIALS: Final = re.compile(
    r"^(?:idempotency|sort|partition|cache|public|surrogate|page|next[-_]?page|continuation|cursor|sync|csrf|xsrf|x-csrf)"
    r"[-_]?(?:key|token)$",
    re.IGNORECASE,
)
_IN_BODIES: Final = re.compile(r"^(?:token|password|passwd|pwd|secret|apikey)$", re.IGNORECASE)
_SCHEME: Final = re.compile(r"((?:[A-Za-z][A-Za-z0-9_-]*[ ]+)(?:token=|key=)?|(?:key|token)=)(?=\S+$)")
_TOKEN_SEGMENT: Final = re.compile(r"^(bot)([0-9]+:[A-Za-z0-9_-]{20,})$")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class CurlCredential:
    """What should become a secret: ``value`` is None where the command names a variable of the shell only."""

    suggested_name: str
    place: str
    host: str
    value: str | None = field(repr=False)


class CredentialFinder:
    """Takes the credentials out of one call's fields, and remembers them."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._label = re.sub(r"[^A-Z0-9]+", "_", owner_label(origin.host).upper()).strip("_") or "API"
        self.found: list[CurlCredential] = []

    def header(self, name: str, value: str) -> str:
        """Return a header's value with its credential taken out."""
        lower = name.lower()
        if not value or not may_hold_secret(name) or not (lower == "cookie" or is_credential(name)):
            return self.text(value)
        if lower == "cookie":
            prefix, _, rest = value.partition("=")
            single = bool(rest) and ";" not in value
            return f"{prefix}={self._take(rest, name, 'SESSION')}" if single else self._take(value, name, "COOKIE")
        scheme = _SCHEME.match(value)
        start = scheme.end() if scheme else 0
        kind = "TOKEN" if lower.endswith(("authorization", "token")) else "API_KEY"
        return self.text(value[:start]) + self._take(value[start:], f"header:{name}", kind)

    def basic(self, user: str, password: str | None) -> tuple[str, str]:
        """Return user and password; where there is no password, as with many APIs, the user is the credential."""
        if password == "":
            return self._take(user, "basic", "API_KEY"), ""
        return self.text(user), self._take(password or "", "basic", "PASSWORD", known=password is not None)

    def parameter(self, name: str, value: str, place: str, text: Callable[[str], str]) -> str:
        """Return a parameter's value as its place writes it, with the credential taken out."""
        if value and (is_credential(name) if place == "query" else is_body_credential(name)):
            return self._take(value, place, "API_KEY" if "key" in name.lower() else "TOKEN")
        return text(value)

    def segment(self, text: str, *, last: bool) -> str:
        """Return a segment of the URL's path, with a credential that is known to stand there taken out."""
        if bot := _TOKEN_SEGMENT.match(text):
            return bot[1] + self._take(bot[2], "path", "BOT_TOKEN")
        if last and self._origin.host == "hooks.slack.com" and text:
            return self._take(text, "path", "WEBHOOK")
        return self.text(text)

    def text(self, text: str) -> str:
        """Return a text with the shell's variables as variables, and braces as literal ones."""
        escaped = text.replace(OPENING, '{{"{{"}}')
        return SHELL_VARIABLE.sub(lambda found: f"{{{{{found[1][:64]}}}}}", escaped)

    def _take(self, value: str, place: str, kind: str, *, known: bool = True) -> str:
        place = place if ":" in place or place in ("basic", "query", "path", "body") else f"header:{place}"
        variable = SHELL_VARIABLE.search(value)
        name = variable[1].upper() if variable else f"{self._label}_{kind}"
        name = self._free_name(name if _PLAIN_NAME.fullmatch(name) else f"KEY_{name}"[:60], value)
        if variable and variable[0] != value:  # part of it is literal: the whole is not one credential
            before, after = value[: variable.start()], value[variable.end() :]
            self._add(name, place, None)
            return self.text(before) + f"{{{{secrets.{name}}}}}" + self.text(after)
        self._add(name, place, None if variable or not known else value)
        return f"{{{{secrets.{name}}}}}"

    def _free_name(self, name: str, value: str) -> str:
        taken = {each.suggested_name: each.value for each in self.found}
        number, free = 2, name
        while free in taken and taken[free] not in (value, None):
            free, number = f"{name[:60]}_{number}", number + 1
        return free

    def _add(self, name: str, place: str, value: str | None) -> None:
        credential = CurlCredential(name, place, authority(self._origin), value)
        if credential not in self.found:
            self.found.append(credential)


def is_credential(name: str) -> bool:
    """Tell whether a header or query parameter of this name holds a credential."""
    return bool(_NAMED.search(name) or _COMPOUND.search(name)) and not _NO_CREDENTIALS.match(name)


def is_body_credential(name: str) -> bool:
    """Tell whether a form field or JSON member of this name holds a credential."""
    return bool(_IN_BODIES.match(name) or _COMPOUND.search(name)) and not _NO_CREDENTIALS.match(name)


def decoded_basic(value: str) -> tuple[str, str] | None:
    """Return user and password of an ``Authorization: Basic …`` header; None where it is none that can be read."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
