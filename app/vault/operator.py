"""An operator's door to Vault: what ``policies`` needs to read, change and try Vault's own configuration.

It goes by Vault's paths, since they are its subject. It holds an operator's token and never a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from app.kernel.errors import VaultRefused
from app.vault.answers import RETRY_AFTER, VaultResponse
from app.vault.options import Server
from app.vault.transport import VaultConnections, read_health, unavailable
from app.vault.versions import version_warning

Verb = Literal["GET", "LIST", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A token, the seconds it lives, whether it can be made to live longer, and the policies it carries."""

    token: str = field(repr=False)
    seconds: int
    renewable: bool
    policies: tuple[str, ...]


class VaultOperator:
    """Vault, for an operator's commands. Use it as a context manager, or ``close`` it."""

    def __init__(self, server: Server, token: str) -> None:
        self._line = VaultConnections(server)
        self._token = token

    def __enter__(self) -> VaultOperator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def read(self, path: str) -> Mapping[str, Any] | None:
        """Return the ``data`` at a path, or None where there is nothing.

        Raises:
            VaultRefused, VaultUnavailable: where the token doesn't reach so far, or Vault can't.
        """
        answer = self._ask("GET", path)
        return None if answer is None else answer.data

    def names(self, path: str) -> Sequence[str]:
        """List what is under a path, sorted.

        Raises:
            VaultRefused: The token doesn't reach so far.
            VaultUnavailable: Vault can't.
        """
        answer = self._ask("LIST", path)
        return [] if answer is None else sorted(answer.data["keys"])

    def write(self, path: str, body: Mapping[str, Any]) -> None:
        """Write to a path; every write that is made here may be made twice.

        Raises:
            VaultRefused: The token doesn't reach so far.
            VaultUnavailable: Vault can't.
        """
        if self._ask("POST", path, body) is None:
            raise unavailable(f"Vault knows no path {path}.")

    def delete(self, path: str) -> None:
        """Delete what is at a path; nothing happens where there is nothing.

        Raises:
            VaultRefused: The token doesn't reach so far.
            VaultUnavailable: Vault can't.
        """
        self._ask("DELETE", path)

    def version_warning(self) -> str | None:
        """Say in words that the server's version is older than the least that we work with; None where it isn't.

        Raises:
            VaultUnavailable: Vault can't be reached.
        """
        return version_warning(read_health(self._line).document)

    def log_in(self, mount: str, role: str, jwt: str) -> LoggedIn | None:
        """Return what a login buys, or None where Vault refuses it."""
        answer = self._line.ask("POST", f"auth/{mount}/login", body={"role": role, "jwt": jwt}, repeat=True)
        if answer.status != 200:
            return None
        auth = answer.document["auth"]
        return LoggedIn(auth["client_token"], auth["lease_duration"], auth["renewable"], tuple(auth["policies"]))

    def attempt(self, verb: Verb, path: str, token: str, body: Mapping[str, Any] | None = None) -> VaultResponse:
        """Try something with another token, and return whatever Vault answers."""
        headers = {"Content-Type": "application/merge-patch+json"} if verb == "PATCH" else None
        return self._line.ask(verb, path, token=token, body=body, headers=headers, repeat=True)

    def _ask(self, verb: Verb, path: str, body: Mapping[str, Any] | None = None) -> VaultResponse | None:
        answer = self._line.ask(verb, path, token=self._token, body=body, repeat=True)
        if answer.status == 404:
            return None
        if answer.status == 403:
            raise VaultRefused(
                f"Vault refused the operator's token: it may not {verb} {path}."
                " vault-policies/operator.hcl has what is needed.",
                retry_after=RETRY_AFTER,
            )
        if answer.status >= 400:
            raise unavailable(f"Vault didn't accept {verb} {path} ({answer.status}).")
        return answer
