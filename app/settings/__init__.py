"""Settings: read from the environment once, checked together, told without their values where one may be secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from sqlalchemy.exc import ArgumentError

from app.settings import values


class SettingsError(Exception):
    """Settings are missing or wrong; every fault has one line, and none quotes a value."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def _setting(
    variable: str,
    meaning: str,
    default: Any,
    parse: Callable[[str], Any] = str,
    *,
    secret: bool = False,
    shown: str = "",
) -> Any:
    metadata = {"variable": variable, "meaning": meaning, "parse": parse, "secret": secret, "shown": shown}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the environment decides. Sizes in bytes, times in seconds."""

    data_dir: Path = _setting("STRONGROOM_DATA_DIR", "database, embedded Vault and its log", Path("var"), Path)
    vault_port: int | None = _setting(
        "STRONGROOM_VAULT_PORT", "the embedded Vault's port", None, values.whole_number(1, 65535), shown="a free one"
    )
    kv_mount: str = _setting("STRONGROOM_KV_MOUNT", "the KV version 2 mount", "strongroom", values.mount)
    transit_mount: str = _setting("STRONGROOM_TRANSIT_MOUNT", "the transit mount", "strongroom-transit", values.mount)
    jwt_mount: str = _setting("STRONGROOM_JWT_MOUNT", "the JWT auth mount", "strongroom", values.mount)
    policies_dir: Path | None = _setting(
        "STRONGROOM_POLICIES_DIR", "the policy files", None, Path, shown="vault-policies, or the ones in the package"
    )
    grants_file: Path | None = _setting(
        "STRONGROOM_GRANTS_FILE", "the operators' grants", None, Path, shown="grants.toml beside the policy files"
    )
    host: str = _setting("STRONGROOM_HOST", "the address to listen on", "127.0.0.1")
    port: int = _setting("PORT", "the port to listen on", 8000, values.whole_number(1, 65535))
    public_url: str | None = _setting(
        "STRONGROOM_PUBLIC_URL",
        "how browsers reach it; https makes cookies Secure",
        None,
        values.url,
        shown="http:// host and port",
    )
    proxies: int = _setting(
        "STRONGROOM_PROXIES",
        "how many proxies of ours a request comes through, each adding to X-Forwarded-For",
        0,
        values.whole_number(0, 8),
    )
    outbound_networks: tuple[str, ...] = _setting(
        "STRONGROOM_OUTBOUND_NETWORKS",
        "networks that are no public ones and may be called all the same, as CIDRs",
        (),
        values.networks,
        shown="none",
    )
    outbound_http: bool = _setting(
        "STRONGROOM_OUTBOUND_HTTP",
        "refuse, or allow plain http to those networks only",
        False,
        values.allow_or_refuse,
        shown="refuse",
    )
    outbound_ca: Path | None = _setting(
        "STRONGROOM_OUTBOUND_CA",
        "a PEM file of further authorities for upstreams",
        None,
        values.authorities,
        shown="none",
    )
    outbound_resolver: str | None = _setting(
        "STRONGROOM_OUTBOUND_RESOLVER",
        "ip:port of a DNS server to ask instead of the system's",
        None,
        values.resolver,
        shown="none",
    )
    max_request_bytes: int = _setting(
        "STRONGROOM_MAX_REQUEST_BYTES",
        "the body of an outbound call",
        32 * 1024 * 1024,
        values.whole_number(1, 1024**3),
    )
    max_response_bytes: int = _setting(
        "STRONGROOM_MAX_RESPONSE_BYTES",
        "the body of an upstream's answer",
        10 * 1024 * 1024,
        values.whole_number(1, 1024**3),
    )
    calls_in_flight: int | None = _setting(
        "STRONGROOM_CALLS_IN_FLIGHT",
        "calls at the same time, for each workspace and process; beyond: 429",
        None,
        values.whole_number(1, 100_000),
        shown="half of STRONGROOM_THREADS",
    )
    streams: int = _setting(
        "STRONGROOM_STREAMS",
        "answers that stream at the same time, for each process; a workspace has half of them at most",
        100,
        values.whole_number(1, 10_000),
    )
    stream_seconds: int = _setting(
        "STRONGROOM_STREAM_SECONDS", "how long an answer may stream", 3600, values.whole_number(1, 24 * 3600)
    )
    stream_bytes: int = _setting(
        "STRONGROOM_STREAM_BYTES", "the body of an answer that streams", 1024**3, values.whole_number(1, 1024**4)
    )
    rate_limit: str = _setting("STRONGROOM_RATE_LIMIT", "requests for each token", "60000/minute", values.rate)
    sign_in_limit: str = _setting(
        "STRONGROOM_SIGN_IN_LIMIT",
        "passwords tried, for each address and user; thrice by address",
        "10/minute",
        values.rate,
    )
    restricted_min_guesses: float = _setting(
        "STRONGROOM_RESTRICTED_MIN_GUESSES",
        "how hard to guess a restricted value must be; 0 switches it off",
        1e14,
        values.guesses,
    )
    reconcile_seconds: int = _setting(
        "STRONGROOM_RECONCILE_SECONDS", "how often unfinished changes are looked for", 60, values.whole_number(1, 86400)
    )
    session_hours: int = _setting(
        "STRONGROOM_SESSION_HOURS", "when a session ends, whatever is done with it", 12, values.whole_number(1, 24 * 30)
    )
    session_idle_seconds: int = _setting(
        "STRONGROOM_SESSION_IDLE_SECONDS", "when an idle session ends", 1800, values.whole_number(30, 86400 * 30)
    )
    stop_seconds: int = _setting(
        "STRONGROOM_STOP_SECONDS", "how long a stop waits for calls in flight", 30, values.whole_number(0, 3600)
    )
    oidc_issuer: str | None = _setting(
        "STRONGROOM_OIDC_ISSUER",
        "the identity provider for single sign-on to the pages",
        None,
        values.issuer,
        shown="none",
    )
    oidc_client_id: str | None = _setting(
        "STRONGROOM_OIDC_CLIENT_ID", "this service's id at the identity provider", None, shown="none"
    )
    oidc_client_secret_file: Path | None = _setting(
        "STRONGROOM_OIDC_CLIENT_SECRET_FILE", "a file with the client secret", None, values.file, shown="none"
    )
    oidc_user_claim: str = _setting(
        "STRONGROOM_OIDC_USER_CLAIM", "the claim that is the user's id; email counts only when verified", "sub"
    )
    passwords: bool = _setting(
        "STRONGROOM_PASSWORDS",
        "allow, or refuse passwords beside single sign-on",
        True,
        values.allow_or_refuse,
        shown="allow",
    )
    workers: int = _setting(
        "STRONGROOM_WORKERS",
        "service processes; with as many as cores, each stays on one",
        1,
        values.whole_number(1, 256),
    )
    threads: int = _setting(
        "STRONGROOM_THREADS", "requests at the same time, for each process", 64, values.whole_number(1, 1024)
    )
    signing_key_file: Path | None = _setting(
        "STRONGROOM_SIGNING_KEY_FILE",
        "the key that signs Vault logins",
        None,
        Path,
        shown="made in the data folder with the embedded Vault",
    )
    secret_key_file: Path | None = _setting(
        "STRONGROOM_SECRET_KEY_FILE",
        "the key that signs sessions",
        None,
        Path,
        shown="made in the data folder with the embedded Vault",
    )
    database: str | None = _setting(
        "DATABASE_URL", "the database", None, values.database, secret=True, shown="strongroom.db in the data folder"
    )
    redis_url: str | None = _setting(
        "REDIS_URL",
        "where rate limits are shared",
        None,
        values.redis,
        secret=True,
        shown="none: each process counts by itself",
    )
    redis_password_file: Path | None = _setting(
        "STRONGROOM_REDIS_PASSWORD_FILE", "a file with Redis's password", None, values.file, shown="none"
    )
    vault_addr: str | None = _setting("VAULT_ADDR", "Vault's address", None, values.url, shown="the embedded one")
    vault_cacert: Path | None = _setting(
        "VAULT_CACERT", "a PEM file with Vault's authority", None, values.file, shown="the system's"
    )
    vault_cacert_bytes: str | None = _setting(
        "VAULT_CACERT_BYTES", "the same as PEM text, where VAULT_CACERT isn't set", None, values.pem, shown="none"
    )
    vault_capath: Path | None = _setting(
        "VAULT_CAPATH", "a folder of PEM files, where neither of the two is set", None, values.folder, shown="none"
    )
    vault_tls_server_name: str | None = _setting(
        "VAULT_TLS_SERVER_NAME",
        "the name that Vault's certificate is for",
        None,
        values.host_name,
        shown="VAULT_ADDR's host",
    )
    vault_forward: str | None = _setting(
        "STRONGROOM_VAULT_FORWARD",
        "active-node: have standbys hand every request on, where VAULT_ADDR reaches any node",
        None,
        values.forward,
        shown="off",
    )
    vault_client_cert: Path | None = _setting(
        "VAULT_CLIENT_CERT", "our certificate for Vault", None, values.file, shown="none"
    )
    vault_client_key: Path | None = _setting("VAULT_CLIENT_KEY", "its key", None, values.file, shown="none")
    vault_namespace: str | None = _setting("VAULT_NAMESPACE", "Vault's namespace", None, shown="none")

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, serving: bool = True) -> Settings:
        """Read the settings. An empty variable counts as none. ``serving`` False does without the service's own keys.

        Raises:
            SettingsError: naming every one that is missing or wrong, and every ``STRONGROOM_`` variable that is none.
        """
        values: dict[str, Any] = {}
        faults = [f"{name} isn't a setting of this version." for name in sorted(_strangers(environ))]
        for each in fields(cls):
            text = environ.get(each.metadata["variable"], "")
            if not text:
                continue
            try:
                values[each.name] = each.metadata["parse"](text)
            except (ValueError, KeyError, TypeError, OSError, ArgumentError):
                wanted = (each.metadata["parse"].__doc__ or "text").strip()
                faults.append(f"{each.metadata['variable']} is wrong: it must be {wanted}.")
        settings = cls(**values)
        faults += settings._contradictions(serving)
        if faults:
            raise SettingsError(faults)
        return settings

    def _contradictions(self, serving: bool) -> list[str]:
        faults = []
        if serving and self.vault_addr and not self.signing_key_file:
            faults.append("STRONGROOM_SIGNING_KEY_FILE is missing: with VAULT_ADDR set, the key has to be given.")
        if serving and self.vault_addr and not self.secret_key_file:
            faults.append("STRONGROOM_SECRET_KEY_FILE is missing: with VAULT_ADDR set, the key has to be given.")
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            faults.append("STRONGROOM_OIDC_ISSUER and STRONGROOM_OIDC_CLIENT_ID go together: set both, or none.")
        if not self.passwords and self.oidc_issuer is None:
            faults.append("STRONGROOM_PASSWORDS refuses passwords, and there is no STRONGROOM_OIDC_ISSUER instead.")
        kv, transit = f"{self.kv_mount}/", f"{self.transit_mount}/"
        if kv.startswith(transit) or transit.startswith(kv):
            faults.append("STRONGROOM_KV_MOUNT and STRONGROOM_TRANSIT_MOUNT have to be two mounts, none in the other.")
        if self.outbound_http and not self.outbound_networks:
            faults.append(
                "STRONGROOM_OUTBOUND_HTTP allows plain http only to STRONGROOM_OUTBOUND_NETWORKS, which is empty."
            )
        return faults

    @property
    def workspace_calls(self) -> int:
        """How many calls a workspace may have in flight in each process."""
        return self.calls_in_flight or max(1, self.threads // 2)

    @property
    def embedded(self) -> bool:
        """Whether Vault is the embedded one."""
        return self.vault_addr is None

    @property
    def url(self) -> str:
        """How browsers reach the service; an IPv6 address stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def database_url(self) -> str:
        """The database, by default a SQLite file in the data folder."""
        return self.database or f"sqlite:///{self.data_dir / 'strongroom.db'}"

    @property
    def vault_dir(self) -> Path:
        """The embedded Vault's folder."""
        return self.data_dir / "openbao"

    @property
    def signing_key_path(self) -> Path:
        """Where the key that signs Vault logins is."""
        return self.signing_key_file or self.data_dir / "signing.key"

    @property
    def secret_key_path(self) -> Path:
        """Where the key that signs sessions is."""
        return self.secret_key_file or self.data_dir / "secret.key"


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as ``strongroom config`` and docs/settings.md tell of it."""

    variable: str
    meaning: str
    default: str
    value: str | None


def describe(settings: Settings | None = None) -> Sequence[Described]:
    """List every setting with its meaning and default, and its value where settings are given and it isn't secret."""
    return [_describe(each, settings) for each in fields(Settings)]


def _describe(each: Any, settings: Settings | None) -> Described:
    default = each.metadata["shown"] or ("" if each.default in (None, MISSING) else str(each.default))
    value = None
    if settings is not None:
        current = getattr(settings, each.name)
        changed = current != each.default
        value = "set" if changed and each.metadata["secret"] else _as_text(current) if changed else default
    return Described(each.metadata["variable"], each.metadata["meaning"], default, value)


def _as_text(current: object) -> str:
    if isinstance(current, tuple):
        return ",".join(current)
    if isinstance(current, bool):
        return "allow" if current else "refuse"
    return str(current)


def _strangers(environ: Mapping[str, str]) -> set[str]:
    known = {each.metadata["variable"] for each in fields(Settings)}
    return {name for name in environ if name.startswith("STRONGROOM_") and name not in known}
