"""What ``verify`` tries: a request for every verb at every door of the table, and the side doors. Pure.

A *door* is a path as it stands in the policy files, or for a side door some words. The requests go to scratch
workspaces, whose names are none that a workspace can have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.policies.table import TABLE, WORKSPACE
from app.vault import KEY_TYPE, VISIBILITIES
from app.vault.options import Mounts
from app.vault.roles import grant_role

Method = Literal["GET", "LIST", "POST", "PATCH", "DELETE"]

OURS: Final = "_verify-a"
OTHER: Final = "_verify-b"
# The owner comes last, who can delete the keys that the others try.
LOGIN_ROLES: Final = ("health", "record", "runtime", "decrypt", "sign", "renew", "mover", "editor", "admin", "owner")
ANY_FOLDER: Final = f"@@KV@@/data/{WORKSPACE}/+/+"
"""The pipeline's one block. What it opens is what the doors of each folder open, so it is tried through those."""
DOORS: Final = tuple(
    dict.fromkeys(
        door for role in reversed(LOGIN_ROLES) for door in TABLE[role] if door != ANY_FOLDER and "*" not in door
    )
)
SIGNS: Final = f"{OURS}.sign"
"""What the names of the scratch workspace's signing keys begin with: ``HMAC``, ``JWS`` and a pair for each role."""

VALUE: Final = {"value": "scratch"}
PLAINTEXT: Final = "c2NyYXRjaA=="
_NEVER: Final = 1_000_000
"""A version that no entry has, so that check-and-set stores nothing."""

_METHODS: Final[Mapping[str, Method]] = {
    "create": "POST",
    "read": "GET",
    "update": "POST",
    "patch": "PATCH",
    "list": "LIST",
    "delete": "DELETE",
}
_NOBODY: Final[frozenset[str]] = frozenset()
_SIGNING_KEYS_FOR: Final = frozenset({"owner", "admin"})
_KEPT: Final = ("@@KV@@/data/_record/", "@@KV@@/metadata/_record/")
"""Doors to what stays: nobody may delete there, so what is tried stores nothing."""
_LAST: Final = "/metadata/"
"""A door to come to after the others: through it a writer deletes the entry that they all try."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that stands for one capability at one door."""

    door: str
    verb: str
    method: Method
    path: str
    body: Mapping[str, Any] | None = None
    allowed: frozenset[str] | None = None
    """The roles that may; None where the table says it by the door."""
    harmless: bool = False
    """Made so that it does nothing even where Vault lets it in: then an error about the request is as good as a 200."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """What was prepared: ciphertext by key name, a signature by ``_record``, and a key wrapped for import."""

    ciphertexts: Mapping[str, str]
    signature: str
    wrapped: str


# --- the doors of the table


def table_probes(mounts: Mounts, role: str, scratch: Scratch) -> Iterator[Probe]:
    """Try every verb at every door of anybody's; each role has entries of its own to try them on.

    Vault calls a POST ``create`` or ``update`` by whether the thing is there; where it doesn't look, it is ``update``.
    To a folder it lets nobody write. The deletion of a key is left to ``key_deletion_probes``.
    """
    for door in sorted(DOORS, key=lambda door: _LAST in door):
        for verb in _verbs(door):
            name = f"{role}-new" if verb == "create" else role
            kept = door.startswith(_KEPT)
            yield Probe(
                door,
                verb,
                _METHODS[verb],
                _fill(door, mounts, f"_{name}" if kept else name),
                _body(door, verb, scratch),
                harmless=kept,
            )


def is_allowed(role: str, door: str, verb: str) -> bool:
    """Tell whether the table lets a role do this at a door."""
    row = TABLE[role]
    in_a_folder = door.startswith(f"@@KV@@/data/{WORKSPACE}/") and door.endswith("/+")
    return verb in row.get(door, ()) or (in_a_folder and verb in row.get(ANY_FOLDER, ()))


def signing_probes(mounts: Mounts, role: str, scratch: Scratch) -> Iterator[Probe]:
    """Try what the rows with ``.sign.*`` cover: signing, and all that lies behind a key's name."""
    transit = mounts.transit
    yield from _signatures(transit)
    own, wrapped = f"{transit}/keys/{SIGNS}.{role}", {"ciphertext": scratch.wrapped, "hash_function": "SHA256"}
    shown = f"@@TRANSIT@@/keys/{WORKSPACE}.sign.*"
    new = {**wrapped, "type": "hmac"}
    for name, path, body, harmless in (
        ("", f"{transit}/keys/{SIGNS}.HMAC", None, False),
        (" import", f"{own}/import", new, False),
        (" import_version", f"{own}/import_version", wrapped, False),
        (" config", f"{own}/config", {"min_decryption_version": 1}, False),
        (" trim", f"{own}/trim", {"min_available_version": 1}, True),
    ):
        verb: str = "read" if body is None else "update"
        yield Probe(shown + name, verb, _METHODS[verb], path, body, _SIGNING_KEYS_FOR, harmless)
    yield Probe(f"{shown} csr", "update", "POST", f"{own}/csr", {"csr": PLAINTEXT}, _NOBODY)
    for setting in ("exportable", "allow_plaintext_backup"):
        for deed, body in (("import", new), ("config", {}), ("", {"type": "hmac"})):
            path, door = f"{own}-{setting}/{deed}".rstrip("/"), f"{shown} {deed or 'made'} {setting}"
            yield Probe(door, "update", "POST", path, {**body, setting: True}, _NOBODY)
    for name, path in (
        ("exported as an HMAC key", f"export/hmac-key/{SIGNS}.HMAC"),
        ("exported as a signing key", f"export/signing-key/{SIGNS}.JWS"),
        ("backed up", f"backup/{SIGNS}.HMAC"),
    ):
        yield Probe(f"{shown} {name}", "read", "GET", f"{transit}/{path}", None, _NOBODY)


