"""What the Vault client has to be told. It knows no settings: ``wiring`` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mounts:
    """Where our two engines and our way to log in are mounted, without slashes around."""

    kv: str = "strongroom"
    transit: str = "strongroom-transit"
    jwt: str = "strongroom"


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach Vault: the address and TLS files as the standard ``VAULT_*`` variables give them; times in seconds.

    Of ``cacert`` (a file), ``cacert_bytes`` (PEM) and ``capath`` (a folder of PEM files) the first that is given
    counts, without any the system's authorities do. Certificates are always verified, for ``tls_server_name`` where
    that is given. ``forward`` asks a standby to have the active node answer.
    """

    address: str
    cacert: str | None = None
    cacert_bytes: str | None = None
    capath: str | None = None
    tls_server_name: str | None = None
    forward: bool = False
    client_cert: str | None = None
    client_key: str | None = None
    namespace: str | None = None
    connect_timeout: float = 2.0
    read_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class VaultOptions:
    """Everything that the client needs.

    ``signing_key`` is the private key that signs logins (P-256, PKCS #8), or the file it is in, which is read again
    whenever it was changed.
    """

    server: Server
    signing_key: bytes | Path = field(repr=False)
    mounts: Mounts = Mounts()
