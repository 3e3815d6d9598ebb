from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from app.outbound.addresses import METADATA, NOT_PUBLIC, embedded_addresses, why_not_public

PUBLIC = None
UNALLOCATED = "not global unicast (RFC 4291)"

# Range, its first and last address, and what the address before and the one behind it are. Written by hand from the
# registries, not computed, so that a slip in the table can't agree with itself.
RANGES = [
    ("0.0.0.0/8", "0.0.0.0", "0.255.255.255", ..., ("1.0.0.0", PUBLIC)),
    ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", ("9.255.255.255", PUBLIC), ("11.0.0.0", PUBLIC)),
    ("100.64.0.0/10", "100.64.0.0", "100.127.255.255", ("100.63.255.255", PUBLIC), ("100.128.0.0", PUBLIC)),
    ("127.0.0.0/8", "127.0.0.0", "127.255.255.255", ("126.255.255.255", PUBLIC), ("128.0.0.0", PUBLIC)),
    ("169.254.0.0/16", "169.254.0.0", "169.254.255.255", ("169.253.255.255", PUBLIC), ("169.255.0.0", PUBLIC)),
    ("172.16.0.0/12", "172.16.0.0", "172.31.255.255", ("172.15.255.255", PUBLIC), ("172.32.0.0", PUBLIC)),
    ("192.0.0.0/24", "192.0.0.0", "192.0.0.255", ("191.255.255.255", PUBLIC), ("192.0.1.0", PUBLIC)),
    ("192.0.2.0/24", "192.0.2.0", "192.0.2.255", ("192.0.1.255", PUBLIC), ("192.0.3.0", PUBLIC)),
    ("192.31.196.0/24", "192.31.196.0", "192.31.196.255", ("192.31.195.255", PUBLIC), ("192.31.197.0", PUBLIC)),
    ("192.52.193.0/24", "192.52.193.0", "192.52.193.255", ("192.52.192.255", PUBLIC), ("192.52.194.0", PUBLIC)),
    ("192.88.99.0/24", "192.88.99.0", "192.88.99.255", ("192.88.98.255", PUBLIC), ("192.88.100.0", PUBLIC)),
    ("192.168.0.0/16", "192.168.0.0", "192.168.255.255", ("192.167.255.255", PUBLIC), ("192.169.0.0", PUBLIC)),
    ("192.175.48.0/24", "192.175.48.0", "192.175.48.255", ("192.175.47.255", PUBLIC), ("192.175.49.0", PUBLIC)),
    ("198.18.0.0/15", "198.18.0.0", "198.19.255.255", ("198.17.255.255", PUBLIC), ("198.20.0.0", PUBLIC)),
    ("198.51.100.0/24", "198.51.100.0", "198.51.100.255", ("198.51.99.255", PUBLIC), ("198.51.101.0", PUBLIC)),
    ("203.0.113.0/24", "203.0.113.0", "203.0.113.255", ("203.0.112.255", PUBLIC), ("203.0.114.0", PUBLIC)),
    ("224.0.0.0/4", "224.0.0.0", "239.255.255.255", ("223.255.255.255", PUBLIC), ("240.0.0.0", "reserved (RFC 1112)")),
    (
        "240.0.0.0/4",
        "240.0.0.0",
        "255.255.255.254",
        ("239.255.255.255", "multicast (RFC 5771)"),
        ("255.255.255.255", "limited broadcast (RFC 8190)"),
    ),
    ("255.255.255.255/32", "255.255.255.255", "255.255.255.255", ("255.255.255.254", "reserved (RFC 1112)"), ...),
    ("::/128", "::", "::", ..., ("::1", "loopback (RFC 4291)")),
    ("::1/128", "::1", "::1", ("::", "unspecified (RFC 4291)"), ("::2", "IPv4-compatible (RFC 4291)")),
    ("::/96", "::2", "::ffff:ffff", ("::1", "loopback (RFC 4291)"), ("::1:0:0", UNALLOCATED)),
    ("::ffff:0:0/96", "::ffff:0:0", "::ffff:ffff:ffff", ("::fffe:ffff:ffff", UNALLOCATED), ("::1:0:0:0", UNALLOCATED)),
    (
        "::ffff:0:0:0/96",
        "::ffff:0:0:0",
        "::ffff:0:ffff:ffff",
        ("::fffe:ffff:ffff:ffff", UNALLOCATED),
        ("::ffff:1:0:0", UNALLOCATED),
    ),
    (
        "64:ff9b::/96",
        "64:ff9b::",
        "64:ff9b::ffff:ffff",
        ("64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("64:ff9b::1:0:0", UNALLOCATED),
    ),
    (
        "64:ff9b:1::/48",
        "64:ff9b:1::",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        ("64:ff9b:0:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("64:ff9b:2::", UNALLOCATED),
    ),
    (
        "100::/64",
        "100::",
        "100::ffff:ffff:ffff:ffff",
        ("ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("100:0:0:1::", "dummy prefix (RFC 9780)"),
    ),
    (
        "100:0:0:1::/64",
        "100:0:0:1::",
        "100:0:0:1:ffff:ffff:ffff:ffff",
        ("100::ffff:ffff:ffff:ffff", "discard only (RFC 6666)"),
        ("100:0:0:2::", UNALLOCATED),
    ),
    (
        "::/3",
        "::1:0:0",
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("::ffff:ffff", "IPv4-compatible (RFC 4291)"),
        ("2000::", PUBLIC),
    ),
    (
        "4000::/2",
        "4000::",
        "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
        ("8000::", UNALLOCATED),
    ),
    (
        "5f00::/16",
        "5f00::",
        "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("5f01::", UNALLOCATED),
    ),
    (
        "8000::/1",
        "8000::",
        "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("fc00::", "unique local (RFC 4193)"),
    ),
    (
        "fc00::/7",
        "fc00::",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("fe00::", UNALLOCATED),
    ),
    (
        "fe80::/10",
        "fe80::",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UNALLOCATED),
        ("fec0::", "site local (RFC 3879)"),
    ),
    (
        "fec0::/10",
        "fec0::",
        "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link local (RFC 4291)"),
        ("ff00::", "multicast (RFC 4291)"),
    ),
    (
        "ff00::/8",
        "ff00::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site local (RFC 3879)"),
        ...,
    ),
    (
        "2001::/32",
        "2001::",
        "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
        ("2001:1::", "IETF protocol assignments (RFC 2928)"),
    ),
    (
        "2001:2::/48",
        "2001:2::",
        "2001:2:0:ffff:ffff:ffff:ffff:ffff",
        ("2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "IETF protocol assignments (RFC 2928)"),
        ("2001:2:1::", "IETF protocol assignments (RFC 2928)"),
    ),
    (
        "2001:3::/32",
        "2001:3::",
        "2001:3:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:2:ffff:ffff:ffff:ffff:ffff:ffff", "IETF protocol assignments (RFC 2928)"),
        ("2001:4::", "IETF protocol assignments (RFC 2928)"),
    ),
    (
        "2001:4:112::/48",
        "2001:4:112::",
        "2001:4:112:ffff:ffff:ffff:ffff:ffff",
        ("2001:4:111:ffff:ffff:ffff:ffff:ffff", "IETF protocol assignments (RFC 2928)"),
        ("2001:4:113::", "IETF protocol assignments (RFC 2928)"),
    ),
    (
        "2001:10::/28",
        "2001:10::",
        "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:f:ffff:ffff:ffff:ffff:ffff:ffff", "IETF protocol assignments (RFC 2928)"),
        ("2001:20::", "ORCHIDv2 (RFC 7343)"),
    ),
    (
        "2001:20::/28",
        "2001:20::",
        "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHID (RFC 4843)"),
        ("2001:30::", "drone remote identification (RFC 9374)"),
    ),
    (
        "2001:30::/28",
        "2001:30::",
        "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHIDv2 (RFC 7343)"),
        ("2001:40::", "IETF protocol assignments (RFC 2928)"),
    ),
    (
        "2001::/23",
        "2001:40::",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "drone remote identification (RFC 9374)"),
        ("2001:200::", PUBLIC),
    ),
    (
        "2001:db8::/32",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
        ("2001:db9::", PUBLIC),
    ),
    (
        "2002::/16",
        "2002::",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
        ("2003::", PUBLIC),
    ),
    (
        "2620:4f:8000::/48",
        "2620:4f:8000::",
        "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
        ("2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
        ("2620:4f:8001::", PUBLIC),
    ),
    (
        "3ffe::/16",
        "3ffe::",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff", PUBLIC),
        ("3fff::", "documentation (RFC 9637)"),
    ),
    (
        "3fff::/20",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6bone, returned (RFC 3701)"),
        ("3fff:1000::", PUBLIC),
    ),
]


