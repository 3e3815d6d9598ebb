from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest

from app.kernel.errors import DestinationNotAllowed, UpstreamUnreachable
from app.outbound.guard import Guard
from app.outbound.model import Origin, OutboundRules, UsedSecret
from app.outbound.urls import Reason, parse_url
from tests.support.dns import DnsServer

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def check(guard: Guard, url: str, *secrets: UsedSecret) -> tuple[str, ...]:
    origin, _ = parse_url(url)
    destination = guard.check(origin, secrets)
    assert destination.origin == origin
    assert destination.secrets == secrets
    return destination.addresses


def refusal(guard: Guard, url: str, *secrets: UsedSecret) -> Reason:
    origin, _ = parse_url(url)
    with pytest.raises(DestinationNotAllowed) as refused:
        guard.check(origin, secrets)
    assert refused.value.detail.endswith(".")
    return Reason(str(refused.value.extra["reason"]))


def secret(*hosts: str, any_host: bool = True) -> UsedSecret:
    return UsedSecret("TOKEN", hosts, any_host)


# --- public hosts -----------------------------------------------------------------------------------------------------


def test_a_public_host_may_be_called_and_its_addresses_are_pinned(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", [PUBLIC, PUBLIC_6])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert check(guard, "https://api.example.com/") == (PUBLIC, PUBLIC_6)
    assert check(guard, "https://api.example.com:8443/") == (PUBLIC, PUBLIC_6)


@pytest.mark.parametrize(("url", "address"), [(f"https://{PUBLIC}/", PUBLIC), (f"https://[{PUBLIC_6}]/", PUBLIC_6)])
def test_a_public_address_is_called_without_asking_anybody(dns_server: DnsServer, url: str, address: str) -> None:
    assert check(Guard(OutboundRules(resolver=dns_server.address)), url) == (address,)
    assert dns_server.questions == 0


def test_one_address_that_is_not_public_spoils_the_name(dns_server: DnsServer) -> None:
    dns_server.answer("mixed.example.com", [PUBLIC, "10.0.0.1"])
    dns_server.answer("mixed6.example.com", [PUBLIC, PUBLIC_6, "fd00::1"])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert refusal(guard, "https://mixed.example.com/") == Reason.ADDRESS
    assert refusal(guard, "https://mixed6.example.com/") == Reason.ADDRESS


def test_a_name_is_resolved_once_so_that_a_second_answer_changes_nothing(dns_server: DnsServer) -> None:
    dns_server.answer("rebind.example.com", [PUBLIC], ["127.0.0.1"])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert check(guard, "https://rebind.example.com/", secret("rebind.example.com")) == (PUBLIC,)
    assert dns_server.asked("rebind.example.com", "A") == 1
    assert dns_server.asked("rebind.example.com", "AAAA") == 1


def test_each_check_looks_anew_so_that_a_redirect_to_a_rebound_name_is_refused(dns_server: DnsServer) -> None:
    dns_server.answer("rebind.example.com", [PUBLIC], ["127.0.0.1"])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    check(guard, "https://rebind.example.com/")
    assert refusal(guard, "https://rebind.example.com/") == Reason.ADDRESS


def test_an_alias_to_an_address_that_is_not_public_is_refused(dns_server: DnsServer) -> None:
    dns_server.alias("www.example.com", "inside.example.com")
    dns_server.answer("inside.example.com", ["192.168.1.1"])
    assert refusal(Guard(OutboundRules(resolver=dns_server.address)), "https://www.example.com/") == Reason.ADDRESS


def test_a_name_that_does_not_resolve_is_unreachable(dns_server: DnsServer) -> None:
    guard = Guard(OutboundRules(resolver=dns_server.address))
    with pytest.raises(UpstreamUnreachable):
        guard.check(Origin("https", "nowhere.example.com", 443), [])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "api.localhost"])
def test_localhost_never_goes_to_dns(dns_server: DnsServer, host: str) -> None:
    dns_server.answer("localhost", [PUBLIC])
    dns_server.answer("api.localhost", [PUBLIC])
    assert refusal(Guard(OutboundRules(resolver=dns_server.address)), f"https://{host}/") == Reason.ADDRESS
    assert dns_server.questions == 0