def _signatures(transit: str) -> Iterator[Probe]:
    mac = {"input": PLAINTEXT, "algorithm": "sha2-256", "key_version": 1}
    jws = {
        "input": PLAINTEXT,
        "key_version": 1,
        "hash_algorithm": "sha2-256",
        "signature_algorithm": "pkcs1v15",
        "marshaling_algorithm": "jws",
    }
    signs = frozenset({"sign"})
    for verb, name, body, allowed in (
        ("hmac", "", mac, signs),
        ("hmac", " with the key's newest version", {key: mac[key] for key in ("input", "algorithm")}, _NOBODY),
        ("hmac", " of a batch", {**mac, "batch_input": [{"input": PLAINTEXT}]}, _NOBODY),
        ("sign", "", jws, signs),
        ("sign", " of a digest", {**jws, "prehashed": True}, _NOBODY),
        ("sign", " without a hash", {**jws, "hash_algorithm": "none"}, _NOBODY),
        ("sign", " in another form", {**jws, "marshaling_algorithm": "asn1"}, _NOBODY),
        ("sign", " as it comes", {"input": PLAINTEXT}, _NOBODY),
    ):
        key = "HMAC" if verb == "hmac" else "JWS"
        path, door = f"{transit}/{verb}/{SIGNS}.{key}", f"@@TRANSIT@@/{verb}/{WORKSPACE}.sign.*{name}"
        yield Probe(door, "update", "POST", path, body, allowed)
        if not name:
            there = f"{transit}/{verb}/{OTHER}.sign.{key}"
            yield Probe(f"another workspace's {verb} key", "update", "POST", there, body, _NOBODY)


def key_deletion_probes(mounts: Mounts) -> Iterator[Probe]:
    """Try to delete the workspace's keys: last of all, since whoever may do it takes them away."""
    for visibility in VISIBILITIES:
        door = f"@@TRANSIT@@/keys/{WORKSPACE}.{visibility}"
        yield Probe(door, "delete", "DELETE", _fill(door, mounts, ""))
    for name in ("HMAC", "JWS"):
        path = f"{mounts.transit}/keys/{SIGNS}.{name}"
        yield Probe(
            f"@@TRANSIT@@/keys/{WORKSPACE}.sign.*", "delete", "DELETE", path, None, _SIGNING_KEYS_FOR, harmless=True
        )


def readable(door: str) -> str:
    """Return a door as a person reads it."""
    return door.replace(WORKSPACE, "<ws>").replace("@@KV@@", "<kv>").replace("@@TRANSIT@@", "<transit>")


