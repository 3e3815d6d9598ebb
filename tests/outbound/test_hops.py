"""Hops over real sockets: off unless asked for, each vetted anew, and a value goes to the call's own origin only."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from app.kernel.errors import RedirectRefused, UpstreamProtocol, UpstreamTimeout
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import (
    Body,
    Call,
    Field,
    FormBody,
    JsonBody,
    NoBody,
    Origin,
    OutboundRules,
    Response,
    Slot,
    Text,
    TextBody,
    UsedSecret,
)  # fmt: skip
from tests.support.dns import DnsServer
from tests.support.upstream import Script, Upstream, upstream

VALUE = "canary-7f3a9c21/d5e84b60"
SLOT = Field((Slot("TOKEN"),))


@pytest.fixture
def other() -> Iterator[Upstream]:
    with upstream() as there:
        yield there


@pytest.fixture
def client() -> Iterator[OutboundClient]:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True))
    yield client
    client.close()


def text(written: str) -> Field:
    return Field((Text(written),))


def to(location: str, status: int = 302) -> Script:
    return lambda handler: handler.answer(b"moved", status, {"Location": location})


def follow(
    client: OutboundClient,
    here: Upstream,
    *allowed: int,
    method: str = "GET",
    path: Field = text("/go"),  # noqa: B008  # frozen
    headers: tuple[tuple[str, Field], ...] = (("X-Key", SLOT), ("X-Plain", text("hello"))),
    basic: tuple[Field, Field] | None = None,
    body: Body = NoBody(),  # noqa: B008  # frozen
    follow_redirects: bool = True,
    timeout: float = 5.0,
) -> Response:
    call = Call(
        method=method,  # type: ignore[arg-type]
        origin=Origin("http", "127.0.0.1", here.port),
        path=path,
        headers=headers,
        basic=basic,
        body=body,
        follow_redirects=follow_redirects,
        timeout_seconds=timeout,
    )
    hosts = tuple(f"127.0.0.1:{port}" for port in (here.port, *allowed))
    destination = client.check(call, [UsedSecret("TOKEN", hosts)])
    return client.send(call, destination, {"TOKEN": SecretValue(VALUE)}, workspace="acme")


# --- which are followed, and how --------------------------------------------------------------------------------------


def test_a_redirect_is_handed_back_redacted_where_the_call_does_not_ask(
    client: OutboundClient, upstream: Upstream
) -> None:
    upstream.scripts["/go"] = to(f"/next?token={quote(VALUE, safe='')}")
    reply = follow(client, upstream, follow_redirects=False)
    assert (reply.status, len(reply.redirects), len(upstream.seen)) == (302, 0, 1)
    assert dict(reply.headers)["Location"] == "/next?token=[redacted:TOKEN]"


@pytest.mark.parametrize("location", ["/next?a=1", "next?a=1", "{origin}/next?a=1", "//{host}/next?a=1#part"])
def test_a_location_is_read_against_the_url_that_answered(
    client: OutboundClient, upstream: Upstream, location: str
) -> None:
    host = f"127.0.0.1:{upstream.port}"
    upstream.scripts["/go"] = to(location.format(origin=f"http://{host}", host=host))
    reply = follow(client, upstream)
    assert (reply.status, len(reply.redirects)) == (200, 1)
    assert reply.redirects == (Origin("http", "127.0.0.1", upstream.port),)
    assert upstream.seen[1].path == "/next?a=1"
    assert upstream.seen[1].header("X-Key") == VALUE


def twice(first: str, second: str) -> Script:
    head = f"HTTP/1.1 302 Found\r\nLocation: {first}\r\nlocation: {second}\r\nContent-Length: 0\r\n\r\n"
    return lambda handler: handler.answer_raw(head.encode())


def test_two_locations_alike_are_one(client: OutboundClient, upstream: Upstream) -> None:
    upstream.scripts["/go"] = twice("/y", "/y ")
    assert (follow(client, upstream).status, [seen.path for seen in upstream.seen]) == (200, ["/go", "/y"])


def test_two_that_differ_are_the_upstreams_fault_and_neither_is_called(
    client: OutboundClient, upstream: Upstream
) -> None:
    upstream.scripts["/go"] = twice("/y", "/z")
    with pytest.raises(UpstreamProtocol):
        follow(client, upstream)
    assert [seen.path for seen in upstream.seen] == ["/go"]
    shown = follow(client, upstream, follow_redirects=False).headers
    assert [value for name, value in shown if name.lower() == "location"] == ["/y", "/z"]


def test_a_header_beyond_latin_1_goes_along_to_another_origin(
    client: OutboundClient, upstream: Upstream, other: Upstream
) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/next")
    follow(client, upstream, other.port, headers=(("X-Key", SLOT), ("X-Plain", text("Done ✅"))))
    assert (other.seen[0].header("X-Plain") or "").encode("latin-1").decode() == "Done ✅"
    assert other.seen[0].header("X-Key") is None


def test_letters_beyond_ascii_in_a_location_are_escaped(client: OutboundClient, upstream: Upstream) -> None:
    upstream.scripts["/go"] = to("/käse and {{more}}".encode().decode("latin-1"))
    follow(client, upstream)
    assert upstream.seen[1].path == "/k%C3%A4se%20and%20%7B%7Bmore%7D%7D"


@pytest.mark.parametrize(
    ("status", "method", "onward", "keeps"),
    [
        (301, "POST", "GET", False), (302, "POST", "GET", False), (303, "POST", "GET", False),
        (303, "PUT", "GET", False), (303, "DELETE", "GET", False), (303, "HEAD", "HEAD", False),
        (301, "PUT", "PUT", True), (302, "PATCH", "PATCH", True),
        (307, "POST", "POST", True), (308, "POST", "POST", True), (307, "DELETE", "DELETE", True),
    ],
)  # fmt: skip
def test_methods_and_bodies_follow_the_fetch_standard(
    client: OutboundClient, upstream: Upstream, status: int, method: str, onward: str, keeps: bool
) -> None:
    upstream.scripts["/go"] = to("/next", status)
    body: Body = NoBody() if method == "HEAD" else JsonBody({"a": SLOT})
    reply = follow(client, upstream, method=method, body=body)
    seen = upstream.seen[1]
    assert seen.method == onward
    assert (VALUE.encode() in seen.body) is keeps
    assert (seen.header("Content-Type") is not None) is keeps
    assert seen.header("X-Key") == VALUE
    longer = len(VALUE) - 1  # a value isn't measured: it counts as one letter
    assert reply.sent_bytes == sum(len(each.body) - longer for each in upstream.seen if each.body)


@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
def test_other_statuses_are_answers(client: OutboundClient, upstream: Upstream, status: int) -> None:
    upstream.scripts["/go"] = to("/next", status)
    assert follow(client, upstream).status == status
    assert len(upstream.seen) == 1


def test_a_redirect_that_leads_nowhere_is_an_answer(client: OutboundClient, upstream: Upstream) -> None:
    upstream.scripts["/go"] = lambda handler: handler.answer(b"?", 302)
    assert follow(client, upstream).status == 302


def test_five_hops_are_followed_and_a_sixth_is_not(client: OutboundClient, upstream: Upstream) -> None:
    for at in range(6):
        upstream.scripts[f"/{at}"] = to(f"/{at + 1}")
    assert len(follow(client, upstream, path=text("/1")).redirects) == 5
    with pytest.raises(RedirectRefused):
        follow(client, upstream, path=text("/0"))
    assert len(upstream.seen) == 12


def test_the_whole_time_is_for_all_hops_together(client: OutboundClient, upstream: Upstream) -> None:
    def stall(handler: object) -> None:
        upstream.released.wait(10)

    upstream.scripts |= {"/go": to("/stall"), "/stall": stall}
    with pytest.raises(UpstreamTimeout):
        follow(client, upstream, timeout=0.4)
    upstream.released.set()


def test_the_connection_is_used_again_for_the_next_hop(client: OutboundClient, upstream: Upstream) -> None:
    upstream.scripts["/go"] = to("/next")
    follow(client, upstream)
    assert upstream.seen[0].client == upstream.seen[1].client


# --- where they may lead ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1:{own}/", "own_service"),
        ("http://10.0.0.1/", "address_not_public"),
        ("https://10.0.0.1/", "host_not_allowed"),
        ("https://169.254.169.254/latest/", "host_not_allowed"),
        ("https://0x7f000001/", "host_not_canonical"),
        ("http://a b/", "host_not_canonical"),
        ("file:///etc/passwd", "scheme_not_allowed"),
        ("gopher://127.0.0.1:{own}/", "scheme_not_allowed"),
    ],
)
def test_each_hop_is_vetted_like_the_call_itself(
    upstream: Upstream, location: str, reason: str, other: Upstream
) -> None:
    client = OutboundClient(
        OutboundRules(networks=("127.0.0.0/8",), plain_http=True, never=(("127.0.0.1", other.port),))
    )
    upstream.scripts["/go"] = to(location.format(own=other.port))
    with pytest.raises(RedirectRefused) as caught:
        follow(client, upstream, other.port)
    expected = {reason, "host_not_allowed"} if reason == "address_not_public" else {reason}
    assert caught.value.extra["reason"] in expected
    assert other.seen == []


def test_a_call_without_a_secret_is_led_to_no_private_address_either(upstream: Upstream) -> None:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True))
    for location, reason in {
        "https://10.0.0.1/": "address_not_public",
        "https://[::ffff:a00:1]/": "address_not_public",
        "https://169.254.169.254/": "metadata_service",
        "http://93.184.215.14/": "plain_http_not_allowed",
    }.items():
        upstream.scripts["/go"] = to(location)
        call = Call(
            "GET", Origin("http", "127.0.0.1", upstream.port), text("/go"), follow_redirects=True, timeout_seconds=5
        )
        with pytest.raises(RedirectRefused) as caught:
            client.send(call, client.check(call, []), {}, workspace="acme")
        assert caught.value.extra["reason"] == reason


@pytest.mark.parametrize(
    "location", ["http://user:pw@127.0.0.1/", "http://[::1", "http:\\\\x\\y", "http://127.0.0.1:99999/"]
)
def test_a_location_that_is_no_url_is_the_upstreams_fault(
    client: OutboundClient, upstream: Upstream, location: str
) -> None:
    upstream.scripts["/go"] = to(location)
    with pytest.raises(RedirectRefused):
        follow(client, upstream)
    assert len(upstream.seen) == 1


def test_a_hop_to_a_host_that_the_secret_does_not_name_is_refused(
    client: OutboundClient, upstream: Upstream, other: Upstream
) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/")
    with pytest.raises(RedirectRefused) as caught:
        follow(client, upstream)
    assert caught.value.extra["reason"] == "host_not_allowed"
    assert other.seen == []


def test_a_name_that_answers_differently_at_the_next_hop_is_refused(upstream: Upstream) -> None:
    with DnsServer() as dns:
        dns.answer("api.example.com", ["127.0.0.1"], ["10.0.0.1"])
        client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), plain_http=True, resolver=dns.address))
        upstream.scripts["/go"] = to("/next")
        origin = Origin("http", "api.example.com", upstream.port)
        call = Call("GET", origin, text("/go"), headers=(("X-Key", SLOT),), follow_redirects=True, timeout_seconds=5)
        destination = client.check(call, [UsedSecret("TOKEN", (f"api.example.com:{upstream.port}",))])
        with pytest.raises(RedirectRefused) as caught:
            client.send(call, destination, {"TOKEN": SecretValue(VALUE)}, workspace="acme")
    assert caught.value.extra["reason"] in ("address_not_public", "plain_http_not_allowed")
    assert len(upstream.seen) == 1


# --- what goes along to another origin --------------------------------------------------------------------------------


def test_no_header_with_a_value_goes_to_another_origin(
    client: OutboundClient, upstream: Upstream, other: Upstream
) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/next", 307)
    headers = (
        ("X-Key", Field((Text("Token "), Slot("TOKEN")))),
        ("X-Typed-In", text(base64.b64encode(f"me:{VALUE}".encode()).decode())),
        ("Cookie", text("session=plain")),
        ("X-Plain", text("hello")),
    )
    assert follow(client, upstream, other.port, headers=headers, basic=(text("me"), SLOT)).status == 200
    assert upstream.seen[0].header("Authorization") is not None
    (there,) = other.seen
    assert there.header("X-Plain") == "hello"
    assert [there.header(name) for name in ("X-Key", "X-Typed-In", "Authorization", "Cookie")] == [None] * 4
    assert VALUE not in str(there)
    assert there.header("Host") == f"127.0.0.1:{other.port}"


def test_a_value_does_not_come_back_after_a_hop_elsewhere(
    client: OutboundClient, upstream: Upstream, other: Upstream
) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/back")
    other.scripts["/back"] = to(f"http://127.0.0.1:{upstream.port}/home")
    assert len(follow(client, upstream, other.port).redirects) == 2
    assert upstream.seen[1].header("X-Key") is None


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("body", [JsonBody({"a": [SLOT]}), FormBody((("a", SLOT),)), TextBody(SLOT)])
def test_a_body_with_a_value_goes_to_no_other_origin(
    client: OutboundClient, upstream: Upstream, other: Upstream, status: int, body: Body
) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/", status)
    with pytest.raises(RedirectRefused) as caught:
        follow(client, upstream, other.port, method="POST", body=body)
    assert caught.value.extra["reason"] == "redirect_carries_secret"
    assert other.seen == []


def test_a_body_without_a_value_does(client: OutboundClient, upstream: Upstream, other: Upstream) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/", 308)
    follow(client, upstream, other.port, method="POST", body=JsonBody({"a": text("b")}))
    assert other.seen[0].body == b'{"a": "b"}'


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE, safe=""),
        "".join(f"%{byte:02x}" for byte in VALUE.encode()),
        VALUE.encode().hex(),
        base64.urlsafe_b64encode(b"?" + VALUE.encode()).decode(),
    ],
)
def test_a_url_with_a_value_is_followed_to_the_same_origin_only(
    client: OutboundClient, upstream: Upstream, other: Upstream, form: str
) -> None:
    upstream.scripts["/go"] = to(f"http://127.0.0.1:{other.port}/?t={form}")
    with pytest.raises(RedirectRefused) as caught:
        follow(client, upstream, other.port)
    assert caught.value.extra["reason"] == "redirect_carries_secret"
    assert VALUE not in str(caught.value)
    assert other.seen == []
    upstream.scripts["/go"] = to(f"/?t={form}")
    assert follow(client, upstream, other.port).status == 200
