"""A DNS server on loopback, over UDP, that answers from a table: differently the second time, if it is told to."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_LONGEST_ALIAS_CHAIN = 8


class DnsServer:
    """Answers A and AAAA questions; a name that isn't in the table doesn't exist (NXDOMAIN).

    Use it as a context manager; ``address`` is its ``ip:port``, as ``OutboundRules.resolver`` takes it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._rounds: dict[str, tuple[Sequence[str], ...]] = {}
        self._aliases: dict[str, str] = {}
        self._refused: dict[tuple[str, str], dns.rcode.Rcode | None] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """The server's ``ip:port``."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def answer(self, name: str, *rounds: Sequence[str]) -> None:
        """Answer with these addresses, IPv4 and IPv6: one round a look-up, the last one from then on."""
        self._rounds[name] = rounds

    def alias(self, name: str, target: str) -> None:
        """Answer with a CNAME, and what it leads to behind it."""
        self._aliases[name] = target

    def fail(self, name: str, kind: str) -> None:
        """Answer such questions with SERVFAIL."""
        self._refused[name, kind] = dns.rcode.SERVFAIL

    def keep_silent(self, name: str, kind: str) -> None:
        """Don't answer such questions at all."""
        self._refused[name, kind] = None

    def asked(self, name: str, kind: str = "A") -> int:
        """How often the name was asked for."""
        return self._asked[name, kind]

    @property
    def questions(self) -> int:
        """How many questions came, of any kind."""
        return self._asked.total()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError, dns.exception.DNSException, OSError):
                wire, client = self._socket.recvfrom(4096)
                reply = self._reply(dns.message.from_wire(wire))
                if reply is not None:
                    self._socket.sendto(reply.to_wire(), client)

    def _reply(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        self._asked[name, kind] += 1
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if (name, kind) in self._refused:
            code = self._refused[name, kind]
            if code is None:
                return None
            reply.set_rcode(code)
            return reply
        turn = self._asked[name, kind] - 1
        for _ in range(_LONGEST_ALIAS_CHAIN):
            if name not in self._aliases:
                break
            target = self._aliases[name]
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{target}."))
            name = target
        if name not in self._rounds:
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return reply
        rounds = self._rounds[name]
        found = [text for text in rounds[min(turn, len(rounds) - 1)] if _kind(text) == kind]
        if found:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", kind, *found))
        return reply


def _kind(address: str) -> str:
    return "A" if ip_address(address).version == 4 else "AAAA"
