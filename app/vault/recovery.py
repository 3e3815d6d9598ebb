"""An operator's token on the embedded Vault, made with the recovery key and given back.

Source: OpenBao docs, "/sys/generate-root".
"""

from __future__ import annotations

import base64
import fcntl
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

from app.kernel.errors import ServiceError, VaultRefused, VaultUnavailable
from app.vault.options import Server
from app.vault.transport import VaultConnections

OPERATOR_POLICY: Final = "embedded-operator"
"""Not ``strongroom-operator``: what a command compares with the files isn't what it has just written itself."""
_TOKEN_LIFE: Final = "1h"


@contextmanager
def operator_token(folder: Path, address: str, policy_text: str) -> Iterator[str]:
    """Lend a token that carries ``policy_text`` as a policy of its own.

    A root token is made for the moment it takes to write the policy and make the other, and revoked at once; the
    other is revoked on exit, or ends by itself within the hour.

    Raises:
        ServiceError: where the recovery key is missing or doesn't fit.
        VaultUnavailable: where the server doesn't serve.
    """
    with closing(VaultConnections(Server(address, read_timeout=30.0))) as line:
        with _one_at_a_time(folder):
            root = generate_token(line, read_recovery_key(folder), "root")
            try:
                _ask(line, "PUT", f"sys/policies/acl/{OPERATOR_POLICY}", root, {"policy": policy_text})
                wanted = {"policies": [OPERATOR_POLICY], "no_default_policy": True, "renewable": False}
                life = {"ttl": _TOKEN_LIFE, "explicit_max_ttl": _TOKEN_LIFE}
                made = _ask(line, "POST", "auth/token/create-orphan", root, wanted | life)
            finally:
                _ask(line, "POST", "auth/token/revoke-self", root, {})
        token = str(made["auth"]["client_token"])
        try:
            yield token
        finally:
            with suppress(VaultUnavailable):  # then it ends by itself
                _ask(line, "POST", "auth/token/revoke-self", token, {})


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Vault knows one attempt at a root token at a time; a second command would break off the first one's."""
    with (folder / "recovery.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_recovery_key(folder: Path) -> str:
    """Return the recovery key that lies in the embedded Vault's folder.

    Raises:
        ServiceError: the file is missing or damaged.
    """
    try:
        return str(json.loads((folder / "recovery.json").read_bytes())["recovery_key"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ServiceError(
            f"{folder / 'recovery.json'} is missing or damaged. Bring it back from a backup of this folder."
        ) from None


def generate_token(line: VaultConnections, recovery_key: str, kind: Literal["root", "recovery-token"]) -> str:
    """Make a root token, or in recovery mode a recovery token.

    Raises:
        ServiceError: the recovery key doesn't fit.
        VaultUnavailable: the server doesn't serve.
    """
    path = f"sys/generate-{kind}"
    line.ask("DELETE", f"{path}/attempt", repeat=True)  # what a killed command left
    attempt = _ask(line, "PUT", f"{path}/attempt", None, {})
    update = {"key": recovery_key, "nonce": attempt["nonce"]}
    answer = line.ask("PUT", f"{path}/update", body=update, repeat=False)
    if answer.status != 200 or not answer.document.get("complete"):
        raise ServiceError("The embedded Vault doesn't take the recovery key in recovery.json.")
    encoded = base64.b64decode(answer.document["encoded_token"] + "==")
    return bytes(a ^ b for a, b in zip(encoded, attempt["otp"].encode(), strict=True)).decode()


def _ask(line: VaultConnections, method: str, path: str, token: str | None, body: dict[str, Any]) -> Any:
    answer = line.ask(method, path, token=token, body=body, repeat=False)
    if answer.status >= 400:
        raise VaultRefused(f"The embedded Vault refused {path}.")
    return answer.document
