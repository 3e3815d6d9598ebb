"""Somebody between us and the upstream, with a certificate that isn't the upstream's, or a protocol of old."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.kernel.errors import UpstreamTls
from app.kernel.secret import SecretValue
from app.outbound.client import OutboundClient
from app.outbound.model import Call, Field, Origin, OutboundRules, Response, Slot, UsedSecret
from tests.support.upstream import Authority, upstream

VALUE = "canary-5d2c77e0"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def send(authority: Authority, port: int, host: str = "localhost") -> Response:
    client = OutboundClient(OutboundRules(networks=("127.0.0.0/8",), ca_file=authority.path))
    call = Call("GET", Origin("https", host, port), Field(()), headers=(("X-Key", Field((Slot("TOKEN"),))),))
    destination = client.check(call, [UsedSecret("TOKEN", (f"{host}:{port}",))])
    return client.send(call, destination, {"TOKEN": SecretValue(VALUE)}, workspace="acme")


def _expired(authority: Authority, folder: Path) -> ssl.SSLContext:
    return authority.tls("localhost", not_after=datetime.now(UTC) - timedelta(days=1))


def _wrong_name(authority: Authority, folder: Path) -> ssl.SSLContext:
    return authority.tls("localhost.example.com", "*.localhost", "127.0.0.1")


def _self_signed(authority: Authority, folder: Path) -> ssl.SSLContext:
    other = folder / "other"
    other.mkdir()
    return Authority(other).tls("localhost")


def _old(authority: Authority, folder: Path) -> ssl.SSLContext:
    context = authority.tls("localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _anonymous(authority: Authority, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("made", [_expired, _wrong_name, _self_signed, _old, _anonymous])
def test_nothing_is_sent_to_whoever_can_not_prove_its_name(
    authority: Authority, tmp_path: Path, made: Callable[[Authority, Path], ssl.SSLContext]
) -> None:
    with upstream(made(authority, tmp_path)) as there:
        with pytest.raises(UpstreamTls) as caught:
            send(authority, there.port)
        assert there.seen == []
    assert VALUE not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_upstream_without_tls_gets_nothing(authority: Authority) -> None:
    with upstream() as there:
        with pytest.raises(UpstreamTls):
            send(authority, there.port)
        assert there.seen == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_real_one_gets_it(authority: Authority, host: str) -> None:
    with upstream(authority.tls(host)) as there:
        assert send(authority, there.port, host).status == 200
        assert there.seen[0].header("X-Key") == VALUE


def test_no_key_of_a_session_is_written_where_the_environment_says(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    with upstream(authority.tls("localhost")) as there:
        assert send(authority, there.port).status == 200
    assert "SECRET " not in keys.read_text()