def _verbs(door: str) -> Iterator[str]:
    entry = door.startswith(("@@KV@@/data/", "@@KV@@/metadata/")) and door.endswith("/+")
    key = door.startswith("@@TRANSIT@@/keys/{{") and door.endswith(VISIBILITIES)
    folder, kept = door.endswith("/"), door.startswith(_KEPT)
    senseless = {"create": not entry, "update": folder or kept, "patch": folder or kept, "delete": key}
    yield from (verb for verb in _METHODS if not senseless.get(verb))


def _fill(door: str, mounts: Mounts, name: str) -> str:
    path = door.replace(WORKSPACE, OURS).replace("@@KV@@", mounts.kv).replace("@@TRANSIT@@", mounts.transit)
    return path.removesuffix("+") + name if path.endswith("/+") else path


def _body(door: str, verb: str, scratch: Scratch) -> Mapping[str, Any] | None:
    if verb not in ("create", "update", "patch"):
        return None
    part = door.split("/")[1]
    if door.startswith(_KEPT):
        return {"data": VALUE, "options": {"cas": _NEVER}}
    if part == "data":
        return {"data": VALUE, "options": {"cas": 0 if verb == "create" else 1}}
    if part == "metadata":
        return {"custom_metadata": {"binding": "0"}}
    if part in ("undelete", "destroy"):
        return {"versions": [2]}
    return _key_body(part, door, scratch)


def _key_body(part: str, door: str, scratch: Scratch) -> Mapping[str, Any]:
    bodies: Mapping[str, Mapping[str, Any]] = {
        "encrypt": {"plaintext": PLAINTEXT},
        "sign": {"input": PLAINTEXT},
        "verify": {"input": PLAINTEXT, "signature": scratch.signature},
    }
    if part in ("decrypt", "rewrap"):
        return {"ciphertext": scratch.ciphertexts[f"{OURS}.{door.rpartition('.')[2]}"]}
    if door.endswith("/config") and part == "keys":
        return {"deletion_allowed": True}
    if part == "keys" and not door.endswith("/rotate"):
        return {"type": KEY_TYPE}
    return bodies.get(part, {})


# --- the side doors: nobody gets through


def bypass_probes(mounts: Mounts, scratch: Scratch) -> Iterator[Probe]:
    """Try the ways around the table, the other workspace's things, and Vault itself."""
    yield from _around_values(mounts)
    yield from _around_keys(mounts)
    yield from _next_door(mounts, scratch)
    yield from _around_vault()


def old_version_probes(mounts: Mounts) -> Iterator[Probe]:
    """Try what a rollback would bring back; no person's role may, ``runtime`` and ``mover`` may read every version."""
    path = f"{mounts.kv}/data/{OURS}/restricted/health?version=1"
    yield Probe("an older version of a restricted value", "read", "GET", path)


def _around_values(mounts: Mounts) -> Iterator[Probe]:
    kv, write = mounts.kv, {"data": VALUE, "options": {"cas": 1}}
    for visibility in VISIBILITIES:
        here = f"{OURS}/{visibility}"
        yield Probe(f"subkeys of a {visibility} value", "read", "GET", f"{kv}/subkeys/{here}/health")
        yield Probe(f"nested {visibility} name", "read", "GET", f"{kv}/data/{here}/health/deeper")
        yield Probe(f"nested {visibility} name", "create", "POST", f"{kv}/data/{here}/health/deeper", write)
        yield Probe(f"nested {visibility} folder", "list", "LIST", f"{kv}/metadata/{here}/health/")
        yield Probe(f"{visibility} folder as a value", "read", "GET", f"{kv}/data/{here}")
    yield Probe("the workspace's folder", "list", "LIST", f"{kv}/metadata/{OURS}/")
    yield Probe("all workspaces", "list", "LIST", f"{kv}/metadata/")
    third = f"{kv}/data/{OURS}/public/X"
    yield Probe("a third folder", "create", "POST", third, {"data": VALUE})
    yield Probe("a third folder", "read", "GET", third, None, frozenset({"runtime"}), harmless=True)
    yield Probe("the tokens' names", "list", "LIST", f"{kv}/metadata/{OURS}/tokens/")


