from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.kernel.errors import UpstreamUnreachable
from app.outbound.resolver import ask_system, is_localhost, resolver_at
from tests.support.dns import DnsServer


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def test_every_address_of_a_name_is_found_once(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    assert sorted(resolver_at(dns_server.address)("api.example.com")) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert dns_server.asked("api.example.com", "A") == 1
    assert dns_server.asked("api.example.com", "AAAA") == 1


@pytest.mark.parametrize("addresses", [["192.0.2.1"], ["2001:db8::1"]])
def test_one_kind_of_address_is_enough(dns_server: DnsServer, addresses: list[str]) -> None:
    dns_server.answer("api.example.com", addresses)
    assert resolver_at(dns_server.address)("api.example.com") == tuple(addresses)


def test_an_alias_is_followed(dns_server: DnsServer) -> None:
    dns_server.alias("www.example.com", "lb.example.net")
    dns_server.alias("lb.example.net", "node.example.net")
    dns_server.answer("node.example.net", ["192.0.2.7"])
    assert resolver_at(dns_server.address)("www.example.com") == ("192.0.2.7",)


def test_a_name_that_does_not_exist_is_unreachable(dns_server: DnsServer) -> None:
    with pytest.raises(UpstreamUnreachable, match=r"nowhere\.example\.com"):
        resolver_at(dns_server.address)("nowhere.example.com")


def test_a_name_without_addresses_is_unreachable(dns_server: DnsServer) -> None:
    dns_server.answer("empty.example.com", [])
    with pytest.raises(UpstreamUnreachable):
        resolver_at(dns_server.address)("empty.example.com")


def test_half_an_answer_is_one(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", ["192.0.2.1"])
    dns_server.fail("api.example.com", "AAAA")
    assert resolver_at(dns_server.address)("api.example.com") == ("192.0.2.1",)


def test_a_failing_server_makes_the_name_unreachable(dns_server: DnsServer) -> None:
    dns_server.fail("api.example.com", "A")
    dns_server.fail("api.example.com", "AAAA")
    with pytest.raises(UpstreamUnreachable) as failure:
        resolver_at(dns_server.address)("api.example.com")
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_a_silent_server_is_not_waited_for_without_end(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", ["2001:db8::1"])
    dns_server.keep_silent("api.example.com", "A")
    assert resolver_at(dns_server.address)("api.example.com") == ("2001:db8::1",)


def test_neither_hosts_file_nor_search_domains_are_looked_at(dns_server: DnsServer) -> None:
    with pytest.raises(UpstreamUnreachable):
        resolver_at(dns_server.address)("localhost")
    assert dns_server.asked("localhost", "A") == 1
    assert dns_server.questions == 1


def test_the_answer_may_change_with_each_question(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", ["192.0.2.1"], ["192.0.2.2"])
    ask = resolver_at(dns_server.address)
    assert [ask("api.example.com") for _ in range(3)] == [("192.0.2.1",), ("192.0.2.2",), ("192.0.2.2",)]


@pytest.mark.parametrize(
    "text", ["", "10.0.0.2", "dns.example.com:53", "10.0.0.2:0", "10.0.0.2:x", "10.0.0.2:65536", ":53"]
)
def test_what_is_no_dns_server_is_refused_at_start(text: str) -> None:
    with pytest.raises(ValueError, match="isn't an address and port of a DNS server"):
        resolver_at(text)


@pytest.mark.parametrize("text", ["10.0.0.2:53", "[2001:db8::53]:53"])
def test_a_dns_server_is_an_address_and_a_port(text: str) -> None:
    assert callable(resolver_at(text))


def test_the_system_knows_its_own_name() -> None:
    assert set(ask_system("localhost")) & {"127.0.0.1", "::1"}


def test_a_name_that_the_system_does_not_know_is_unreachable() -> None:
    with pytest.raises(UpstreamUnreachable) as failure:
        ask_system("a" * 64)  # no DNS server is asked: a label has 63 characters at most
    assert failure.value.__suppress_context__


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "a.b.localhost"])
def test_localhost_and_what_is_under_it_mean_this_machine(host: str) -> None:
    assert is_localhost(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "notlocalhost", "localhosts"])
def test_a_name_that_only_looks_like_it_does_not(host: str) -> None:
    assert not is_localhost(host)


def test_a_zone_is_no_part_of_an_address() -> None:
    assert ask_system("fe80::1%1") == ("fe80::1",)
