"""What the text of a setting may be.

Each function reads one kind of text and raises ``ValueError`` for any other; its docstring completes "must be".
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url

_RATE: Final = re.compile(r"[1-9][0-9]*/(second|minute|hour|day)")


def whole_number(least: int, greatest: int) -> Callable[[str], int]:
    """Make a function that reads a whole number between two bounds, both included."""

    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= greatest:
            raise ValueError
        return number

    parse.__doc__ = f"a whole number from {least} to {greatest}"
    return parse


def guesses(text: str) -> float:
    """a number from 0 on, such as 1e14"""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError
    return number


def networks(text: str) -> tuple[str, ...]:
    """networks as CIDRs, with commas between"""
    return tuple(str(ipaddress.ip_network(part.strip())) for part in text.split(",") if part.strip())


def allow_or_refuse(text: str) -> bool:
    """refuse or allow"""
    return {"refuse": False, "allow": True}[text]


def resolver(text: str) -> str:
    """ip:port"""
    address, _, port = text.rpartition(":")
    ipaddress.ip_address(address.strip("[]"))
    whole_number(1, 65535)(port)
    return text


def rate(text: str) -> str:
    """a rate such as 10/minute"""
    if not _RATE.fullmatch(text):
        raise ValueError
    return text


def url(text: str) -> str:
    """an http or https URL"""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or (parts.port or 1) < 1:
        raise ValueError
    return text.rstrip("/")


def issuer(text: str) -> str:
    """an https URL, or an http one on loopback"""
    parts = urlsplit(text)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError
    if not parts.hostname or parts.query or parts.fragment or parts.username or (parts.port or 1) < 1:
        raise ValueError
    return text


def database(text: str) -> str:
    """a SQLAlchemy URL of SQLite or PostgreSQL"""
    if make_url(text).get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError
    return text


def mount(text: str) -> str:
    """a mount's path, without slashes around it"""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text):
        raise ValueError
    return text


def file(text: str) -> Path:
    """a file that can be read"""
    path = Path(text)
    with path.open("rb"):
        return path


def authorities(text: str) -> Path:
    """a PEM file of certificates that can be read"""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(text)
    return Path(text)


def redis(text: str) -> str:
    """a URL such as redis://host:6379, or with rediss:// for TLS"""
    parts = urlsplit(text)
    socket = parts.scheme == "redis+unix" and parts.path
    if not socket and (parts.scheme not in ("redis", "rediss") or not parts.hostname or (parts.port or 1) < 1):
        raise ValueError
    return text


def pem(text: str) -> str:
    """certificates in PEM"""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    return text


def folder(text: str) -> Path:
    """a folder that can be read"""
    path = Path(text)
    next(path.iterdir(), None)
    return path


def host_name(text: str) -> str:
    """a host name"""
    if not re.fullmatch(r"[A-Za-z0-9_:.-]{1,253}", text):
        raise ValueError
    return text


def forward(text: str) -> str | None:
    """active-node or off"""
    return {"active-node": "active-node", "off": None}[text]
