"""One change of a transit key at a time, over all processes; and nothing used of a key whose change may be half done.

Of eight rotations at once OpenBao on raft answers some with 500, goes on using versions that it couldn't store, and has
lost them after a restart, with what was encrypted under them. So a change runs under a lock, and while its outcome
isn't known to be good the key is *in doubt*: nothing is encrypted or signed under it until a further change succeeds.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from app.kernel.errors import StrongroomError, Unanswered
from app.kernel.turns import hold_lock
from app.vault.transport import unavailable


class KeyGuard(Protocol):
    """Locks and doubts that all processes share."""

    def hold(self, key: str) -> AbstractContextManager[None]:
        """Wait until nobody else holds this key, and hold it."""

    def in_doubt(self, key: str) -> bool:
        """Tell whether the key's last change may be half done."""

    def doubt(self, key: str) -> None:
        """Note, durably, that a change of the key begins."""

    def clear(self, key: str) -> None:
        """Note that the key is as Vault stored it."""

    def doubtful(self) -> Sequence[str]:
        """List the keys in doubt, sorted."""


class ProcessKeyGuard:
    """A guard for a process that is alone."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._doubts: set[str] = set()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """See ``KeyGuard``."""
        with hold_lock(self._locks[key]):
            yield

    def in_doubt(self, key: str) -> bool:
        """See ``KeyGuard``."""
        return key in self._doubts

    def doubt(self, key: str) -> None:
        """See ``KeyGuard``."""
        self._doubts.add(key)

    def clear(self, key: str) -> None:
        """See ``KeyGuard``."""
        self._doubts.discard(key)

    def doubtful(self) -> Sequence[str]:
        """See ``KeyGuard``."""
        return sorted(self._doubts)


@contextmanager
def change_key(guard: KeyGuard, key: str) -> Iterator[None]:
    """Change a key inside the block: alone, and in doubt until the block ends well.

    What Vault refused or never got leaves the key as it was. After an answer that never came, or a 5xx, and where this
    process dies meanwhile, the key stays in doubt.
    """
    with guard.hold(key):
        before = guard.in_doubt(key)
        guard.doubt(key)
        try:
            yield
        except Unanswered:
            raise
        except StrongroomError:
            if not before:
                guard.clear(key)
            raise
        guard.clear(key)


def require_sound(guard: KeyGuard, key: str) -> None:
    """Do nothing where the key may be used, and wait for a change that is under way.

    Raises:
        VaultUnavailable: its last change may be half done.
    """
    if not guard.in_doubt(key):
        return
    with guard.hold(key):
        if guard.in_doubt(key):
            raise unavailable(
                f"The last change of Vault's key {key} may be half done, so nothing is encrypted or signed under it."
                " Rotate it again, or store its secret's key again."
            )