def _around_keys(mounts: Mounts) -> Iterator[Probe]:
    transit, exportable = mounts.transit, {"type": KEY_TYPE, "exportable": True}
    for visibility in VISIBILITIES:
        key = f"{transit}/keys/{OURS}.{visibility}"
        yield Probe(
            f"{visibility} key, exported", "read", "GET", f"{transit}/export/encryption-key/{OURS}.{visibility}"
        )
        yield Probe(f"{visibility} key, backed up", "read", "GET", f"{transit}/backup/{OURS}.{visibility}")
        yield Probe(f"{visibility} key, exportable", "create", "POST", key, exportable)
        yield Probe(f"{visibility} key, made exportable", "update", "POST", f"{key}/config", {"exportable": True})
        yield Probe(f"{visibility} data key", "update", "POST", f"{transit}/datakey/plaintext/{OURS}.{visibility}", {})
    yield Probe("all keys", "list", "LIST", f"{transit}/keys")
    yield Probe("the record's key, exported", "read", "GET", f"{transit}/export/signing-key/_record")


def _next_door(mounts: Mounts, scratch: Scratch) -> Iterator[Probe]:
    kv, transit, write = mounts.kv, mounts.transit, {"data": VALUE, "options": {"cas": 1}}
    for visibility in VISIBILITIES:
        there, name = f"{OTHER}/{visibility}", f"{OTHER}.{visibility}"
        ciphertext = {"ciphertext": scratch.ciphertexts[name]}
        yield Probe(f"another workspace's {visibility} value", "read", "GET", f"{kv}/data/{there}/owner")
        yield Probe(f"another workspace's {visibility} value", "update", "POST", f"{kv}/data/{there}/owner", write)
        yield Probe(f"another workspace's {visibility} value", "delete", "DELETE", f"{kv}/metadata/{there}/owner")
        yield Probe(f"another workspace's {visibility} names", "list", "LIST", f"{kv}/metadata/{there}/")
        yield Probe(f"another workspace's {visibility} key", "decrypt", "POST", f"{transit}/decrypt/{name}", ciphertext)
        yield Probe(f"another workspace's {visibility} key", "delete", "DELETE", f"{transit}/keys/{name}")


def _around_vault() -> Iterator[Probe]:
    yield Probe("its own policy", "read", "GET", "sys/policies/acl/strongroom-owner")
    yield Probe("its own policy", "update", "POST", "sys/policies/acl/strongroom-editor", {"policy": ""})
    yield Probe("another token", "create", "POST", "auth/token/create", {})
    yield Probe("its own token, for longer", "update", "POST", "auth/token/renew-self", {})
    yield Probe("the mounts", "read", "GET", "sys/mounts")
    yield Probe("the policies", "list", "LIST", "sys/policies/acl")


# --- what an operator granted elsewhere


@dataclass(frozen=True, slots=True)
class GrantedPath:
    """A path that a workspace's policy of grants names, as a request has it; ``versioned``: of KV version 2."""

    workspace: str
    path: str
    versioned: bool


def grant_probes(role: str, granted: GrantedPath, mounts: Mounts) -> Iterator[Probe]:
    """Try a granted path as ``grant-<workspace>``, or as another role of the same workspace, which may not.

    No value is read: a version is named that no entry has. KV version 1 has none, so there only what others may not is
    tried.
    """
    path, own = granted.path, role == grant_role(granted.workspace)
    mine = frozenset({role}) if own else _NOBODY
    if granted.versioned:
        write = {"data": VALUE, "options": {"cas": _NEVER}}
        yield Probe(path, "read", "GET", f"{path}?version={_NEVER}", None, mine, harmless=True)
        yield Probe(path, "update", "POST", path, write, _NOBODY)
    elif not own:
        yield Probe(path, "read", "GET", path, None, _NOBODY)
    if own:
        policy = f"sys/policies/acl/strongroom-{role}"
        yield Probe(f"{path} and more", "read", "GET", f"{path}-and-more", None, _NOBODY)
        yield Probe("its own policy of grants", "read", "GET", policy, None, mine)
        yield Probe("its own policy of grants", "update", "POST", policy, {"policy": ""}, _NOBODY)
        for visibility in VISIBILITIES:
            value = f"{mounts.kv}/data/{granted.workspace}/{visibility}/NONE"
            yield Probe(f"a {visibility} value of its workspace", "read", "GET", value, None, _NOBODY)
