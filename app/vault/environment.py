"""Variables of HashiCorp's and OpenBao's own command lines that Strongroom doesn't obey: named, never read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_NO_PROXY: Final = "Vault is reached without a proxy"
_NO_AGENT: Final = "Vault is reached at VAULT_ADDR, without an agent in between"
_OURS: Final = "time limits and repeats are the service's own"
_DISOBEYED: Final[Mapping[str, str]] = {
    "SKIP_VERIFY": "Vault's certificate is always verified",
    "PROXY_ADDR": _NO_PROXY,
    "HTTP_PROXY": _NO_PROXY,
    "AGENT_ADDR": _NO_AGENT,
    "SRV_LOOKUP": "Vault's name is looked up as an address, not as a service",
    "CLIENT_TIMEOUT": _OURS,
    "MAX_RETRIES": _OURS,
    "RATE_LIMIT": _OURS,
    "WRAP_TTL": "no answer is wrapped",
    "MFA": "a login has no second factor",
    "REDIRECT_ADDR": "no redirect is followed",
    "DISABLE_REDIRECTS": "no redirect is ever followed",
}
"""By what follows ``VAULT_``: what happens in its place."""


@dataclass(frozen=True, slots=True)
class IgnoredVariable:
    """A variable that is set and not obeyed, and what happens in its place."""

    name: str
    why: str


def ignored_variables(environ: Mapping[str, str]) -> Sequence[IgnoredVariable]:
    """List them, sorted; an empty one counts as none."""
    found = []
    for name in sorted(name for name, value in environ.items() if value):
        product, _, rest = name.partition("_")
        if product == "BAO" and rest:
            found.append(IgnoredVariable(name, f"Strongroom goes by VAULT_{rest} and the like, never by BAO_"))
        elif product == "VAULT" and rest in _DISOBEYED:
            found.append(IgnoredVariable(name, _DISOBEYED[rest]))
    return found