def test_a_refusal_does_not_tell_the_address_of_a_name(dns_server: DnsServer) -> None:
    dns_server.answer("inside.example.com", ["10.11.12.13"])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    with pytest.raises(DestinationNotAllowed) as refused:
        guard.check(Origin("https", "inside.example.com", 443), [])
    assert "10.11.12.13" not in refused.value.detail


# --- plain http -------------------------------------------------------------------------------------------------------


def test_plain_http_is_refused_unless_the_operator_allows_it(dns_server: DnsServer) -> None:
    guard = Guard(OutboundRules(networks=("127.0.0.0/8",), resolver=dns_server.address))
    assert refusal(guard, "http://127.0.0.1/") == Reason.PLAIN_HTTP
    assert refusal(guard, "http://api.example.com/") == Reason.PLAIN_HTTP
    assert dns_server.questions == 0


def test_plain_http_goes_to_the_operators_networks_only(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", [PUBLIC])
    dns_server.answer("mixed.example.com", ["10.1.0.1", PUBLIC])
    dns_server.answer("inside.example.com", ["10.1.0.1"])
    guard = Guard(OutboundRules(networks=("10.1.0.0/16",), plain_http=True, resolver=dns_server.address))
    assert check(guard, "http://inside.example.com/") == ("10.1.0.1",)
    assert refusal(guard, "http://api.example.com/") == Reason.PLAIN_HTTP
    assert refusal(guard, "http://mixed.example.com/") == Reason.PLAIN_HTTP
    assert refusal(guard, f"http://{PUBLIC}/") == Reason.PLAIN_HTTP
    assert refusal(guard, "http://10.2.0.1/") == Reason.ADDRESS


# --- the operator's networks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "url"),
    [
        (["127.0.0.0/8"], "https://127.0.0.1:9443/"),
        (["127.0.0.1"], "https://127.0.0.1:9443/"),
        (["::1/128"], "https://[::1]:9443/"),
        (["fd00:1::/32"], "https://[fd00:1::7]/"),
        (["10.1.0.0/16", "192.168.7.0/24"], "https://192.168.7.255/"),
        (["127.0.0.0/8"], "https://localhost:9443/"),
        (["::1"], "https://api.localhost:9443/"),
    ],
)
def test_a_network_that_the_operator_names_may_be_called(networks: Sequence[str], url: str) -> None:
    assert check(Guard(OutboundRules(networks=tuple(networks))), url)


@pytest.mark.parametrize("url", ["https://10.0.255.255/", "https://10.2.0.0/", "https://127.0.0.1/", "https://[::1]/"])
def test_naming_a_network_opens_no_other(url: str) -> None:
    assert refusal(Guard(OutboundRules(networks=("10.1.0.0/16",))), url) == Reason.ADDRESS


def test_localhost_means_the_loopback_addresses_that_the_operator_named() -> None:
    assert check(Guard(OutboundRules(networks=("127.0.0.0/8",))), "https://localhost/") == ("127.0.0.1",)
    assert check(Guard(OutboundRules(networks=("127.0.0.0/8", "::1"))), "https://localhost/") == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("network", "url"),
    [
        ("169.254.0.0/16", "https://169.254.169.254/"),
        ("169.254.169.254/31", "https://169.254.169.254/"),
        ("100.64.0.0/10", "https://100.100.100.200/"),
        ("168.63.0.0/16", "https://168.63.129.16/"),
        ("fd00::/8", "https://[fd00:ec2::254]/"),
        ("0.0.0.0/0", "https://169.254.170.2/"),
    ],
)
def test_a_wide_network_does_not_open_a_metadata_service_in_it(network: str, url: str) -> None:
    assert refusal(Guard(OutboundRules(networks=(network,))), url) == Reason.METADATA


def test_a_metadata_service_opens_where_it_is_named_alone() -> None:
    guard = Guard(OutboundRules(networks=("169.254.169.254/32",)))
    assert check(guard, "https://169.254.169.254/") == ("169.254.169.254",)


