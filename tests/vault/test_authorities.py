"""Whose certificates count for Vault, and for which name: as Vault's own command line has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from app.kernel.errors import ServiceError, VaultUnavailable
from app.vault.options import Server
from app.vault.transport import VaultConnections, read_health
from tests.support.openbao import OpenBao, openbao


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with openbao(tmp_path_factory.mktemp("tls"), audited=False) as running:
        yield running


@pytest.fixture
def server(bao: OpenBao) -> Server:
    return replace(bao.server(), cacert=None)


def status(server: Server) -> int:
    with closing(VaultConnections(server)) as line:
        return read_health(line).status


def refused(server: Server) -> bool:
    with closing(VaultConnections(server)) as line, pytest.raises(VaultUnavailable, match="certificate isn't valid"):
        read_health(line)
    return True


def stranger() -> str:
    return trustme.CA().cert_pem.bytes().decode()


def test_without_an_authority_of_its_own_the_system_s_count(server: Server) -> None:
    assert refused(server)


def test_the_authority_may_be_text(bao: OpenBao, server: Server) -> None:
    assert status(replace(server, cacert_bytes=bao.cacert.read_text())) == 200
    assert refused(replace(server, cacert_bytes=stranger()))


def test_the_authority_may_lie_in_a_folder_under_any_name(bao: OpenBao, server: Server, tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_text(stranger())
    assert refused(replace(server, capath=str(tmp_path)))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "two.crt").write_text(bao.cacert.read_text())
    assert status(replace(server, capath=str(tmp_path))) == 200


def test_of_several_the_file_counts_then_the_text(bao: OpenBao, server: Server, tmp_path: Path) -> None:
    right, wrong = bao.cacert.read_text(), stranger()
    (tmp_path / "right.pem").write_text(right)
    assert status(replace(server, cacert=str(tmp_path / "right.pem"), cacert_bytes=wrong)) == 200
    assert refused(replace(server, cacert_bytes=wrong, capath=str(tmp_path)))


def test_a_folder_without_a_certificate_is_told_in_words(server: Server, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("nothing")
    with pytest.raises(ServiceError, match="VAULT_CAPATH"):
        VaultConnections(replace(server, capath=str(tmp_path)))
    with pytest.raises(ServiceError, match="VAULT_CAPATH"):
        VaultConnections(replace(server, capath=str(tmp_path / "missing")))


def test_the_certificate_may_be_for_another_name_than_the_address(bao: OpenBao, server: Server) -> None:
    trusted = replace(server, cacert=str(bao.cacert))
    assert status(replace(trusted, tls_server_name="localhost")) == 200
    assert refused(replace(trusted, tls_server_name="vault.example.com"))
