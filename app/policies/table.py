"""What each role may do at most (design, section 3), by the path as it stands in the policy files. Pure.

``TABLE`` has the capabilities, ``PARAMETERS`` what may be sent where a write could do more than its capability says: a
path with ``*`` also covers what lies behind it, so there the list of parameters is what bounds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.vault import KEY_TYPE, SIGNING_KEY_TYPES, VISIBILITIES

ROLES: Final = (
    "admin",
    "decrypt",
    "editor",
    "health",
    "mover",
    "operator",
    "owner",
    "record",
    "renew",
    "runtime",
    "sign",
)
"""One policy file each; all but ``operator`` are Vault roles to log in with."""

WORKSPACE: Final = "{{identity.entity.aliases.@@ACCESSOR@@.metadata.workspace}}"

Grants = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be sent at most: parameters with their values (none: any value), and what must be sent at least."""

    allowed: Mapping[str, frozenset[str]]
    required: frozenset[str] = frozenset()


def _caps(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _both(pattern: str, words: str) -> dict[str, frozenset[str]]:
    return {pattern.format(ws=WORKSPACE, v=visibility): _caps(words) for visibility in VISIBILITIES}


def _one(pattern: str, words: str) -> dict[str, frozenset[str]]:
    return {pattern.format(ws=WORKSPACE): _caps(words)}


_WRITER: Final[Grants] = {
    **_one("@@KV@@/data/{ws}/masked/+", "create update read delete"),
    **_one("@@KV@@/data/{ws}/restricted/+", "create update delete"),
    **_both("@@KV@@/metadata/{ws}/{v}/", "list"),
    **_both("@@KV@@/metadata/{ws}/{v}/+", "create read update delete"),
    **_one("@@KV@@/metadata/{ws}/tokens/+", "delete"),
    **_both("@@KV@@/undelete/{ws}/{v}/+", "update"),
    **_both("@@KV@@/destroy/{ws}/{v}/+", "update"),
    **_both("@@TRANSIT@@/encrypt/{ws}.{v}", "update"),
    **_one("@@TRANSIT@@/decrypt/{ws}.masked", "update"),
    **_both("@@TRANSIT@@/keys/{ws}.{v}", "read"),
    **_both("@@TRANSIT@@/keys/{ws}.{v}/rotate", "update"),
    **_one("@@TRANSIT@@/keys/{ws}.sign.*", "update read delete"),
    **_one("@@TRANSIT@@/wrapping_key", "read"),
}
_DECRYPTS: Final[Grants] = _both("@@TRANSIT@@/decrypt/{ws}.{v}", "update")

TABLE: Final[Mapping[str, Grants]] = {
    "owner": {
        **_WRITER,
        # Vault asks for "update" to make a key, since it doesn't look first whether there is one.
        **_both("@@TRANSIT@@/keys/{ws}.{v}", "create update read delete"),
        **_both("@@TRANSIT@@/keys/{ws}.{v}/config", "update"),
    },
    "admin": _WRITER,
    "editor": {
        **_one("@@KV@@/data/{ws}/masked/+", "read"),
        **_one("@@TRANSIT@@/decrypt/{ws}.masked", "update"),
    },
    "runtime": _one("@@KV@@/data/{ws}/+/+", "read"),
    "decrypt": _DECRYPTS,
    "sign": {
        **_one("@@TRANSIT@@/hmac/{ws}.sign.*", "update"),
        **_one("@@TRANSIT@@/sign/{ws}.sign.*", "update"),
    },
    "renew": {
        **_one("@@KV@@/data/{ws}/restricted/+", "read"),
        **_one("@@KV@@/data/{ws}/tokens/+", "create update read"),
        **_one("@@KV@@/destroy/{ws}/tokens/+", "update"),
    },
    "mover": {
        **_both("@@KV@@/data/{ws}/{v}/+", "read"),
        **_DECRYPTS,
        **_both("@@TRANSIT@@/rewrap/{ws}.{v}", "update"),
    },
    "record": {
        **_one("@@TRANSIT@@/sign/_record", "update"),
        **_one("@@TRANSIT@@/verify/_record", "update"),
        **_one("@@TRANSIT@@/keys/_record", "read"),
        **_one("@@KV@@/data/_record/+", "create update read"),
        **_one("@@KV@@/metadata/_record/", "list"),
    },
    "health": {
        **_one("@@KV@@/config", "read"),
        **_one("@@TRANSIT@@/keys/_record", "read"),
    },
    "operator": {
        **_one("sys/mounts", "read"),
        **_one("sys/mounts/@@KV@@", "create update"),
        **_one("sys/mounts/@@KV@@/tune", "update"),
        **_one("sys/mounts/@@TRANSIT@@", "create update"),
        **_one("sys/mounts/@@TRANSIT@@/tune", "update"),
        **_one("@@KV@@/config", "create update read"),
        **_one("@@TRANSIT@@/keys/_record", "create update read"),
        **_one("sys/auth", "read"),
        **_one("sys/auth/@@JWT@@", "create update sudo"),
        **_one("sys/auth/@@JWT@@/tune", "update sudo"),
        **_one("auth/@@JWT@@/config", "create update read"),
        **_one("auth/@@JWT@@/role", "list"),
        **_one("auth/@@JWT@@/role/+", "create update read delete"),
        **_one("sys/policies/acl", "list"),
        **_one("sys/policies/acl/strongroom-*", "create update read delete"),
        **_one("sys/audit", "read sudo"),
        **_one("auth/token/revoke-self", "update"),
    },
}


def _any(*names: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(names, frozenset[str]())


PARAMETERS: Final[Mapping[str, Bounds]] = {
    **{path: Bounds({"type": frozenset({KEY_TYPE})}) for path in _both("@@TRANSIT@@/keys/{ws}.{v}", "")},
    **{path: Bounds(_any("deletion_allowed")) for path in _both("@@TRANSIT@@/keys/{ws}.{v}/config", "")},
    "@@TRANSIT@@/keys/_record": Bounds({"type": frozenset({"ed25519"})}),
    # Import, a further version, the minimum versions, trim, deletion; what would make a key readable isn't among them.
    f"@@TRANSIT@@/keys/{WORKSPACE}.sign.*": Bounds(
        {
            "type": frozenset(SIGNING_KEY_TYPES),
            **_any(
                "ciphertext",
                "hash_function",
                "min_decryption_version",
                "min_encryption_version",
                "min_available_version",
                "deletion_allowed",
            ),
        }
    ),
    f"@@TRANSIT@@/hmac/{WORKSPACE}.sign.*": Bounds(
        {"algorithm": frozenset({"sha2-256", "sha2-512", "sha1"}), **_any("input", "key_version")},
        frozenset({"algorithm", "input", "key_version"}),
    ),
    # Always a hash of the whole input, as JWS wants it: without these words Vault signs whatever digest it is given.
    f"@@TRANSIT@@/sign/{WORKSPACE}.sign.*": Bounds(
        {
            "hash_algorithm": frozenset({"sha2-256"}),
            "signature_algorithm": frozenset({"pkcs1v15"}),
            "marshaling_algorithm": frozenset({"jws"}),
            **_any("input", "key_version"),
        },
        frozenset({"hash_algorithm", "signature_algorithm", "marshaling_algorithm", "input", "key_version"}),
    ),
}
