"""Asking the active node, where Vault's address reaches any node of a cluster.

A standby that answers reads by itself does so a moment late: a call could carry a value that had just been replaced.
HashiCorp's performance standbys hand a request on where ``X-Vault-Forward`` says so and their configuration lets it
count (``allow_forwarding_via_header``). OpenBao's hand on what names an index of the storage that they haven't reached
yet, and each answer tells the index that was reached; so one far ahead is named, which the active node looks at no
further.

Neither is taken on trust: ``RecordStore.prove_forwarding`` tries it.

Source: Vault docs, "Vault eventual consistency"; OpenBao docs, "Consistency headers".
"""

from __future__ import annotations

import base64
from typing import Final

import orjson

_AHEAD: Final = str(2**60)
_ALWAYS: Final = (("X-Vault-Forward", "active-node"), ("X-Vault-Inconsistent", "forward-active-node"))


class Forwarding:
    """The fields that have a standby hand a request on. Safe to share among threads."""

    def __init__(self) -> None:
        self._seen: str | None = None
        self._fields: tuple[tuple[str, str], ...] = _ALWAYS

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return the fields to send."""
        return self._fields

    def learn(self, index: str | None) -> None:
        """Look at the index that an answer told; of a cluster that was set up anew it is another one."""
        if index is None or index == self._seen:
            return
        self._seen = index
        ahead = index_ahead(index)
        self._fields = _ALWAYS if ahead is None else (*_ALWAYS, ("X-Vault-Index", ahead))


def index_ahead(index: str) -> str | None:
    """Return an index of the same cluster that no node will reach; None where it isn't written as OpenBao writes it."""
    try:
        told = orjson.loads(base64.b64decode(index, validate=True))
    except ValueError:
        return None
    if not isinstance(told, dict) or not str(told.get("value", "")).isdigit():
        return None
    return base64.b64encode(orjson.dumps(told | {"value": _AHEAD})).decode()
