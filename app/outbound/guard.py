"""Decides where a call may go, before any value is read: the host by the secrets' rules, then every address of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from app.kernel.errors import DestinationNotAllowed, UpstreamUnreachable
from app.outbound.addresses import METADATA, IPAddress, embedded_addresses, why_not_public
from app.outbound.hosts import is_address, is_canonical, matches
from app.outbound.model import Destination, Origin, OutboundRules, UsedSecret
from app.outbound.resolver import LOOPBACK, ask_system, is_localhost, resolver_at
from app.outbound.urls import Reason, destination_refusal


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an address is: public, in a network that the operator named, a cloud's metadata service."""

    public: bool
    named: bool
    metadata: bool


class Guard:
    """Vets destinations by the operator's rules. Safe to share between threads."""

    def __init__(self, rules: OutboundRules) -> None:
        """Read the rules, resolving the names of ``never``.

        Raises ``ValueError`` with a sentence for a network or resolver that is none.
        """
        self._plain_http = rules.plain_http
        self._networks = tuple(_network(text) for text in rules.networks)
        self._ask = ask_system if rules.resolver is None else resolver_at(rules.resolver)
        self._standing = lru_cache(maxsize=4096)(self._judge)
        self._localhost = tuple(text for text in LOOPBACK if self._standing(text).named) or LOOPBACK
        self._never_hosts = frozenset((_bare(host), port) for host, port in rules.never)
        self._never = frozenset((address, port) for host, port in rules.never for address in _addresses_of(host))
        self._never_ports = frozenset(port for _, port in rules.never)
        self._own_ports = frozenset(port for address, port in self._never if _is_this_machine(address))

    def check(self, origin: Origin, secrets: Sequence[UsedSecret]) -> Destination:
        """Vet a call's destination and pin the addresses to connect to; every redirect hop is vetted anew.

        The name is resolved once, after every secret's hosts have been looked at, and all of its addresses have to
        pass.

        Raises:
            DestinationNotAllowed: with a ``Reason`` in ``extra["reason"]``.
            UpstreamUnreachable: the name doesn't resolve.
        """
        if origin.scheme == "http" and not self._plain_http:
            raise destination_refusal("Plain http is not allowed: use https.", Reason.PLAIN_HTTP)
        if not is_canonical(origin.host):
            raise destination_refusal(
                "Write the host plainly: a name, or an address in its usual form.", Reason.HOST_FORM
            )
        for secret in secrets:
            if not matches(secret.allowed_hosts, origin, any_host=secret.any_host):
                raise _host_refused(secret, origin)
        addresses = self._resolve(origin.host)
        for address in addresses:
            self._vet(origin, address, secrets)
        return Destination(origin=origin, addresses=addresses, secrets=tuple(secrets))

    def _resolve(self, host: str) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        return self._localhost if is_localhost(host) else self._ask(host)

    def _vet(self, origin: Origin, address: str, secrets: Sequence[UsedSecret]) -> None:
        standing = self._standing(address)
        if not (standing.public or standing.named):
            if standing.metadata:
                raise destination_refusal(f"{origin.host} is a cloud's metadata service.", Reason.METADATA)
            raise destination_refusal(f"{origin.host} has an address that is not public.", Reason.ADDRESS)
        if origin.scheme == "http" and not standing.named:
            raise destination_refusal(
                "Plain http is allowed to the operator's own networks only: use https.", Reason.PLAIN_HTTP
            )
        if not standing.public:
            for secret in secrets:  # '*' means public hosts, not whatever else the operator lets pass
                if not matches(secret.allowed_hosts, origin, any_host=False):
                    raise _host_refused(secret, origin)
        if origin.port in self._never_ports and self._is_never(origin, address):
            raise destination_refusal(
                f"{origin.host}, port {origin.port}, belongs to Strongroom itself.", Reason.OWN_SERVICE
            )

    def _judge(self, text: str) -> _Standing:
        address = ip_address(text)
        metadata = address in METADATA
        named = any(address in network and (not metadata or network.num_addresses == 1) for network in self._networks)
        carried = [self._judge(str(inner)) for inner in embedded_addresses(address)]
        if carried:  # a translator's address is what it leads to, if the operator has such a translator at all
            return _Standing(
                public=named and all(inner.public for inner in carried),
                named=named and all(inner.public or inner.named for inner in carried),
                metadata=any(inner.metadata for inner in carried),
            )
        return _Standing(public=why_not_public(address) is None, named=named, metadata=metadata)

    def _is_never(self, origin: Origin, text: str) -> bool:
        address = ip_address(text)
        return (origin.host, origin.port) in self._never_hosts or any(
            (each, origin.port) in self._never or (origin.port in self._own_ports and _is_this_machine(each))
            for each in (address, *embedded_addresses(address))
        )


def _host_refused(secret: UsedSecret, origin: Origin) -> DestinationNotAllowed:
    return destination_refusal(
        f"The secret {secret.name} may not go to {origin.host}, port {origin.port}.", Reason.HOST
    )


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} isn't a network, such as 10.1.0.0/16") from None


def _bare(host: str) -> str:
    return host.lower().removesuffix(".").removeprefix("[").removesuffix("]")


def _addresses_of(host: str) -> Iterator[IPAddress]:
    """Every address of one of our own services: found as its client finds it, with the system's resolver."""
    bare = _bare(host)
    try:
        texts = LOOPBACK if is_localhost(bare) else (bare,) if ":" in bare else ask_system(bare)
    except UpstreamUnreachable:
        return  # it is still refused by its name
    for address in map(ip_address, texts):
        yield from (address, *embedded_addresses(address))


def _is_this_machine(address: IPAddress) -> bool:
    """Tell whether an address leads to this machine: one that can be bound here does."""
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
