"""The traps of the HTTP libraries, each closed; and no text of theirs gets out."""

from __future__ import annotations

import logging
import ssl
import traceback
from pathlib import Path

import pytest
import trustme

from app.kernel.errors import (
    ResponseTooLarge,
    StrongroomError,
    UpstreamProtocol,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
    ValueNotAllowedHere,
)
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import Call, Field, Origin, OutboundRules, Response, Slot, Text, UsedSecret
from tests.support.upstream import Handler, Upstream, upstream

VALUE = "canary-7f3a9c21d5e84b60"


def rules(**more: object) -> OutboundRules:
    return OutboundRules(networks=("127.0.0.0/8",), plain_http=True, **more)  # type: ignore[arg-type]


def send(
    client: OutboundClient, port: int, path: str = "/", *, value: str = VALUE, workspace: str = "acme",
    scheme: str = "http", host: str = "127.0.0.1", header: str = "X-API-Key", timeout: float = 5.0,
) -> Response:  # fmt: skip
    call = Call(
        method="GET",
        origin=Origin(scheme, host, port),  # type: ignore[arg-type]
        path=Field((Text(path),)),
        headers=((header, Field((Slot("TOKEN"),))),),
        timeout_seconds=timeout,
    )
    destination = client.check(call, [UsedSecret("TOKEN", (f"{host}:{port}",))])
    return client.send(call, destination, {"TOKEN": SecretValue(value)}, workspace=workspace)


def test_no_cookie_goes_from_one_call_to_the_next(upstream: Upstream) -> None:
    client = OutboundClient(rules())
    upstream.scripts["/set"] = lambda handler: handler.answer(b"{}", 200, {"Set-Cookie": "session=1; Path=/"})
    send(client, upstream.port, "/set")
    send(client, upstream.port, "/after")
    assert upstream.seen[1].header("Cookie") is None


def test_environment_proxies_and_netrc_change_nothing(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "NETRC": str(netrc),
    }.items():
        monkeypatch.setenv(name, value)
    send(OutboundClient(rules()), upstream.port)
    assert upstream.seen[0].header("Authorization") is None
    assert upstream.seen[0].header("X-API-Key") == VALUE


def test_a_redirect_is_handed_back_and_not_followed(upstream: Upstream) -> None:
    upstream.scripts["/go"] = lambda handler: handler.answer(b"", 302, {"Location": "http://127.0.0.1:9/elsewhere"})
    assert send(OutboundClient(rules()), upstream.port, "/go").status == 302
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("value", [f"{VALUE}\r\nX: y", f"{VALUE}\x00", f"{VALUE}\x7f"])
def test_a_value_that_no_header_can_hold_is_refused_unsent(upstream: Upstream, value: str) -> None:
    with pytest.raises(ValueNotAllowedHere) as caught:
        send(OutboundClient(rules()), upstream.port, value=value)
    _holds_no_value(caught.value)
    assert upstream.seen == []


def _holds_no_value(error: StrongroomError) -> None:
    assert error.__suppress_context__ or error.__context__ is None
    assert error.__cause__ is None
    assert VALUE not in "".join(traceback.format_exception(error, chain=True)) + repr(error.__dict__)


def test_what_goes_wrong_is_named_and_quotes_nothing(upstream: Upstream) -> None:
    def cut(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        handler.close_connection = True

    def garbage(handler: Handler) -> None:
        handler.wfile.write(b"no http at all\r\n\r\n")
        handler.close_connection = True

    upstream.scripts |= {"/cut": cut, "/garbage": garbage}
    client = OutboundClient(rules())
    for path in ("/cut", "/garbage"):
        with pytest.raises(UpstreamProtocol) as caught:
            send(client, upstream.port, path)
        _holds_no_value(caught.value)


def test_a_closed_port_is_unreachable() -> None:
    with upstream() as gone:
        port = gone.port
    with pytest.raises(UpstreamUnreachable) as caught:
        send(OutboundClient(rules()), port)
    _holds_no_value(caught.value)


def test_a_drip_ends_at_the_whole_time(upstream: Upstream) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            if handler.connection.fileno() < 0 or _wait(handler):
                return

    upstream.scripts["/drip"] = drip
    with pytest.raises(UpstreamTimeout) as caught:
        send(OutboundClient(rules()), upstream.port, "/drip", timeout=0.5)
    _holds_no_value(caught.value)


def _wait(handler: Handler) -> bool:
    import select

    readable, _, _ = select.select([handler.connection], [], [], 0.05)
    return bool(readable)


def test_too_much_is_refused(upstream: Upstream) -> None:
    upstream.scripts["/much"] = lambda handler: handler.answer(b"x" * 2000)
    with pytest.raises(ResponseTooLarge):
        send(OutboundClient(rules(max_response_bytes=1000)), upstream.port, "/much")


def test_no_library_logs_the_value(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        send(OutboundClient(rules()), upstream.port, f"/{VALUE}")
    assert VALUE not in caplog.text


def test_connections_are_kept_but_not_between_workspaces(upstream: Upstream) -> None:
    ports: list[int] = []

    def note(handler: Handler) -> None:
        ports.append(handler.client_address[1])
        handler.answer(b"{}")

    upstream.scripts["/"] = note
    client = OutboundClient(rules())
    for workspace in ("acme", "acme", "rival"):
        send(client, upstream.port, workspace=workspace)
    assert ports[0] == ports[1] != ports[2]


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, str(path)


@pytest.mark.parametrize(("name", "accepted"), [("localhost", True), ("other.test", False)])
def test_the_certificate_must_be_the_names(authority: tuple[trustme.CA, str], name: str, accepted: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert(name).configure_cert(context)
    with upstream(context) as there:
        client = OutboundClient(rules(ca_file=authority[1]))
        if accepted:
            assert send(client, there.port, scheme="https", host="localhost").status == 200
            assert there.seen[0].header("Host") == f"localhost:{there.port}"
        else:
            with pytest.raises(UpstreamTls) as caught:
                send(client, there.port, scheme="https", host="localhost")
            _holds_no_value(caught.value)


def test_a_common_name_names_no_host(authority: tuple[trustme.CA, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Where no name is among the alternative names, OpenSSL would look at the subject's.
    authority[0].issue_cert("192.0.2.1", common_name="localhost").configure_cert(context)
    with upstream(context) as there, pytest.raises(UpstreamTls):
        send(OutboundClient(rules(ca_file=authority[1])), there.port, scheme="https", host="localhost")


def test_an_unknown_authority_is_refused(authority: tuple[trustme.CA, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("localhost").configure_cert(context)
    with upstream(context) as there, pytest.raises(UpstreamTls):
        send(OutboundClient(rules()), there.port, scheme="https", host="localhost")
