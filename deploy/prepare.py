"""Make, once, what a new installation needs: ``prepare.py FOLDER``, which gets a folder for each container.

``authority`` has the authority and its key, which nobody but this needs; ``tls`` its certificate, for everybody;
``vault``, ``database`` and ``proxy`` a certificate each; ``keys`` the service's two keys and its passwords for
PostgreSQL and Redis; ``database`` and ``redis`` the same as these two read them. What is there already stays as it is.
Run as root, each folder and file is given to the user of the container that reads it.
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

SERVICE, VAULT, PROXY, POSTGRES, REDIS = 10001, 100, 101, 999, 999
YEARS = 2
PG_HBA = """\
local   all all     trust
hostssl all all all scram-sha-256
"""
REDIS_CONF = """\
requirepass {password}
save ""
appendonly no
"""


def main() -> None:
    """Make what is missing."""
    run = Path(sys.argv[1])
    # Vault runs as its own user from the start, and finds its volumes as Docker makes them: root's.
    folders = {
        **dict.fromkeys(("authority", "tls"), None),
        **dict.fromkeys(("vault", "vault-data", "vault-logs"), VAULT),
        "keys": SERVICE,
        "proxy": PROXY,
        "database": POSTGRES,
        "redis": REDIS,
    }
    for name, user in folders.items():
        _folder(run / name, user)
    authority, authority_key = _authority(run / "authority")
    pem = authority.public_bytes(serialization.Encoding.PEM)
    _once(run / "tls" / "ca.pem", pem, None, 0o644)
    for folder, name, names, user in (
        ("vault", "vault", ["vault", "localhost", "127.0.0.1"], VAULT),
        ("database", "postgres", ["postgres", "localhost", "127.0.0.1"], POSTGRES),
        ("proxy", "proxy", ["localhost", "127.0.0.1"], PROXY),
    ):
        _certificate(run / folder, name, names, authority, authority_key, user)
    _once(run / "keys" / "signing.key", new_signing_key(), SERVICE)
    _once(run / "keys" / "secret.key", secrets.token_bytes(32), SERVICE)
    password = _once(run / "database" / "password", secrets.token_urlsafe(32).encode(), POSTGRES).decode()
    _once(run / "keys" / "pgpass", f"*:*:*:strongroom:{password}\n".encode(), SERVICE)
    _once(run / "database" / "pg_hba.conf", PG_HBA.encode(), POSTGRES)
    password = _once(run / "keys" / "redis-password", secrets.token_urlsafe(32).encode(), SERVICE).decode()
    _once(run / "redis" / "redis.conf", REDIS_CONF.format(password=password).encode(), REDIS)


def _folder(path: Path, user: int | None) -> None:
    """Make a folder where there is none, for one user; everybody's where that is none."""
    path.mkdir(exist_ok=True)
    if os.geteuid() == 0 and user is not None:
        os.chown(path, user, -1)
    path.chmod(0o755 if user is None else 0o700)


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
