"""Requests to Vault in a workspace's name and a role: the login, the repeat after a refusal, and the errors' names.

Every exception of a library ends here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from random import SystemRandom
from typing import Any, Final, TypeVar

import hvac.exceptions
from hvac.api.auth_methods import JWT
from hvac.api.secrets_engines import KvV2, Transit

from app.kernel.errors import NotFound, StrongroomError, VaultRefused, VaultUnavailable, WriteConflict
from app.vault.answers import RETRY_AFTER
from app.vault.key_guard import KeyGuard, ProcessKeyGuard
from app.vault.keys import signing_key
from app.vault.options import VaultOptions
from app.vault.tokens import VaultTokens
from app.vault.transport import HvacAdapter, VaultConnections, unavailable

T = TypeVar("T")
_PAUSE: Final = 0.1
"""Seconds between a refusal and the second login, longer or shorter by up to a half."""
_jitter = SystemRandom()


class VaultSession:
    """Requests by workspace and role. Safe to share among threads."""

    def __init__(self, options: VaultOptions, guard: KeyGuard | None = None) -> None:
        self.line = VaultConnections(options.server)
        self.mounts = options.mounts
        self.guard: KeyGuard = guard or ProcessKeyGuard()
        self.tokens = VaultTokens(self._login, signing_key(options.signing_key))

    def kv(
        self, workspace: str, role: str, method: Callable[..., Any], *args: Any, repeat: bool = True, **more: Any
    ) -> Any:
        """Call a method of hvac's ``KvV2`` on our mount.

        Raises:
            NotFound: There is no such entry.
            WriteConflict: Check-and-set lost a race.
            VaultRefused: The policy of this role doesn't allow it.
            VaultUnavailable: Vault can't.
        """
        return self.in_role(
            workspace, role, lambda a: method(KvV2(a), *args, mount_point=self.mounts.kv, **more), repeat=repeat
        )

    def transit(
        self, workspace: str, role: str, method: Callable[..., Any], *args: Any, repeat: bool = True, **more: Any
    ) -> Any:
        """Call a method of hvac's ``Transit`` on our mount.

        Raises:
            NotFound: There is no such entry.
            WriteConflict: Check-and-set lost a race.
            VaultRefused: The policy of this role doesn't allow it.
            VaultUnavailable: Vault can't.
        """
        return self.in_role(
            workspace,
            role,
            lambda a: method(Transit(a), *args, mount_point=self.mounts.transit, **more),
            repeat=repeat,
        )

    def in_role(self, workspace: str, role: str, deed: Callable[[HvacAdapter], T], *, repeat: bool) -> T:
        """Do something with a token of this workspace and role; refused, log in anew and do it once more.

        Args:
            repeat: whether doing it twice is as good as once (see ``VaultConnections.ask``); what was
                refused was never done.

        Raises:
            NotFound: there is no such entry.
            WriteConflict: check-and-set lost a race.
            VaultRefused: the policy of this role doesn't allow it.
            VaultUnavailable: Vault can't, or found the request wrong (then with ``InvalidRequest``).
        """
        problem: StrongroomError = _refusal(role)
        for attempt in range(2):
            if attempt:  # a node that doesn't know the token yet may know it in a moment
                time.sleep(_PAUSE * _jitter.uniform(0.5, 1.5))
            token = self.tokens.get(workspace, role)
            try:
                return deed(HvacAdapter(self.line, token.text, repeat=repeat))
            except hvac.exceptions.Forbidden:
                self.tokens.drop(workspace, role, token)
            except hvac.exceptions.VaultError as error:
                problem = _name_error(error)
                break
        raise problem from None

    def post(
        self, workspace: str, role: str, path: str, body: Mapping[str, Any], *, repeat: bool = True
    ) -> Mapping[str, Any]:
        """Write to a path and return the answer's document.

        Raises:
            NotFound: There is no such entry.
            WriteConflict: Check-and-set lost a race.
            VaultRefused: The policy of this role doesn't allow it.
            VaultUnavailable: Vault can't.
        """
        answer: Mapping[str, Any] | None = self.in_role(
            workspace, role, lambda adapter: adapter.post(f"/v1/{path}", json=dict(body)), repeat=repeat
        )
        return answer or {}

    def get(self, workspace: str, role: str, path: str) -> Mapping[str, Any]:
        """Read a path and return the answer's document.

        Raises:
            NotFound: There is no such entry.
            WriteConflict: Check-and-set lost a race.
            VaultRefused: The policy of this role doesn't allow it.
            VaultUnavailable: Vault can't.
        """
        answer: Mapping[str, Any] | None = self.in_role(
            workspace, role, lambda adapter: adapter.get(f"/v1/{path}"), repeat=True
        )
        return answer or {}

    def delete(self, workspace: str, role: str, path: str) -> None:
        """Delete what is at a path.

        Raises:
            NotFound: There is no such entry.
            WriteConflict: Check-and-set lost a race.
            VaultRefused: The policy of this role doesn't allow it.
            VaultUnavailable: Vault can't.
        """
        self.in_role(workspace, role, lambda adapter: adapter.delete(f"/v1/{path}"), repeat=False)

    def _login(self, role: str, jwt: str) -> tuple[str, float]:
        """Exchange a signed JWT for a token and the seconds it lives. It may be repeated: it changes nothing."""
        try:
            auth = JWT(HvacAdapter(self.line, None, repeat=True)).jwt_login(
                role, jwt, use_token=False, path=self.mounts.jwt
            )["auth"]
            return str(auth["client_token"]), float(auth["lease_duration"])
        except hvac.exceptions.VaultError:
            problem: StrongroomError = LoginRefused(
                f"Vault refused our login in the role {role}. Run `strongroom vault plan` to see what is missing.",
                retry_after=RETRY_AFTER,
            )
        raise problem from None


def _name_error(error: hvac.exceptions.VaultError) -> StrongroomError:
    """Give a refusal of Vault's its name among ours; Vault's words are compared and go no further."""
    words = str(error.args[0] or "") if error.args else ""
    if isinstance(error, hvac.exceptions.InvalidPath):
        # Without words it is the entry that is missing; with some ("no handler for route") it is the mount.
        if words:
            return unavailable("Vault lacks one of our mounts. Run `strongroom vault plan`.")
        return NotFound("Vault has no such value.")
    if "check-and-set parameter did not match" in words:
        return lost_race()
    if "not found" in words:
        return KeyMissing("Vault lacks one of our keys. Run `strongroom vault plan`.", retry_after=RETRY_AFTER)
    return InvalidRequest("Vault rejected the request as invalid.", retry_after=RETRY_AFTER)


class LoginRefused(VaultRefused):
    """Vault refused a login: the role isn't there, or takes no login of ours."""


class KeyMissing(VaultUnavailable):
    """The transit key that a request names isn't there."""


class InvalidRequest(VaultUnavailable):
    """Vault answered 400, and not for a reason that has a name of its own."""


def _refusal(role: str) -> VaultRefused:
    return VaultRefused(
        f"Vault refused this to the role {role}: its policy doesn't allow it, or isn't there."
        " Run `strongroom vault plan` to see what differs.",
        retry_after=RETRY_AFTER,
    )


def lost_race() -> WriteConflict:
    """Return the error for a check-and-set that came too late."""
    return WriteConflict("Somebody else has stored another value meanwhile.")