def test_every_range_of_the_table_is_tried_here() -> None:
    assert sorted(cidr for cidr, *_ in RANGES) == sorted(cidr for cidr, _ in NOT_PUBLIC)


@pytest.mark.parametrize(("cidr", "first", "last", "before", "behind"), RANGES, ids=[entry[0] for entry in RANGES])
def test_a_range_begins_and_ends_where_the_registry_says(
    cidr: str, first: str, last: str, before: Any, behind: Any
) -> None:
    label = dict(NOT_PUBLIC)[cidr]
    assert ip_address(first) in ip_network(cidr)
    assert why_not_public(ip_address(first)) == label
    assert why_not_public(ip_address(last)) == label
    for neighbour in (before, behind):
        if neighbour is not ...:  # the address space ends there
            text, expected = neighbour
            assert why_not_public(ip_address(text)) == expected


@pytest.mark.parametrize(("_", "first", "last", "before", "behind"), RANGES, ids=[entry[0] for entry in RANGES])
def test_a_neighbour_is_next_door(_: str, first: str, last: str, before: Any, behind: Any) -> None:
    if before is not ...:
        assert int(ip_address(before[0])) == int(ip_address(first)) - 1
    if behind is not ...:
        assert int(ip_address(behind[0])) == int(ip_address(last)) + 1


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", "140.82.112.3", "192.0.1.1", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00::1"],
)
def test_an_ordinary_address_is_public(text: str) -> None:
    assert why_not_public(ip_address(text)) is None
    assert embedded_addresses(ip_address(text)) == ()


