"""Destinations as somebody writes them who wants what lies behind the wall: all are refused, none connected to.

The guard under test has the defaults of production: https only, no network named. Hosts under ``evil.example`` answer
as the table ``NAMES`` says, by a DNS server that the tests run.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.kernel.errors import DestinationNotAllowed, StrongroomError, TemplateNotAllowed, ValidationFailed
from app.outbound.guard import Guard
from app.outbound.model import OutboundRules, UsedSecret
from app.outbound.urls import Reason, parse_url
from tests.support.dns import DnsServer

PUBLIC = "93.184.215.14"
VALIDATION, TEMPLATE = "validation_failed", "template_not_allowed"

NAMES = {
    "loop.evil.example": ["127.0.0.1"],
    "loop6.evil.example": ["::1"],
    "zero.evil.example": ["0.0.0.0"],
    "private.evil.example": ["10.0.0.1"],
    "link.evil.example": ["169.254.1.1"],
    "carrier.evil.example": ["100.64.0.1"],
    "metadata.evil.example": ["169.254.169.254"],
    "metadata6.evil.example": ["fd00:ec2::254"],
    "azure.evil.example": ["168.63.129.16"],
    "oracle.evil.example": ["192.0.0.192"],
    "mixed.evil.example": [PUBLIC, "127.0.0.1"],
    "mixed6.evil.example": [PUBLIC, "fe80::1"],
    "many.evil.example": [*(f"93.184.215.{n}" for n in range(1, 20)), "192.168.0.1"],
    "mapped.evil.example": ["::ffff:127.0.0.1"],
    "mappedpublic.evil.example": ["::ffff:93.184.215.14"],
    "compatible.evil.example": ["::127.0.0.1"],
    "nat64.evil.example": ["64:ff9b::127.0.0.1"],
    "nat64local.evil.example": ["64:ff9b:1::10.0.0.1"],
    "sixtofour.evil.example": ["2002:7f00:1::"],
    "teredo.evil.example": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "isatap.evil.example": ["2a00::5efe:10.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "instance-data": ["169.254.169.254"],
    "kubernetes.default.svc": ["10.96.0.1"],
}

HOSTILE: list[tuple[str, str]] = [
    # schemes
    ("ftp://api.evil.example/", Reason.SCHEME),
    ("file:///etc/passwd", Reason.SCHEME),
    ("file://localhost/etc/passwd", Reason.SCHEME),
    ("gopher://127.0.0.1:6379/_INFO", Reason.SCHEME),
    ("dict://127.0.0.1:11211/stats", Reason.SCHEME),
    ("ldap://127.0.0.1/", Reason.SCHEME),
    ("unix:///var/run/docker.sock", Reason.SCHEME),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/info", Reason.SCHEME),
    ("ws://127.0.0.1/", Reason.SCHEME),
    ("jar://127.0.0.1!/", Reason.SCHEME),
    ("data:text/plain,hi", VALIDATION),
    ("javascript:alert(1)", VALIDATION),
    ("//127.0.0.1/", VALIDATION),
    ("https:127.0.0.1", VALIDATION),
    ("https:/127.0.0.1/", VALIDATION),
    ("https:\\\\127.0.0.1\\", VALIDATION),
    ("http://api.evil.example/", Reason.PLAIN_HTTP),
    ("HTTP://127.0.0.1/", Reason.PLAIN_HTTP),
    ("http://169.254.169.254/latest/meta-data/iam/security-credentials/", Reason.PLAIN_HTTP),
    # userinfo, and what parsers disagree on
    ("https://api.good.example@127.0.0.1/", VALIDATION),
    ("https://api.good.example:443@127.0.0.1/", VALIDATION),
    ("https://127.0.0.1@api.good.example/", VALIDATION),
    ("https://user:password@127.0.0.1/", VALIDATION),
    ("https://@127.0.0.1/", VALIDATION),
    ("https://:@127.0.0.1/", VALIDATION),
    ("https://api.good.example%40127.0.0.1/", Reason.HOST_FORM),
    ("https://127.0.0.1\\@api.good.example/", VALIDATION),
    ("https://api.good.example\\@127.0.0.1/", VALIDATION),
    ("https://127.0.0.1#@api.good.example/", VALIDATION),
    ("https://127.0.0.1:443#.good.example/", VALIDATION),
    ("https://127.0.0.1 .good.example/", VALIDATION),
    ("https://127.0.0.1\t.good.example/", VALIDATION),
    ("https://127.0.0.1\r\n.good.example/", VALIDATION),
    ("https://127.0.0.1\x00.good.example/", VALIDATION),
    ("https://127.0.0.1;good.example/", VALIDATION),
    ("https://127.0.0.1,good.example/", VALIDATION),
    ("https://127.0.0.1%00.good.example/", Reason.HOST_FORM),
    ("https://127.0.0.1%2f.good.example/", Reason.HOST_FORM),
    ("https://127.0.0.1%23.good.example/", Reason.HOST_FORM),
    ("https://127.0.0.1?@api.good.example/", Reason.ADDRESS),
    ("https://127.0.0.1/@api.good.example/", Reason.ADDRESS),
    ("https:///127.0.0.1/", VALIDATION),
    ("https://", VALIDATION),
    # ports
    ("https://127.0.0.1:/", VALIDATION),
    ("https://127.0.0.1:0/", VALIDATION),
    ("https://127.0.0.1:65979/", VALIDATION),
    ("https://127.0.0.1:443:80/", VALIDATION),
    ("https://127.0.0.1:+443/", VALIDATION),
    ("https://127.0.0.1:0x1bb/", VALIDATION),
    ("https://127.0.0.1:４４３/", VALIDATION),
    ("https://127.0.0.1:22/", Reason.ADDRESS),
    ("https://[::1]:6379/", Reason.ADDRESS),
    # templates
    ("https://{{host}}/", TEMPLATE),
    ("https://127.0.0.{{n}}/", TEMPLATE),
    ("https://api.good.example:{{port}}/", TEMPLATE),
    ("{{scheme}}://api.good.example/", TEMPLATE),
    ("https://{{secrets.TOKEN}}.evil.example/", TEMPLATE),
    ("https://{{secrets.TOKEN}}@api.good.example/", TEMPLATE),
    ("https://api.good.example{{path}}", TEMPLATE),
    # loopback and the rest of IPv4, plainly
    ("https://127.0.0.1/", Reason.ADDRESS),
    ("https://127.1.2.3/", Reason.ADDRESS),
    ("https://127.255.255.254/", Reason.ADDRESS),
    ("https://0.0.0.0/", Reason.ADDRESS),
    ("https://0.1.2.3/", Reason.ADDRESS),
    ("https://10.0.0.1/", Reason.ADDRESS),
    ("https://100.64.0.1/", Reason.ADDRESS),
    ("https://172.31.255.254/", Reason.ADDRESS),
    ("https://192.168.1.1/", Reason.ADDRESS),
    ("https://169.254.1.1/", Reason.ADDRESS),
    ("https://192.0.0.8/", Reason.ADDRESS),
    ("https://192.88.99.1/", Reason.ADDRESS),
    ("https://198.18.0.1/", Reason.ADDRESS),
    ("https://224.0.0.1/", Reason.ADDRESS),
    ("https://240.0.0.1/", Reason.ADDRESS),
    ("https://255.255.255.255/", Reason.ADDRESS),
    # metadata services
    ("https://169.254.169.254/latest/meta-data/", Reason.METADATA),
    ("https://169.254.170.2/v2/credentials/", Reason.METADATA),
    ("https://168.63.129.16/machine/?comp=goalstate", Reason.METADATA),
    ("https://100.100.100.200/latest/meta-data/", Reason.METADATA),
    ("https://192.0.0.192/latest/", Reason.METADATA),
    ("https://[fd00:ec2::254]/latest/meta-data/", Reason.METADATA),
    ("https://[fd20:ce::254]/computeMetadata/v1/", Reason.METADATA),
    ("https://[fe80::a9fe:a9fe]/", Reason.METADATA),
    ("https://[::ffff:a9fe:a9fe]/", Reason.METADATA),
    ("https://[64:ff9b::a9fe:a9fe]/", Reason.METADATA),
    ("https://[2002:a9fe:a9fe::]/", Reason.METADATA),
    ("https://2852039166/", Reason.HOST_FORM),
    ("https://0xa9fea9fe/", Reason.HOST_FORM),
    ("https://0251.0376.0251.0376/", Reason.HOST_FORM),
    ("https://169.254.43518/", Reason.HOST_FORM),
    # other ways to write an IPv4 address
    ("https://2130706433/", Reason.HOST_FORM),
    ("https://02130706433/", Reason.HOST_FORM),
    ("https://4294967297/", Reason.HOST_FORM),
    ("https://017700000001/", Reason.HOST_FORM),
    ("https://0x7f000001/", Reason.HOST_FORM),
    ("https://0X7F000001/", Reason.HOST_FORM),
    ("https://0x7f.1/", Reason.HOST_FORM),
    ("https://0x7f.0x0.0x0.0x1/", Reason.HOST_FORM),
    ("https://0177.0.0.1/", Reason.HOST_FORM),
    ("https://0177.0.0.01/", Reason.HOST_FORM),
    ("https://127.1/", Reason.HOST_FORM),
    ("https://127.0.1/", Reason.HOST_FORM),
    ("https://127.65535/", Reason.HOST_FORM),
    ("https://127.0.0x0.1/", Reason.HOST_FORM),
    ("https://127.000.000.001/", Reason.HOST_FORM),
    ("https://127.0.0.01/", Reason.HOST_FORM),
    ("https://127.0.0.1./", Reason.HOST_FORM),
    ("https://127.0.0.1.:443/", Reason.HOST_FORM),
    ("https://0/", Reason.HOST_FORM),
    ("https://00/", Reason.HOST_FORM),
    ("https://0x/", Reason.HOST_FORM),
    ("https://127.0.0.256/", Reason.HOST_FORM),
    ("https://127.0.0.0.1/", Reason.HOST_FORM),
    ("https://383.0.0.1/", Reason.HOST_FORM),
    ("https://localhost.0x7f/", Reason.HOST_FORM),
    # the same, percent-encoded or in other scripts
    ("https://%31%32%37.0.0.1/", Reason.HOST_FORM),
    ("https://127%2e0%2e0%2e1/", Reason.HOST_FORM),
    ("https://127%E3%80%820%E3%80%820%E3%80%821/", Reason.HOST_FORM),
    ("https://%6c%6f%63%61%6c%68%6f%73%74/", Reason.HOST_FORM),
    ("https://%5b::1%5d/", VALIDATION),
    ("https://１２７.０.０.１/", Reason.HOST_FORM),
    ("https://127。0。0。1/", Reason.HOST_FORM),
    ("https://127．0．0．1/", Reason.HOST_FORM),
    ("https://127｡0｡0｡1/", Reason.HOST_FORM),
    ("https://①②⑦.⓪.⓪.①/", Reason.HOST_FORM),
    ("https://𝟏𝟐𝟕.𝟎.𝟎.𝟏/", Reason.HOST_FORM),
    ("https://¹²⁷.0.0.1/", Reason.HOST_FORM),
    ("https://0ｘ7f.1/", Reason.HOST_FORM),
    ("https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", Reason.HOST_FORM),
    ("https://ｌocalhost/", Reason.HOST_FORM),
    ("https://local\u00adhost/", Reason.HOST_FORM),
    ("https://local\u200bhost/", Reason.HOST_FORM),
    ("https://ſocal.evil.example/", Reason.HOST_FORM),
    ("https://api.good.example／.evil.example/", VALIDATION),
    ("https://api.good.example＠127.0.0.1/", VALIDATION),
    ("https://api.good.example℀.evil.example/", VALIDATION),
    ("https://١٢٧.0.0.1/", VALIDATION),
    # IPv6
    ("https://[::]/", Reason.ADDRESS),
    ("https://[::1]/", Reason.ADDRESS),
    ("https://[::2]/", Reason.ADDRESS),
    ("https://[fe80::1]/", Reason.ADDRESS),
    ("https://[fec0::1]/", Reason.ADDRESS),
    ("https://[fc00::1]/", Reason.ADDRESS),
    ("https://[fd12:3456::1]/", Reason.ADDRESS),
    ("https://[ff02::1]/", Reason.ADDRESS),
    ("https://[2001:db8::1]/", Reason.ADDRESS),
    ("https://[100::1]/", Reason.ADDRESS),
    ("https://[4000::1]/", Reason.ADDRESS),
    ("https://[5f00::1]/", Reason.ADDRESS),
    ("https://[3fff::1]/", Reason.ADDRESS),
    ("https://[0:0:0:0:0:0:0:1]/", Reason.HOST_FORM),
    ("https://[0000:0000:0000:0000:0000:0000:0000:0001]/", Reason.HOST_FORM),
    ("https://[::0001]/", Reason.HOST_FORM),
    ("https://[::1]./", VALIDATION),
    ("https://[::1/", VALIDATION),
    ("https://[[::1]]/", VALIDATION),
    ("https://::1/", VALIDATION),
    ("https://[:]/", Reason.HOST_FORM),
    ("https://[1::2::3]/", Reason.HOST_FORM),
    ("https://[v1.fe80::a]/", Reason.HOST_FORM),
    # IPv4 within IPv6
    ("https://[::ffff:127.0.0.1]/", Reason.HOST_FORM),
    ("https://[::ffff:7f00:1]/", Reason.ADDRESS),
    ("https://[::ffff:93.184.215.14]/", Reason.HOST_FORM),
    ("https://[::ffff:5db8:d70e]/", Reason.ADDRESS),
    ("https://[0:0:0:0:0:ffff:7f00:1]/", Reason.HOST_FORM),
    ("https://[::127.0.0.1]/", Reason.HOST_FORM),
    ("https://[::7f00:1]/", Reason.ADDRESS),
    ("https://[::ffff:0:7f00:1]/", Reason.ADDRESS),
    ("https://[64:ff9b::7f00:1]/", Reason.ADDRESS),
    ("https://[64:ff9b::127.0.0.1]/", Reason.HOST_FORM),
    ("https://[64:ff9b::5db8:d70e]/", Reason.ADDRESS),
    ("https://[64:ff9b:1::a00:1]/", Reason.ADDRESS),
    ("https://[64:ff9b:1:a00:0:100::]/", Reason.ADDRESS),
    ("https://[2002:7f00:1::]/", Reason.ADDRESS),
    ("https://[2002:a00:1::1]/", Reason.ADDRESS),
    ("https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", Reason.ADDRESS),
    ("https://[2a00::5efe:a00:1]/", Reason.ADDRESS),
    # zone ids
    ("https://[fe80::1%25eth0]/", Reason.HOST_FORM),
    ("https://[fe80::1%eth0]/", Reason.HOST_FORM),
    ("https://[::1%25lo]/", Reason.HOST_FORM),
    ("https://[::1%1]/", Reason.HOST_FORM),
    ("https://[2a00::1%25]/", Reason.HOST_FORM),
    # names of this machine
    ("https://localhost/", Reason.ADDRESS),
    ("https://LOCALHOST/", Reason.ADDRESS),
    ("https://localhost./", Reason.ADDRESS),
    ("https://localhost../", VALIDATION),
    ("https://anything.localhost/", Reason.ADDRESS),
    ("https://anything.localhost./", Reason.ADDRESS),
    # names that lead there
    ("https://loop.evil.example/", Reason.ADDRESS),
    ("https://loop6.evil.example/", Reason.ADDRESS),
    ("https://zero.evil.example/", Reason.ADDRESS),
    ("https://private.evil.example/", Reason.ADDRESS),
    ("https://link.evil.example/", Reason.ADDRESS),
    ("https://carrier.evil.example/", Reason.ADDRESS),
    ("https://metadata.evil.example/", Reason.METADATA),
    ("https://metadata6.evil.example/", Reason.METADATA),
    ("https://azure.evil.example/", Reason.METADATA),
    ("https://oracle.evil.example/", Reason.METADATA),
    ("https://mixed.evil.example/", Reason.ADDRESS),
    ("https://mixed6.evil.example/", Reason.ADDRESS),
    ("https://many.evil.example/", Reason.ADDRESS),
    ("https://mapped.evil.example/", Reason.ADDRESS),
    ("https://mappedpublic.evil.example/", Reason.ADDRESS),
    ("https://compatible.evil.example/", Reason.ADDRESS),
    ("https://nat64.evil.example/", Reason.ADDRESS),
    ("https://nat64local.evil.example/", Reason.ADDRESS),
    ("https://sixtofour.evil.example/", Reason.ADDRESS),
    ("https://teredo.evil.example/", Reason.ADDRESS),
    ("https://isatap.evil.example/", Reason.ADDRESS),
    ("https://metadata.google.internal/", Reason.METADATA),
    ("https://instance-data/", Reason.METADATA),
    ("https://kubernetes.default.svc/", Reason.ADDRESS),
    ("https://LOOP.evil.example./", Reason.ADDRESS),
    ("https://loop.evil.example:8443/", Reason.ADDRESS),
    ("https://alias.evil.example/", Reason.ADDRESS),
]


@pytest.fixture(scope="module")
def dns_server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        for name, addresses in NAMES.items():
            server.answer(name, addresses)
        server.alias("alias.evil.example", "private.evil.example")
        for public in ("api.evil.example", "api.good.example"):
            server.answer(public, [PUBLIC])
        yield server


@pytest.fixture(scope="module")
def guard(dns_server: DnsServer) -> Guard:
    return Guard(OutboundRules(resolver=dns_server.address))


def outcome(guard: Guard, url: str, *secrets: UsedSecret) -> str:
    """Say in one word why a URL is refused; "allowed" if it isn't."""
    try:
        guard.check(parse_url(url)[0], secrets)
    except DestinationNotAllowed as refused:
        return str(refused.extra["reason"])
    except (ValidationFailed, TemplateNotAllowed) as refused:
        return refused.code
    except StrongroomError as failed:
        pytest.fail(f"{url} was not refused but failed: {failed.code}")
    return "allowed"


