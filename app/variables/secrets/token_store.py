"""What an ``oauth2`` secret was given, as it lies in Vault, and how it changes. Pure.

One document holds the tokens, when they end, who is renewing them and what became of the last attempt. Check-and-set of
that document is the lock over all processes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.kernel.secret import SecretValue
from app.outbound.model import TokenAnswer
from app.variables.secrets.types import OAuth2Parts, as_json
from app.vault import StoredTokens

HELD_FOR: Final = 30.0
"""How long a renewal keeps others away, in seconds."""
ASSUMED_LIFETIME: Final = 300.0
"""Of a token whose lifetime wasn't told, in seconds; a 401 ends it before."""
QUIET_AFTER_FAILURE: Final = 5.0
"""For how long nobody asks once more after a request that gave no token, in seconds."""
REFUSALS_APART: Final = 60.0
"""How far apart renewals after a 401 are, in seconds."""
_EARLY: Final = 60.0
_EARLY_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Owner:
    """What tokens belong to: a secret, the version of its credentials, and what makes it up."""

    secret_id: str
    entry_version: int
    parts: str

    @classmethod
    def of(cls, secret_id: str, entry_version: int, parts: OAuth2Parts) -> Owner:
        """Return the owner of tokens that are had with these credentials."""
        text = json.dumps(as_json(parts), sort_keys=True)
        return cls(secret_id, entry_version, hashlib.sha256(text.encode()).hexdigest())

    def facts(self) -> dict[str, object]:
        """Return it as plain facts."""
        return {"secret_id": self.secret_id, "entry_version": self.entry_version, "parts": self.parts}


@dataclass(frozen=True, slots=True)
class TokenState:
    """The document as it was read, if it is the owner's; ``version`` is for check-and-set (0: there is none)."""

    owner: Owner
    version: int
    values: Mapping[str, SecretValue]
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, stored: StoredTokens | None, owner: Owner) -> TokenState:
        """Read what lies in Vault; what was had with other credentials counts for nothing."""
        if stored is None:
            return cls(owner, 0, {}, owner.facts())
        facts = stored.document.facts()
        if any(facts.get(name) != value for name, value in owner.facts().items()):
            return cls(owner, stored.version, {}, owner.facts())
        return cls(owner, stored.version, stored.document.values(), facts)

    def document(self) -> SecretValue:
        """Return it as it is stored."""
        return SecretValue.document(self.values, self.facts)

    @property
    def fetched_at(self) -> float:
        """When the token was had."""
        return self._number("fetched_at")

    @property
    def reconnect(self) -> bool:
        """Whether the service gives no more tokens."""
        return bool(self.facts.get("reconnect"))

    def alive(self, now: float) -> bool:
        """Tell whether the token can be used."""
        return "access_token" in self.values and now < self._number("expires_at")

    def due(self, now: float) -> bool:
        """Tell whether the token is to be renewed: shortly before its end, and once it is over."""
        lifetime = self._number("expires_at") - self.fetched_at
        return not self.alive(now + min(_EARLY, lifetime * _EARLY_SHARE))

    def is_other_at_work(self, holder: str, now: float) -> bool:
        """Tell whether somebody else renews at this moment."""
        return self.facts.get("holder") not in (None, holder) and now < self._number("held_until")

    def is_at_work(self, holder: str) -> bool:
        """Tell whether this one renews."""
        return self.facts.get("holder") == holder

    def failed_lately(self, now: float) -> str | None:
        """Return why the last request gave no token, where that was a moment ago."""
        return str(self.facts["failure"]) if now < self._number("failed_at") + QUIET_AFTER_FAILURE else None

    def refused_lately(self, now: float) -> bool:
        """Tell whether a token was renewed after a 401 within the last minute."""
        return now < self._number("refused_at") + REFUSALS_APART

    def at(self, version: int) -> TokenState:
        """Return it as it was stored as this version."""
        return TokenState(self.owner, version, self.values, self.facts)

    def hold(self, holder: str, now: float, *, refused: bool) -> TokenState:
        """Return it with a renewal that begins: the intent, before anybody is asked."""
        more = {"refused_at": now} if refused else {}
        return self._with(self.values, {"holder": holder, "held_until": now + HELD_FOR} | more)

    def renew(self, answer: TokenAnswer, now: float, *, plain_basic: bool) -> TokenState:
        """Return it with the tokens that were given; a refresh token that wasn't given anew stays."""
        given = {"access_token": answer.access_token, "refresh_token": answer.refresh_token}
        values = {**self.values, **{name: value for name, value in given.items() if value is not None}}
        lifetime = ASSUMED_LIFETIME if answer.lifetime is None else answer.lifetime
        more = {"fetched_at": now, "expires_at": now + lifetime, "plain_basic": plain_basic}
        return self._without("failed_at", "failure", "reconnect")._with(values, more | _RELEASED)

    def fail(self, reason: str, now: float) -> TokenState:
        """Return it with a request that gave no token."""
        return self._with(self.values, {"failed_at": now, "failure": reason} | _RELEASED)

    def end(self) -> TokenState:
        """Return it with a grant that is over: somebody has to connect the service anew."""
        return self._with(self.values, {"reconnect": True} | _RELEASED)

    def _with(self, values: Mapping[str, SecretValue], more: Mapping[str, Any]) -> TokenState:
        return TokenState(self.owner, self.version, values, {**self.facts, **more})

    def _without(self, *names: str) -> TokenState:
        facts = {name: value for name, value in self.facts.items() if name not in names}
        return TokenState(self.owner, self.version, self.values, facts)

    def _number(self, name: str) -> float:
        value = self.facts.get(name)
        return float(value) if isinstance(value, int | float) else float("-inf")


_RELEASED: Final = {"holder": None, "held_until": 0}
