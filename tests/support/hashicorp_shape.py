"""HashiCorp Vault's answers in front of a real OpenBao: what its source answers in another way, point by point.

It stands between a client and OpenBao (`vault_proxy(..., shape=HashicorpShape())`) where HashiCorp's own image can't be
run. What it plays was read in the source and the notes of 1.15 to 2.2.2; it is no proof of what that image does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LARGEST_HEAD: Final = 8 * 1024
Reply = tuple[int, dict[str, str], bytes]
_BY: Final = {"actor": "jwt-strongroom", "client_id": "c1", "entity_id": "e1", "operation": "update"}


def _refusal(status: int, *errors: str) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps({"errors": list(errors)}).encode()


@dataclass
class HashicorpShape:
    """What differs. ``lagging`` answers 412 to the first use of each token; ``before_1_21`` forgets to forget."""

    lagging: bool = True
    before_1_21: bool = False
    version: str = "2.2.2"
    _new: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, path: str, headers: Mapping[str, str]) -> Reply | None:
        """Answer what HashiCorp's wouldn't let in; None for what goes on to OpenBao."""
        if sum(len(name) + len(value) + 4 for name, value in headers.items()) > LARGEST_HEAD:
            return 431, {"Content-Type": "text/plain"}, b"431 Request Header Fields Too Large"
        if "//" in path.partition("?")[0]:
            return _refusal(400, "path must not have empty segments")
        token = headers.get("X-Vault-Token")  # as our client spells it
        if "/sys/generate-root/" in path and token is None:
            return _refusal(403, "permission denied")
        with self._lock:
            if token is not None and token in self._new:
                self._new.discard(token)
                return _refusal(412, "required index state not present")
        return None

    def request(self, method: str, path: str, body: bytes) -> bytes:
        """Change what goes on: an empty list of headers takes nothing back before 1.21."""
        if self.before_1_21 and method != "GET" and path.endswith("/tune"):
            document = json.loads(body)
            if document.get("allowed_response_headers") == []:
                del document["allowed_response_headers"]
                return json.dumps(document).encode()
        return body

    def answer(self, path: str, status: int, headers: dict[str, str], content: bytes) -> Reply:
        """Write OpenBao's answer as HashiCorp's would."""
        headers = {name: value for name, value in headers.items() if name.lower() != "x-vault-index"}
        try:
            document = json.loads(content)
        except ValueError:
            return status, headers, content
        if status == 403 and document.get("errors") == ["permission denied"]:
            document["errors"] = ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]
        if status == 400 and "/data/" in path and "template" in str(document.get("errors")):
            status, document = 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        self._adapt(path, document)
        return status, headers, json.dumps(document).encode()

    def _adapt(self, path: str, document: dict[str, Any]) -> None:
        if "/sys/health" in path:
            document |= {
                "version": self.version,
                "enterprise": False,
                "performance_standby": False,
                "echo_duration_ms": 0,
                "clock_skew_ms": 0,
                "replication_primary_canary_age_ms": 0,
            }
        if "request_id" in document:
            document |= {"mount_type": "kv", "wrap_info": document.get("wrap_info")}
        auth = document.get("auth")
        if isinstance(auth, dict) and auth.get("client_token"):
            auth["mfa_requirement"] = None
            if self.lagging:
                with self._lock:
                    self._new.add(auth["client_token"])
        data = document.get("data")
        if isinstance(data, dict):
            _attribute(data)


def _attribute(data: dict[str, Any]) -> None:
    """Say who wrote and who deleted, as KV version 2 does from 1.21 on."""
    if isinstance(data.get("metadata"), dict) and "version" in data["metadata"]:
        data["metadata"] |= {"created_by": _BY, "deleted_by": None}
    elif "created_time" in data and "version" in data:
        data |= {"created_by": _BY, "deleted_by": None}
    elif isinstance(data.get("versions"), dict):
        data["last_updated_by"] = _BY
        for facts in data["versions"].values():
            facts |= {"created_by": _BY, "deleted_by": None}
