"""Make, once, what a new installation needs: ``prepare.py TLS KEYS DATABASE`` (three folders).

TLS gets an authority and certificates for Vault and the proxy, KEYS the service's two keys and its password file for
PostgreSQL, DATABASE the password as PostgreSQL's image reads it. What is there already stays as it is. Run as root,
each file is given to the user of the container that reads it.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.vault.keys import new_signing_key, store

SERVICE, VAULT, PROXY, POSTGRES = 10001, 100, 101, 999
YEARS = 2


def main() -> None:
    """Make what is missing."""
    tls, keys, database = (Path(each) for each in sys.argv[1:4])
    authority, authority_key = _authority(tls)
    for name, names, user in (
        ("vault", ["vault", "localhost", "127.0.0.1"], VAULT),
        ("proxy", ["localhost", "127.0.0.1"], PROXY),
    ):
        _certificate(tls, name, names, authority, authority_key, user)
    _once(keys / "signing.key", new_signing_key(), SERVICE)
    _once(keys / "secret.key", secrets.token_bytes(32), SERVICE)
    password = _once(database / "password", secrets.token_urlsafe(32).encode(), POSTGRES).decode()
    _once(keys / "pgpass", f"*:*:*:strongroom:{password}\n".encode(), SERVICE)
    for folder in (tls, keys, database):
        folder.chmod(0o755)


def _once(path: Path, content: bytes, user: int | None, mode: int = 0o600) -> bytes:
    """Write a file where there is none, for one user; returns what it holds."""
    if not path.exists():
        store(path, content)
        if user is not None and os.geteuid() == 0:
            os.chown(path, user, -1)
        path.chmod(mode)
    return path.read_bytes()


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if not (folder / "ca.pem").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Strongroom installation")])
        built = _builder(name, name, key, YEARS * 5).add_extension(x509.BasicConstraints(True, 0), critical=True)
        _once(folder / "ca.key", _pem(key), None)
        _once(folder / "ca.pem", built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), None, 0o644)
    loaded = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), loaded


def _certificate(
    folder: Path,
    name: str,
    names: Sequence[str],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    user: int,
) -> None:
    if (folder / f"{name}.pem").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        _builder(subject, authority.subject, key, YEARS)
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    _once(folder / f"{name}.key", _pem(key), user)
    signed = built.sign(authority_key, hashes.SHA256())
    _once(folder / f"{name}.pem", signed.public_bytes(serialization.Encoding.PEM), None, 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, years: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365 * years))
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


if __name__ == "__main__":
    main()
