"""How a request gets to Vault: kept-alive connections, short timeouts, retries, and hvac's adapter on top of them.

hvac's own adapters go through a requests session, which reads proxies and ``~/.netrc`` from its surroundings, keeps
ten connections, and loses the status of an answer that it doesn't know (473). ``hvac.adapters`` is the place where
hvac lets itself be given another.

What Vault can't do now ends here as ``VaultUnavailable`` with the reason in words. What it refused or didn't find goes
on as hvac's own exception, for ``client`` to name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import SystemRandom
from ssl import SSLContext
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import hvac.adapters
import hvac.exceptions
import orjson

from app import telemetry
from app.http1 import errors as http1
from app.http1.connection import tls_context
from app.http1.pool import Pool, request_head
from app.kernel.errors import ServiceError, Unanswered, VaultUnavailable
from app.vault.answers import RETRY_AFTER, Trouble, VaultResponse, read_response, trouble_in
from app.vault.forwarding import Forwarding
from app.vault.options import Server

_PAUSES: Final = (0.1, 0.3)
"""Seconds between the three attempts, each made longer or shorter by up to a half, so that many don't come at once."""
_PLAIN: Final = re.compile(r"[\w./%-]*", re.ASCII)
_SAFE: Final = "/?%:@!$&'()*+,;=~-._"
_jitter = SystemRandom()


def unavailable(reason: str, wait: int | None = None) -> VaultUnavailable:
    """Say why Vault can't, and when to try again: after ``wait`` seconds, where Vault named any."""
    return VaultUnavailable(reason, retry_after=wait or RETRY_AFTER)