def test_a_translators_prefix_opens_no_more_than_what_it_translates_to(dns_server: DnsServer) -> None:
    dns_server.answer("nat64.example.com", ["64:ff9b::5db8:d70e"])
    guard = Guard(OutboundRules(networks=("64:ff9b::/96", "64:ff9b:1::/96"), resolver=dns_server.address))
    assert check(guard, "https://nat64.example.com/", secret("*")) == ("64:ff9b::5db8:d70e",)
    assert refusal(guard, "https://[64:ff9b::a00:1]/") == Reason.ADDRESS
    assert refusal(guard, "https://[64:ff9b::7f00:1]/") == Reason.ADDRESS
    assert refusal(guard, "https://[64:ff9b:1::a00:1]/") == Reason.ADDRESS
    assert refusal(guard, "https://[64:ff9b::a9fe:a9fe]/") == Reason.METADATA


@pytest.mark.parametrize("network", ["10.0.0.0/33", "10.0.0.1/8", "example.com", "", "10.0.0.0-10.0.0.255", "*"])
def test_a_network_that_is_none_stops_the_start(network: str) -> None:
    with pytest.raises(ValueError, match="isn't a network, such as"):
        Guard(OutboundRules(networks=(network,)))


def test_a_resolver_that_is_none_stops_the_start() -> None:
    with pytest.raises(ValueError, match="isn't an address and port of a DNS server"):
        Guard(OutboundRules(resolver="dns.example.com"))


# --- the hosts of secrets ---------------------------------------------------------------------------------------------


def test_a_host_that_a_secret_does_not_name_is_refused_before_any_dns_question(dns_server: DnsServer) -> None:
    dns_server.answer("evil.example.net", [PUBLIC])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert refusal(guard, "https://evil.example.net/", secret("api.example.com")) == Reason.HOST
    assert refusal(guard, "https://evil.example.net/", secret()) == Reason.HOST
    assert dns_server.questions == 0


def test_every_secret_of_the_call_has_to_allow_the_host(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", [PUBLIC])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    url = "https://api.example.com/"
    assert check(guard, url, secret("api.example.com"), secret("*.example.com"), secret("*"))
    assert refusal(guard, url, secret("api.example.com"), secret("b.example.com")) == Reason.HOST


def test_the_port_has_to_be_allowed_too(dns_server: DnsServer) -> None:
    dns_server.answer("api.example.com", [PUBLIC])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert check(guard, "https://api.example.com:8443/", secret("api.example.com:8443"))
    assert refusal(guard, "https://api.example.com:8443/", secret("api.example.com")) == Reason.HOST
    assert refusal(guard, "https://api.example.com/", secret("api.example.com:8443")) == Reason.HOST


def test_any_host_does_not_count_for_a_caller_who_may_not_use_it(dns_server: DnsServer) -> None:
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert refusal(guard, "https://api.example.com/", secret("*", any_host=False)) == Reason.HOST
    assert dns_server.questions == 0


def test_any_host_means_public_hosts_and_not_the_operators_networks(dns_server: DnsServer) -> None:
    dns_server.answer("inside.example.com", ["10.1.0.1"])
    guard = Guard(OutboundRules(networks=("10.1.0.0/16",), resolver=dns_server.address))
    assert refusal(guard, "https://10.1.0.1/", secret("*")) == Reason.HOST
    assert refusal(guard, "https://inside.example.com/", secret("*")) == Reason.HOST
    assert check(guard, "https://inside.example.com/", secret("*", "inside.example.com"))
    assert check(guard, "https://inside.example.com/", secret("*.example.com"))
    assert check(guard, "https://10.1.0.1/", secret("10.1.0.1"))
    assert check(guard, "https://10.1.0.1/")


def test_an_allowed_host_does_not_make_an_address_public(dns_server: DnsServer) -> None:
    dns_server.answer("inside.example.com", ["10.1.0.1"])
    guard = Guard(OutboundRules(resolver=dns_server.address))
    assert refusal(guard, "https://inside.example.com/", secret("inside.example.com")) == Reason.ADDRESS
    assert refusal(guard, "https://127.0.0.1:9443/", secret("127.0.0.1:9443")) == Reason.ADDRESS


def test_a_refusal_names_the_secret_and_the_host() -> None:
    with pytest.raises(DestinationNotAllowed, match=r"TOKEN may not go to api\.example\.com, port 443"):
        Guard(OutboundRules()).check(Origin("https", "api.example.com", 443), [secret("b.example.com")])


# --- Strongroom's own services ----------------------------------------------------------------------------------------

EVERYWHERE = ("0.0.0.0/0", "::/0")


@pytest.mark.parametrize(
    "never", ["127.0.0.1", "::1", "[::1]", "0.0.0.0", "::", "localhost", "LocalHost.", "127.0.0.9"]
)
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.10",
        "127.255.255.255",
        "localhost",
        "api.localhost",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[::7f00:1]",
    ],
)
def test_an_own_service_is_no_destination_by_any_address_of_this_machine(never: str, host: str) -> None:
    guard = Guard(OutboundRules(networks=EVERYWHERE, plain_http=True, never=((never, 8200),)))
    assert refusal(guard, f"https://{host}:8200/") == Reason.OWN_SERVICE
    assert refusal(guard, f"http://{host}:8200/") == Reason.OWN_SERVICE
    assert check(guard, f"https://{host}:8201/")


