"""Short-lived Vault tokens: a signed JWT for one workspace and one role buys a batch token of five minutes.

Source: Vault docs, "JWT/OIDC auth method" and "Batch tokens".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from app.kernel.turns import hold_lock
from app.vault.roles import ALGORITHM, AUDIENCE

JWT_SECONDS: Final = 60
SPARE_SECONDS: Final = 30.0
"""A token is given up this long before Vault ends it, so that a request under way never meets its end."""
_SWEEP_AT: Final = 1024


def sign_login(
    key: ec.EllipticCurvePrivateKey, *, workspace: str, role: str, now: float, seconds: int = JWT_SECONDS
) -> str:
    """Sign a login for a workspace and a role. ``now`` is Unix time; the JWT lives for ``seconds``."""
    issued = int(now)
    claims = {"aud": AUDIENCE, "sub": workspace, "workspace": workspace, "role": role}
    return jwt.encode(claims | {"iat": issued, "nbf": issued, "exp": issued + seconds}, key, algorithm=ALGORITHM)


@dataclass(frozen=True, slots=True)
class VaultToken:
    """A Vault token and the moment, on the monotonic clock, from which on it is no longer used."""

    text: str = field(repr=False)
    ends: float


Login = Callable[[str, str], tuple[str, float]]
"""Log in as ``(role, jwt)``; gives the token and how many seconds it lives."""


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    token: VaultToken | None = None


class VaultTokens:
    """Tokens by workspace and role, in memory until shortly before they end.

    Safe to share among threads. Of many that need the same token at the same moment one logs in and the others wait.
    """

    def __init__(
        self,
        login: Login,
        key: Callable[[], ec.EllipticCurvePrivateKey],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._login = login
        self._key = key
        self._monotonic = monotonic
        self._wall = wall
        self._slots: dict[tuple[str, str], _Slot] = {}
        self._sweeping = threading.Lock()

    def get(self, workspace: str, role: str) -> VaultToken:
        """Return a token that will last for a while, logging in where there is none."""
        slot = self._slots.get((workspace, role))
        if slot is None:
            self._sweep()
            slot = self._slots.setdefault((workspace, role), _Slot())
        token = slot.token
        if token is not None and self._monotonic() < token.ends:
            return token
        with hold_lock(slot.lock):
            if slot.token is None or self._monotonic() >= slot.token.ends:
                slot.token = None
                slot.token = self.fresh(workspace, role)
            return slot.token

    def fresh(self, workspace: str, role: str) -> VaultToken:
        """Log in whatever is kept already, and keep nothing."""
        asked = self._monotonic()
        text, seconds = self._login(role, sign_login(self._key(), workspace=workspace, role=role, now=self._wall()))
        return VaultToken(text, asked + seconds - min(SPARE_SECONDS, seconds / 2))

    def drop(self, workspace: str, role: str, token: VaultToken) -> None:
        """Forget this token, which Vault refused; a newer one that another thread got meanwhile stays."""
        slot = self._slots.get((workspace, role))
        if slot is not None:
            with hold_lock(slot.lock):
                if slot.token is token:
                    slot.token = None

    def _sweep(self) -> None:
        """Now and then forget ended tokens, so that memory follows the workspaces in use and not all that ever were."""
        if len(self._slots) < _SWEEP_AT or not self._sweeping.acquire(blocking=False):
            return
        try:
            now = self._monotonic()
            for key, slot in list(self._slots.items()):
                if not slot.lock.locked() and (slot.token is None or slot.token.ends <= now):
                    self._slots.pop(key, None)
        finally:
            self._sweeping.release()