def test_the_list_is_long_and_says_everything_once() -> None:
    assert len(HOSTILE) >= 120
    assert len({url for url, _ in HOSTILE}) == len(HOSTILE)


def test_the_list_has_every_reason_but_those_of_rules() -> None:
    needs_rules = {Reason.HOST, Reason.OWN_SERVICE, Reason.CARRIES_SECRET}
    assert {reason for _, reason in HOSTILE} == {*Reason, VALIDATION, TEMPLATE} - needs_rules


@pytest.mark.parametrize(("url", "reason"), HOSTILE, ids=[ascii(url) for url, _ in HOSTILE])
def test_a_hostile_destination_is_refused(guard: Guard, url: str, reason: str) -> None:
    assert outcome(guard, url) == reason


@pytest.mark.parametrize(("url", "reason"), HOSTILE, ids=[ascii(url) for url, _ in HOSTILE])
def test_a_secret_that_may_go_anywhere_does_not_go_there(guard: Guard, url: str, reason: str) -> None:
    assert outcome(guard, url, UsedSecret("TOKEN", ("*",))) == reason


@pytest.mark.parametrize(("url", "reason"), HOSTILE, ids=[ascii(url) for url, _ in HOSTILE])
def test_plain_http_where_it_is_allowed_leads_there_neither(dns_server: DnsServer, url: str, reason: str) -> None:
    guard = Guard(OutboundRules(plain_http=True, networks=("10.99.0.0/16",), resolver=dns_server.address))
    assert outcome(guard, url.replace("https:", "http:", 1)) != "allowed"


def test_the_same_names_are_allowed_where_they_are_public(guard: Guard) -> None:
    assert outcome(guard, "https://api.good.example/") == "allowed"
    assert outcome(guard, "https://API.good.example.:8443/{{path}}?q={{secrets.TOKEN}}") == "allowed"
    assert outcome(guard, f"https://{PUBLIC}/") == "allowed"
