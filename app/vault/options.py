"""What the Vault client has to be told. It knows no settings: ``wiring`` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mounts:
    """Where our two engines and our way to log in are mounted, without slashes around."""

    kv: str = "strongroom"
    transit: str = "strongroom-transit"
    jwt: str = "strongroom"


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach Vault; the fields mean what they mean in ``VaultOptions``."""

    address: str
    cacert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    namespace: str | None = None
    connect_timeout: float = 2.0
    read_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class VaultOptions:
    """Everything that the client needs.

    ``address`` and the TLS files are what the standard ``VAULT_*`` variables give; without ``cacert`` the system's
    authorities count, and certificates are always verified. ``signing_key_pem`` is the private key that signs logins
    (P-256, PKCS #8). Times are in seconds.
    """

    address: str
    signing_key_pem: bytes = field(repr=False)
    cacert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    namespace: str | None = None
    kv_mount: str = "strongroom"
    transit_mount: str = "strongroom-transit"
    jwt_mount: str = "strongroom"
    connect_timeout: float = 2.0
    read_timeout: float = 5.0

    @property
    def server(self) -> Server:
        """The part that says how to reach Vault."""
        return Server(
            address=self.address,
            cacert=self.cacert,
            client_cert=self.client_cert,
            client_key=self.client_key,
            namespace=self.namespace,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
        )

    @property
    def mounts(self) -> Mounts:
        """The part that says where things are mounted."""
        return Mounts(kv=self.kv_mount, transit=self.transit_mount, jwt=self.jwt_mount)
