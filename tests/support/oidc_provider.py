"""A small OpenID Connect provider on loopback that checks what a strict one checks, and can be told to cheat."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID = "strongroom"
CLIENT_SECRET = "s3cret+of/the client"


@dataclass
class Provider:
    """What it serves; tests change a part of it to play an attack."""

    issuer: str = ""
    subject: str = "ada"
    claims: dict[str, object] = field(default_factory=dict)
    discovery: dict[str, object] = field(default_factory=dict)
    """What stands in the discovery document in place of the usual."""
    callback: dict[str, str] = field(default_factory=dict)
    """What the browser brings back besides, or in place of the usual."""
    sign: Callable[[Provider, Mapping[str, object]], str] | None = None
    """Makes the ID token, where it isn't the usual."""
    token_answer: Mapping[str, object] | None = None
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    published: list[dict[str, object]] = field(default_factory=list)

    def authorize(self, url: str) -> str:
        """Play a browser whose person agrees: take the authorization URL, give the URL that it is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        returned = {"code": code, "state": query["state"], **self.callback}
        return f"{query['redirect_uri']}?{urlencode(returned)}"

    def id_token(self, claims: Mapping[str, object]) -> str:
        return jwt.encode(dict(claims), self.key, "RS256", headers={"kid": "k1"})

    def usual_claims(self, nonce: str) -> dict[str, object]:
        now = int(time.time())
        usual: dict[str, object] = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        }
        return {name: value for name, value in (usual | self.claims).items() if value is not None}

    def logout_token(self, **claims: object) -> str:
        now = int(time.time())
        usual: dict[str, object] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            "sub": self.subject,
        }
        return self.id_token({name: value for name, value in (usual | claims).items() if value is not None})

    def answer(self, path: str, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, object]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            } | self.discovery
        if path == "/keys":
            return 200, {"keys": self.published}
        if path == "/token":
            return self._token(form, authorization)
        return 404, {}

    def _token(self, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, object]]:
        asked = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(
            b"="
        )
        right = (
            asked is not None
            and (unquote_plus(pair[0]), unquote_plus(pair[2])) == (CLIENT_ID, CLIENT_SECRET)
            and challenge.decode() == asked["code_challenge"]
            and form.get("redirect_uri") == asked["redirect_uri"]
        )
        if asked is None or not right:
            return 400, {"error": "invalid_grant"}
        claims = self.usual_claims(asked["nonce"])
        token = self.sign(self, claims) if self.sign else self.id_token(claims)
        return 200, self.token_answer or {"access_token": "at", "token_type": "Bearer", "id_token": token}


def public_jwk(key: Any, kid: str) -> dict[str, object]:
    algorithm = (
        jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    )
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


@contextmanager
def oidc_provider() -> Iterator[Provider]:
    provider = Provider()

    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path != "/authorize":
                return self._answer({})
            self.send_response(302)  # whoever comes with a browser agrees
            self.send_header("Location", provider.authorize(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(text).items()})

        def _answer(self, form: Mapping[str, str]) -> None:
            path = urlsplit(self.path).path
            provider.requests.append((path, form))
            status, document = provider.answer(path, form, self.headers.get("Authorization", ""))
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        provider.published = [public_jwk(provider.key, "k1")]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
