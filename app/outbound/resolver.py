"""From names to addresses: the system's resolver, or the DNS server that the operator named."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import dns.exception
import dns.resolver

from app.kernel.errors import UpstreamUnreachable

Resolve = Callable[[str], tuple[str, ...]]
"""Gives every address of a name, each once; raises ``UpstreamUnreachable`` where there is none."""

LOOPBACK: Final = ("127.0.0.1", "::1")
_SECONDS_A_TRY: Final = 1.0
_SECONDS_A_QUESTION: Final = 2.5


def is_localhost(host: str) -> bool:
    """Tell whether a name means this machine whatever a DNS server says (RFC 6761, section 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def ask_system(host: str) -> tuple[str, ...]:
    """Ask as every other program on this machine does; how long that takes, its ``resolv.conf`` bounds."""
    try:
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError:
        raise _unresolvable(host) from None
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))  # a zone ("%eth0") stands apart


def resolver_at(server: str) -> Resolve:
    """Make a resolver that asks one DNS server, ``ip:port``, and neither ``/etc/hosts`` nor search domains.

    The server follows CNAMEs. Raises ``ValueError`` for what is no ``ip:port``.
    """
    address, port = _server(server)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [address]
    resolver.port = port
    resolver.timeout = _SECONDS_A_TRY
    resolver.lifetime = _SECONDS_A_QUESTION

    def ask(host: str) -> tuple[str, ...]:
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer = resolver.resolve(f"{host}.", kind, raise_on_no_answer=False, search=False)
            except dns.resolver.NXDOMAIN:
                break
            except dns.exception.DNSException:
                continue  # half an answer is one: only what was vetted is connected to
            found += [str(record) for record in answer.rrset or ()]
        if not found:
            raise _unresolvable(host)
        return tuple(dict.fromkeys(found))

    return ask


def _server(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    try:
        if not 0 < int(port) <= 65535:
            raise ValueError
        return str(ip_address(address.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        raise ValueError(f"{text!r} isn't an address and port of a DNS server, such as 10.0.0.2:53") from None


def _unresolvable(host: str) -> UpstreamUnreachable:
    return UpstreamUnreachable(f"The name {host} doesn't resolve to an address.")