class VaultConnections:
    """Connections to one Vault, kept alive and safe to share among threads. No proxy, no netrc, no redirect.

    Raises ``ServiceError`` when the address or a TLS file can't be used.
    """

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServiceError("VAULT_ADDR isn't an http or https address.")
        self._prefix = parts.path.rstrip("/")
        self._connecting = partial(http1.deadline, server.connect_timeout)
        self._waiting = server.read_timeout
        secured = parts.scheme == "https"
        port = parts.port or (443 if secured else 80)
        name = server.tls_server_name or parts.hostname
        self._pool = Pool(parts.hostname, port, tls=_tls(server) if secured else None, name=name)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._fields = [
            ("Host", f"{host}:{port}"),
            ("X-Vault-Request", "true"),
            ("User-Agent", "strongroom"),
            ("Content-Type", "application/json"),
        ]
        if server.namespace:
            self._fields.append(("X-Vault-Namespace", server.namespace))
        self._forwarding = Forwarding() if server.forward else None

    @property
    def forwards(self) -> bool:
        """Whether the active node is asked for with every request."""
        return self._forwarding is not None

    def close(self) -> None:
        """Close every idle connection."""
        self._pool.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        repeat: bool,
    ) -> VaultResponse:
        """Send a request to ``/v1/<path>`` and return the answer, whatever Vault thinks of the request itself.

        ``repeat`` says that doing it twice does no more than doing it once. Then a broken connection and a trouble that
        may pass are tried again; otherwise only what surely never reached Vault, or what it says it can't do just now.
        A read that timed out isn't tried again: Vault is slow, and asking once more would make it slower. Nor is what
        Vault says to ask again later: the caller is told when.

        Raises:
            VaultUnavailable: where Vault can't serve.
            Unanswered: where, besides, a request that isn't to be repeated may have been carried out.
        """
        problem: VaultUnavailable
        for pause in (*_PAUSES, None):
            try:
                answer = self.once(method, path, token=token, body=body, query=query, headers=headers)
            except Unanswered as cut:
                problem = cut
                again = repeat and not isinstance(cut, _TimedOut)
            except VaultUnavailable as never_sent:
                problem = never_sent
                again = True
            else:
                trouble = trouble_in(answer)
                if trouble is None:
                    return answer
                problem = _as_problem(trouble, answer, repeat=repeat)
                again = (repeat or trouble.passing) and not trouble.lasting and trouble.wait is None
            if pause is None or not again:
                break
            time.sleep(pause * _jitter.uniform(0.5, 1.5))
        if repeat and isinstance(problem, Unanswered):
            problem = unavailable(problem.detail, problem.retry_after)  # what may be done twice leaves nothing in doubt
        raise problem.with_traceback(None) from None

    def once(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> VaultResponse:
        """Send a request a single time and return the answer, whatever its status.

        Raises:
            VaultUnavailable: where it was never sent.
            Unanswered: where it was sent, and no answer came.
        """
        began, outcome = time.perf_counter(), "unanswered"
        try:
            with telemetry.connection("vault"):
                answer = self._once(method, path, token=token, body=body, query=query, headers=headers)
            outcome = _outcome(answer.status)
            return answer
        finally:
            telemetry.vault_answered(outcome, time.perf_counter() - began)

    def _once(
        self,
        method: str,
        path: str,
        *,
        token: str | None,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        headers: dict[str, str] | None,
    ) -> VaultResponse:
        target = f"{self._prefix}/v1/{path if _PLAIN.fullmatch(path) else quote(path, safe=_SAFE)}"
        if query:
            target += "?" + urlencode(query)
        content = None if body is None else orjson.dumps(body)
        sent = [*(dict(self._fields) | headers).items()] if headers else self._fields.copy()
        if self._forwarding is not None:
            sent += self._forwarding.fields()
        if token:
            sent.append(("X-Vault-Token", token))
        if content is not None or method != "GET":
            sent.append(("Content-Length", str(len(content or b""))))
        try:
            answer = self._pool.exchange(
                request_head(method, target, sent),
                content,
                connecting=self._connecting,
                waiting=http1.deadline(self._waiting),
            )
            if self._forwarding is not None:
                self._forwarding.learn(answer.field("x-vault-index"))
            content = b"".join(iter(answer.read, b""))
            return read_response(method, path, answer.status, content, answer.field("retry-after"))
        except http1.WireError as error:
            problem = _as_our_error(error)
        raise problem from None


def _as_our_error(error: http1.WireError) -> VaultUnavailable:
    """Give an error of the wire its name among ours: what surely never reached Vault, and what may have."""
    match error:
        case http1.TimedOut():
            return _TimedOut("Vault didn't answer in time.", retry_after=RETRY_AFTER)
        case http1.CertificateRefused():
            return unavailable("Vault's certificate isn't valid for its address, or its authority isn't known.")
        case http1.TlsFailed():
            return Unanswered("TLS with Vault failed.", retry_after=RETRY_AFTER)
        case http1.Unsendable():
            return unavailable("The token or the path for Vault has a character that no request can hold.")
        case http1.NotSent():
            return unavailable("Vault can't be reached.")
        case _:
            return Unanswered("The connection to Vault broke.", retry_after=RETRY_AFTER)


def _outcome(status: int) -> str:
    if status < 400:
        return "ok"
    return {403: "refused", 404: "missing"}.get(status, "failed")


class VaultFailed(Unanswered):
    """Vault answered with an error of its own, so that nobody knows what it did.

    ``complaints`` are Vault's words: for comparing only, since they may quote what was sent.
    """

    def __init__(self, detail: str, complaints: str) -> None:
        super().__init__(detail, retry_after=RETRY_AFTER)
        self.complaints = complaints


class _TimedOut(Unanswered):
    """No answer came within the read timeout."""


def _tls(server: Server) -> SSLContext:
    problem = (
        "The certificate files for Vault (VAULT_CACERT, VAULT_CACERT_BYTES, VAULT_CAPATH, VAULT_CLIENT_CERT,"
        " VAULT_CLIENT_KEY) can't be used."
    )
    try:
        context = tls_context(server.cacert, ca_pem=None if server.cacert else _authorities(server))
        if server.client_cert:
            context.load_cert_chain(server.client_cert, server.client_key)
    except (OSError, ValueError):  # an ssl.SSLError is one of the first
        raise ServiceError(problem) from None
    return context


def _authorities(server: Server) -> str | None:
    """Return the authorities that are given as text, or as a folder of files, which needn't be named by their hash."""
    if server.cacert_bytes or not server.capath:
        return server.cacert_bytes
    files = sorted(path for path in Path(server.capath).rglob("*") if path.is_file())
    if not files:
        raise FileNotFoundError(server.capath)  # without any, the system's authorities would count
    return "\n".join(path.read_text(encoding="ascii") for path in files)


def read_health(line: VaultConnections) -> VaultResponse:
    """Ask how the server is; one that hands everything on is as good as the active node, whatever it is itself.

    Raises:
        VaultUnavailable: no answer came.
    """
    standbys = {"standbyok": "true", "perfstandbyok": "true"} if line.forwards else None
    # Of the whole server: inside a namespace nobody is told.
    return line.once("GET", "sys/health", query=standbys, headers={"X-Vault-Namespace": ""})


def _as_problem(trouble: Trouble, answer: VaultResponse, *, repeat: bool) -> VaultUnavailable:
    """Name what kept Vault from answering; after an error of its own nobody knows what it did."""
    if not trouble.nothing_done and not repeat:
        return VaultFailed(trouble.reason, answer.complaints)
    return unavailable(trouble.reason, trouble.wait)


class HvacAdapter(hvac.adapters.Adapter):  # type: ignore[type-arg]  # it is generic in its stubs only
    """What hvac's API classes talk through: a line, one token, and whether the request may be repeated.

    It is as short-lived as a request; the line below it stays.
    """

    def __init__(self, line: VaultConnections, token: str | None, *, repeat: bool) -> None:
        # Not the parent's, which would open a requests session.
        self._line = line
        self.token = token
        self.repeat = repeat

    def get_login_token(self, response: Any) -> str:
        """Return the token out of a login's answer."""
        return str(response["auth"]["client_token"])

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Send what hvac asks for and return the JSON document.

        Raises:
            hvac.exceptions.VaultError: without the answer's text, for a status of 400 and more that is about the whole.
            VaultUnavailable: where Vault can't serve.
        """
        answer = self._line.ask(
            method.upper(),
            url.removeprefix("/v1/"),
            token=self.token,
            body=kwargs.get("json"),
            query=kwargs.get("params"),
            repeat=self.repeat,
        )
        if answer.status >= 400 and raise_exception and not answer.told_by_item:
            _raise(answer)
        return answer.document


def _raise(answer: VaultResponse) -> NoReturn:
    raise hvac.exceptions.VaultError.from_status(answer.status, answer.complaints)
