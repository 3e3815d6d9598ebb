"""Which addresses are not public: an explicit table, since ``ipaddress.is_global`` misses some that matter. Pure.

Sources: IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), of which every entry is here, those called
"globally reachable" too, since nobody's API lives on them; IANA's IPv6 address space, where 2000::/3 alone is global
unicast; and what clouds answer on inside their own networks.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

IPAddress = IPv4Address | IPv6Address

NOT_PUBLIC: Final[tuple[tuple[str, str], ...]] = (
    # IPv4
    ("0.0.0.0/8", "this network (RFC 791)"),
    ("10.0.0.0/8", "private use (RFC 1918)"),
    ("100.64.0.0/10", "shared address space of carriers (RFC 6598)"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("169.254.0.0/16", "link local (RFC 3927)"),
    ("172.16.0.0/12", "private use (RFC 1918)"),
    ("192.0.0.0/24", "IETF protocol assignments (RFC 6890)"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.31.196.0/24", "AS112-v4 (RFC 7535)"),
    ("192.52.193.0/24", "AMT (RFC 7450)"),
    ("192.88.99.0/24", "6to4 relay anycast (RFC 7526)"),
    ("192.168.0.0/16", "private use (RFC 1918)"),
    ("192.175.48.0/24", "direct delegation AS112 (RFC 7534)"),
    ("198.18.0.0/15", "benchmarking (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
    ("255.255.255.255/32", "limited broadcast (RFC 8190)"),
    # IPv6 outside 2000::/3, where nothing is global unicast
    ("::/3", "not global unicast (RFC 4291)"),
    ("::/128", "unspecified (RFC 4291)"),
    ("::1/128", "loopback (RFC 4291)"),
    ("::/96", "IPv4-compatible (RFC 4291)"),
    ("::ffff:0:0/96", "IPv4-mapped (RFC 4291)"),
    ("::ffff:0:0:0/96", "IPv4-translated (RFC 2765)"),
    ("64:ff9b::/96", "NAT64 (RFC 6052)"),
    ("64:ff9b:1::/48", "NAT64 for local use (RFC 8215)"),
    ("100::/64", "discard only (RFC 6666)"),
    ("100:0:0:1::/64", "dummy prefix (RFC 9780)"),
    ("4000::/2", "not global unicast (RFC 4291)"),
    ("5f00::/16", "segment routing (RFC 9602)"),
    ("8000::/1", "not global unicast (RFC 4291)"),
    ("fc00::/7", "unique local (RFC 4193)"),
    ("fe80::/10", "link local (RFC 4291)"),
    ("fec0::/10", "site local (RFC 3879)"),
    ("ff00::/8", "multicast (RFC 4291)"),
    # IPv6 inside 2000::/3
    ("2001::/23", "IETF protocol assignments (RFC 2928)"),
    ("2001::/32", "Teredo (RFC 4380)"),
    ("2001:2::/48", "benchmarking (RFC 5180)"),
    ("2001:3::/32", "AMT (RFC 7450)"),
    ("2001:4:112::/48", "AS112-v6 (RFC 7535)"),
    ("2001:10::/28", "ORCHID (RFC 4843)"),
    ("2001:20::/28", "ORCHIDv2 (RFC 7343)"),
    ("2001:30::/28", "drone remote identification (RFC 9374)"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4 (RFC 3056)"),
    ("2620:4f:8000::/48", "direct delegation AS112 (RFC 7534)"),
    ("3ffe::/16", "6bone, returned (RFC 3701)"),
    ("3fff::/20", "documentation (RFC 9637)"),
)

# Where clouds hand credentials and configuration to whoever asks from inside. A network that the operator names opens
# them only when it is that one address: 100.64.0.0/10 or 169.254.0.0/16 is named for other reasons.
METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Oracle, DigitalOcean, OpenStack, …
        "169.254.169.253",  # AWS's resolver
        "169.254.170.2",  # AWS ECS credentials
        "169.254.170.23",  # AWS EKS credentials
        "169.254.0.23",  # Tencent
        "169.254.42.42",  # Scaleway
        "168.63.129.16",  # Azure's wire server, in the middle of public space
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle Cloud, classic
        "fd00:ec2::23",  # AWS EKS credentials
        "fd00:ec2::253",  # AWS's resolver
        "fd00:ec2::254",  # AWS
        "fd00:c1::a9fe:a9fe",  # Oracle
        "fd00:42::42",  # Scaleway
        "fd20:ce::254",  # Google
        "fe80::a9fe:a9fe",  # OpenStack
    )
)

_Ranges = tuple[tuple[int, int, str], ...]


def _ranges(version: int) -> _Ranges:
    networks = [(ip_network(cidr), label) for cidr, label in NOT_PUBLIC]
    ours = sorted((entry for entry in networks if entry[0].version == version), key=lambda e: -e[0].prefixlen)
    return tuple((int(net.network_address), int(net.broadcast_address), label) for net, label in ours)


_NARROWEST_FIRST: Final = {4: _ranges(4), 6: _ranges(6)}
_IPV4_AT_THE_END: Final = tuple(
    ip_network(cidr) for cidr in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_LOW_32_BITS: Final = 0xFFFFFFFF


@lru_cache(maxsize=4096)
def why_not_public(address: IPAddress) -> str | None:
    """Return what an address is for when it isn't public, and None when it is."""
    number = int(address)
    for first, last, label in _NARROWEST_FIRST[address.version]:
        if first <= number <= last:
            return label
    if address in METADATA:
        return "metadata service"
    if address.version == 6 and _is_isatap(number):
        return "ISATAP (RFC 5214)"
    return None


def embedded_addresses(address: IPAddress) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that a translator or tunnel would reach by this IPv6 address.

    A prefix under 64:ff9b:1::/48 is read as one of 96 bits, the usual length; RFC 6052 knows shorter ones.
    """
    if isinstance(address, IPv4Address):
        return ()
    if address.teredo is not None:
        return address.teredo
    if address.sixtofour is not None:
        return (address.sixtofour,)
    number = int(address)
    if number <= 1:  # the unspecified and the loopback address lie in ::/96 and carry nothing
        return ()
    if any(address in network for network in _IPV4_AT_THE_END) or _is_isatap(number):
        return (IPv4Address(number & _LOW_32_BITS),)
    return ()


def _is_isatap(number: int) -> bool:
    return (number >> 32) & _LOW_32_BITS in _ISATAP
