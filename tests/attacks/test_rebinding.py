"""A name gives a public address when it is checked, and one of ours when it is connected to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.kernel.errors import DestinationNotAllowed, UpstreamTimeout, UpstreamUnreachable
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import Call, Destination, Field, Origin, OutboundRules, Slot, UsedSecret
from tests.support.dns import DnsServer
from tests.support.upstream import Upstream, upstream

NAME = "rebind.example.com"
CHECKED, BEHIND_THE_WALL = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as dns:
        yield dns


def prepared(dns: DnsServer, port: int) -> tuple[OutboundClient, Call, list[UsedSecret]]:
    # What the operator named stands for what is public; 127.0.0.2, which isn't named, for what lies behind the wall.
    client = OutboundClient(OutboundRules(networks=(f"{CHECKED}/32",), plain_http=True, resolver=dns.address))
    call = Call(
        "GET", Origin("http", NAME, port), Field(()), headers=(("X-Key", Field((Slot("TOKEN"),))),), timeout_seconds=2
    )
    return client, call, [UsedSecret("TOKEN", (f"{NAME}:{port}",))]


def send(client: OutboundClient, call: Call, destination: Destination) -> int:
    return client.send(call, destination, {"TOKEN": SecretValue("canary-12345678")}, workspace="acme").status


def test_the_connection_goes_to_the_address_that_was_checked(dns: DnsServer, upstream: Upstream) -> None:
    dns.answer(NAME, [CHECKED], [BEHIND_THE_WALL])
    client, call, secrets = prepared(dns, upstream.port)
    assert send(client, call, client.check(call, secrets)) == 200
    assert dns.asked(NAME) == 1
    assert upstream.seen[0].header("Host") == f"{NAME}:{upstream.port}"


def test_the_next_call_asks_anew_and_is_refused(dns: DnsServer, upstream: Upstream) -> None:
    dns.answer(NAME, [CHECKED], [BEHIND_THE_WALL])
    client, call, secrets = prepared(dns, upstream.port)
    send(client, call, client.check(call, secrets))
    with pytest.raises(DestinationNotAllowed):
        client.check(call, secrets)
    assert len(upstream.seen) == 1


def test_one_bad_address_among_good_ones_spoils_them(dns: DnsServer, upstream: Upstream) -> None:
    dns.answer(NAME, [CHECKED, BEHIND_THE_WALL])
    client, call, secrets = prepared(dns, upstream.port)
    with pytest.raises(DestinationNotAllowed):
        client.check(call, secrets)


def test_a_kept_connection_is_not_used_for_another_address_of_the_name(dns: DnsServer) -> None:
    dns.answer(NAME, ["127.0.0.1"], ["127.0.0.3"])
    with upstream() as first:
        client, call, secrets = prepared(dns, first.port)
        client = OutboundClient(
            OutboundRules(networks=("127.0.0.1/32", "127.0.0.3/32"), plain_http=True, resolver=dns.address)
        )
        send(client, call, client.check(call, secrets))
        with pytest.raises((UpstreamUnreachable, UpstreamTimeout)):  # nobody listens there
            send(client, call, client.check(call, secrets))
        assert len(first.seen) == 1


def test_where_one_address_is_dead_the_next_that_was_checked_is_taken(dns: DnsServer, upstream: Upstream) -> None:
    dns.answer(NAME, ["127.0.0.3", "127.0.0.1"])
    _, call, secrets = prepared(dns, upstream.port)
    client = OutboundClient(
        OutboundRules(networks=("127.0.0.1/32", "127.0.0.3/32"), plain_http=True, resolver=dns.address)
    )
    assert send(client, call, client.check(call, secrets)) == 200
    assert len(upstream.seen) == 1