def test_an_own_service_is_no_destination_by_a_name_that_leads_to_it(dns_server: DnsServer) -> None:
    dns_server.answer("vault.example.com", ["10.1.0.1"])
    dns_server.answer("alias.example.com", ["10.1.0.1"])
    dns_server.answer("loop.example.com", ["127.0.0.1"])
    rules = OutboundRules(networks=EVERYWHERE, never=(("10.1.0.1", 8200), ("::1", 8000)), resolver=dns_server.address)
    guard = Guard(rules)
    for url in ("https://10.1.0.1:8200/", "https://vault.example.com:8200/", "https://alias.example.com:8200/"):
        assert refusal(guard, url) == Reason.OWN_SERVICE
    assert refusal(guard, "https://loop.example.com:8000/") == Reason.OWN_SERVICE
    assert check(guard, "https://vault.example.com/")
    assert check(guard, "https://10.1.0.2:8200/")


def test_an_own_service_is_refused_by_its_name_also_when_that_has_other_addresses_by_now(
    dns_server: DnsServer,
) -> None:
    name = socket.gethostname().lower()  # the one name, beside localhost, that no DNS server has to be asked for
    dns_server.answer(name, [PUBLIC])
    guard = Guard(OutboundRules(never=((name.upper(), 8200), ("db.localhost", 5432)), resolver=dns_server.address))
    assert refusal(guard, f"https://{name}:8200/") == Reason.OWN_SERVICE
    assert check(guard, f"https://{name}:8201/") == (PUBLIC,)


def test_an_own_service_on_a_public_address_is_no_destination_either() -> None:
    guard = Guard(OutboundRules(never=((PUBLIC, 8200),)))
    assert refusal(guard, f"https://{PUBLIC}:8200/") == Reason.OWN_SERVICE
    assert check(guard, f"https://{PUBLIC}/")


def test_a_service_that_listens_everywhere_is_no_destination_by_the_machines_other_addresses() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # UDP: nothing is sent, the kernel only chooses an address of ours
        except OSError:
            pytest.skip("this machine has no address beside loopback")
        ours = probe.getsockname()[0]
    guard = Guard(OutboundRules(networks=EVERYWHERE, never=(("0.0.0.0", 8000),)))
    assert not ours.startswith("127.")
    assert refusal(guard, f"https://{ours}:8000/") == Reason.OWN_SERVICE


def test_another_machine_may_be_called_on_a_port_that_we_use_ourselves() -> None:
    guard = Guard(OutboundRules(networks=EVERYWHERE, never=(("127.0.0.1", 8000),)))
    assert check(guard, f"https://{PUBLIC}:8000/") == (PUBLIC,)