@pytest.mark.parametrize("text", sorted(map(str, METADATA)))
def test_a_metadata_address_is_not_public(text: str) -> None:
    assert why_not_public(ip_address(text)) is not None


@pytest.mark.parametrize("text", ["168.63.129.15", "168.63.129.17"])
def test_the_neighbours_of_azures_wire_server_are_public(text: str) -> None:
    assert why_not_public(ip_address(text)) is None


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("::ffff:7f00:1", "127.0.0.1"),
        ("::7f00:1", "127.0.0.1"),
        ("::ffff:0:a00:1", "10.0.0.1"),
        ("64:ff9b::a9fe:a9fe", "169.254.169.254"),
        ("64:ff9b:1::a00:1", "10.0.0.1"),
        ("2002:7f00:1::", "127.0.0.1"),
        ("2a00:1::5efe:a00:1", "10.0.0.1"),
        ("2a00:1::200:5efe:a00:1", "10.0.0.1"),
    ],
)
def test_an_address_that_embeds_ipv4_is_not_public_and_tells_what_it_carries(text: str, carried: str) -> None:
    assert why_not_public(ip_address(text)) is not None
    assert [str(inner) for inner in embedded_addresses(ip_address(text))] == [carried]


def test_a_teredo_address_carries_its_server_and_its_client() -> None:
    teredo = ip_address("2001:0:4136:e378:8000:63bf:f5ff:fffe")
    assert [str(inner) for inner in embedded_addresses(teredo)] == ["65.54.227.120", "10.0.0.1"]


@pytest.mark.parametrize("text", ["::", "::1", "127.0.0.1", "fe80::1"])
def test_other_addresses_carry_nothing(text: str) -> None:
    assert embedded_addresses(ip_address(text)) == ()
