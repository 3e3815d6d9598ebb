"""The key that signs Vault logins: ECDSA on P-256, as ES256 is taken by OpenBao and HashiCorp Vault alike."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.kernel.errors import ServiceError


def new_signing_key() -> bytes:
    """Make a private key, as PEM (PKCS #8, not encrypted: the file's mode guards it)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_signing_key_der() -> bytes:
    """Make a private key, as PKCS #8 in DER: what Vault imports."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_signing_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key.

    Raises:
        ServiceError: where this is no PEM of an unencrypted P-256 key.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ServiceError(
            "The key that signs Vault logins is missing, or isn't an unencrypted P-256 private key in PEM."
        )
    return key


def public_key(pem: bytes) -> str:
    """Return the public half, as the JWT mount wants it (PEM, SubjectPublicKeyInfo).

    Raises:
        ServiceError: The key isn't an unencrypted P-256 private key in PEM.
    """
    public = load_signing_key(pem).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def signing_key(source: bytes | Path) -> Callable[[], ec.EllipticCurvePrivateKey]:
    """Return what gives the key in force.

    A file is read again when it was changed, so that a rotation needs no restart. While it is away or half written,
    the key that was read last holds.

    Raises:
        ServiceError: where there is no usable key to begin with.
    """
    if isinstance(source, bytes):
        key = load_signing_key(source)
        return lambda: key
    return _KeyFile(source).current


class _KeyFile:
    """A key file, and what was read from it last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._read = self._now(), load_signing_key(path.read_bytes())
        except OSError:
            raise ServiceError("The file with the key that signs Vault logins can't be read.") from None

    def current(self) -> ec.EllipticCurvePrivateKey:
        """Return the key. Of threads that come at the same moment each may read the file: the outcome is one."""
        seen, key = self._read
        try:
            now = self._now()
            if now != seen:
                self._read = now, load_signing_key(self._path.read_bytes())
        except (OSError, ServiceError):
            return key
        return self._read[1]

    def _now(self) -> tuple[int, int, int]:
        state = self._path.stat()
        return state.st_ino, state.st_mtime_ns, state.st_size


def read_or_make(path: Path) -> bytes:
    """Return the key in the file, which is made (0600) where there is none; of two makers at once one wins."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        store(fresh, new_signing_key())
        try:
            os.link(fresh, path)  # unlike a rename, this never takes the place of a key that another has just made
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()


def replace_key(path: Path, pem: bytes) -> None:
    """Put another key in the file's place, at once, for the same owner and readers.

    Raises:
        ServiceError: where the file can't be replaced.
    """
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        before = path.stat()
        store(fresh, pem)
        os.chown(fresh, before.st_uid, before.st_gid)
        fresh.chmod(stat.S_IMODE(before.st_mode))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise ServiceError(f"{path} can't be replaced. --out writes the new key elsewhere.") from None


def store(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, and on the disk before this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
