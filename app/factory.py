"""Making the application: the one place that knows every blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, jsonify, request
from flask_login import current_user
from flask_smorest import Api
from werkzeug.middleware.proxy_fix import ProxyFix

from app import __version__
from app.access import Access, Principal
from app.audit import api as audit_api
from app.audit.checkpoints import unsigned_events
from app.blocks import api as blocks_api
from app.blocks.runs import BlockRuns
from app.blocks.service import purge_blocks
from app.calls import api as calls_api
from app.calls.schemas import answer
from app.db import VersionedCache
from app.idempotency.service import Claim, KeyedRequest, claim, derive_keys, hold, keep, mark, purge_answers, release
from app.identity import api as identity_api
from app.identity.sessions import UserSessions
from app.identity.single_sign_on import OidcClient, SingleSignOn
from app.identity.tokens import Tokens, token_id_of
from app.kernel.errors import FieldLocation, ServiceError
from app.kernel.secret import SecretValue
from app.pages.layout import access_by_session
from app.pages.register import register_pages
from app.pages.single_sign_on import CALLBACK
from app.resources import Resources
from app.settings import Settings
from app.variables import api as variables_api
from app.variables.secrets.check import CheckRun, RunCheck
from app.variables.secrets.purge import purge_variables
from app.web import context
from app.web.auth import Gate, guard_api, is_api
from app.web.errors import register_errors
from app.web.fast_json import FastJson
from app.web.fast_path import FastPath, RequestRules
from app.web.front import MIB, Front, FrontLimits
from app.web.idempotency import KeyedRequests, Repeats, answer_repeats
from app.web.incoming import Incoming
from app.web.limits import RequestLimits, limit_requests
from app.web.logs import RequestLog, log_requests
from app.web.metrics import serve_metrics
from app.web.openapi import complete, document
from app.web.relay import RequireGround
from app.web.reply import mark_calls
from app.web.safety import safety_headers
from app.web.streams import Stream
from app.web.wsgi import Environ
from app.workspaces import api as workspaces_api
from app.workspaces.members import enter
from app.workspaces.service import Purge, Workspace

_FORM_BYTES = 2 * MIB
_RULES = "strongroom_rules"
_KEY_LEAST = 32
_ABOUT = "Keeps API tokens, keys and credentials in Vault, so that they are used and never seen."


class _App(Flask):
    """Flask without what none of these views needs."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Take a function as it is: none is a coroutine, and Flask looks at sixteen for each request."""
        return func


def create_app(settings: Settings, resources: Resources) -> Flask:
    """Make the WSGI application on resources that are open already."""
    secret_key = read_secret_key(settings.secret_key_path)
    app = _App("app", static_folder=None, template_folder=None)
    _configure(app, settings, secret_key)
    app.url_map.merge_slashes = False  # a path with a name left out leads nowhere, and not to another thing
    app.json = FastJson(app)
    context.provide(app, resources, purges(resources), run_check(resources))
    rules = app.extensions[_RULES] = _rules(settings, resources, secret_key)
    log_requests(app, rules.log)
    register_errors(app)
    _send_safety_headers(app, rules.safety)
    mark_calls(app)
    guard_api(app, rules.gate)
    limit_requests(app, rules.limits)
    answer_repeats(app, rules.keyed)
    api = Api(app)
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # each view names its own problems
    for module in (workspaces_api, variables_api, blocks_api, calls_api, identity_api, audit_api):
        api.register_blueprint(module.blueprint)
    complete(api, app)
    app.add_url_rule("/api/v1/openapi.json", "openapi_json", lambda: jsonify(document()))
    register_errors(app)  # flask-smorest puts its own handler over ours
    _register_pages(app, settings, resources)
    _register_health(app, resources)
    serve_metrics(app, lambda: unsigned_events(resources.sessions))
    app.wsgi_app = FastPath(app, [*blocks_api.FAST, *calls_api.FAST], rules, resources)  # type: ignore[method-assign]
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=0
        )
    return app


def _rules(settings: Settings, resources: Resources, secret_key: bytes) -> RequestRules:
    limits = RequestLimits(rate=settings.rate_limit, storage=settings.redis_url, password=_redis_password(settings))
    return RequestRules(
        gate=_gate(resources, limits),
        limits=limits,
        keyed=KeyedRequests(_repeats(resources, secret_key)),
        log=RequestLog(resources.sessions),
        safety=safety_headers(https=_is_https(settings)),
    )


def _configure(app: Flask, settings: Settings, secret_key: bytes) -> None:
    app.config.update(
        MAX_CONTENT_LENGTH=_call_body(settings),  # the front has smaller limits for all but calls
        MAX_FORM_MEMORY_SIZE=_FORM_BYTES,
        SECRET_KEY=secret_key,
        API_TITLE="Strongroom",
        API_VERSION=__version__,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "servers": [{"url": "/", "description": "This service."}],
            "info": {"description": _ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
            "security": [{"bearer": []}],
        },
    )


def _register_pages(app: Flask, settings: Settings, resources: Resources) -> None:
    register_pages(
        app,
        https=_is_https(settings),
        user_sessions=UserSessions(
            resources.sessions,
            resources.clock,
            hours=settings.session_hours,
            idle=timedelta(seconds=settings.session_idle_seconds),
        ),
        single_sign_on=_single_sign_on(settings),
        passwords=settings.passwords,
        idle_seconds=settings.session_idle_seconds,
        sign_in_limit=settings.sign_in_limit,
    )


def _is_https(settings: Settings) -> bool:
    return (settings.public_url or "").startswith("https://")


def _send_safety_headers(app: Flask, headers: Mapping[str, str]) -> None:
    @app.after_request
    def _add(response: Response) -> Response:
        response.headers.update(headers)
        return response


def front_of(app: Flask, settings: Settings, resources: Resources) -> Front:
    """Put the front before an application: what reads requests whole, and shares threads fairly."""
    limits = FrontLimits(
        threads=settings.threads,
        calls_in_flight=settings.workspace_calls,
        max_call_body=_call_body(settings),
        https=_is_https(settings),
    )

    gate = cast(RequestRules, app.extensions[_RULES]).gate

    def _is_proven(environ: Environ) -> bool:
        with app.request_context(environ):
            return gate.proves(context.incoming()) if is_api(request.path) else bool(current_user.is_authenticated)

    def _look() -> RequireGround:
        cache = resources.sessions.cache()

        def _require_ground(environ: Environ, stream: Stream) -> None:
            if is_api(environ["PATH_INFO"]):
                incoming = Incoming(environ, stream.workspace, resources.sessions)
                principal = gate.authenticate(incoming.bearer, incoming.act_as, cache)
                stream.require_ground(gate.enter(principal, stream.workspace, incoming.request_id, cache), cache)
                return
            with app.request_context(environ):
                access = access_by_session()
                if access is not None:
                    stream.require_ground(access, cache)

        return _require_ground

    return Front(app.wsgi_app, limits, _is_proven, _look)


def _single_sign_on(settings: Settings) -> SingleSignOn | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret_file
    client = OidcClient(
        settings.oidc_issuer,
        settings.oidc_client_id,
        f"{settings.url}{CALLBACK}",
        secret.read_text().strip() if secret else None,
        settings.oidc_user_claim,
    )
    return SingleSignOn(client)


def _redis_password(settings: Settings) -> str | None:
    if settings.redis_password_file is None:
        return None
    try:
        return settings.redis_password_file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise ServiceError("The file that STRONGROOM_REDIS_PASSWORD_FILE names can't be read.") from None


def _call_body(settings: Settings) -> int:
    """Return how many bytes a call's JSON may have: its body as base64, and what stands around it."""
    return settings.max_request_bytes * 4 // 3 + MIB


def read_secret_key(path: Path) -> bytes:
    """Return the key that signs sessions.

    Raises:
        ServiceError: where there is none, or one so short that it could be guessed.
    """
    try:
        key = path.read_bytes()
    except OSError:
        raise ServiceError("The file with the key that signs sessions can't be read.") from None
    if len(key) < _KEY_LEAST:
        raise ServiceError(f"The key that signs sessions is too short: it takes {_KEY_LEAST} random bytes.")
    return key


def purges(resources: Resources) -> Sequence[Purge]:
    """Return what makes a workspace disappear, domain by domain; each may run as often as it takes."""
    tokens = Tokens(resources.sessions, resources.clock)

    def _variables(workspace: Workspace) -> None:
        purge_variables(workspace.name, workspace.engine, sessions=resources.sessions, vault=resources.vault)

    def _blocks(workspace: Workspace) -> None:
        purge_blocks(workspace.name, sessions=resources.sessions)

    def _tokens(workspace: Workspace) -> None:
        tokens.purge(workspace.name)

    def _answers(workspace: Workspace) -> None:
        purge_answers(workspace.name, sessions=resources.sessions)

    return (_variables, _blocks, _tokens, _answers)


def run_check(resources: Resources) -> RunCheck:
    """Return what runs a saved block with a value that isn't stored: a secret's route has to, and knows no blocks."""

    def _run(block: str, *, secret: str, candidate: SecretValue, access: Access, location: FieldLocation) -> CheckRun:
        call = BlockRuns(resources).check(block, secret=secret, candidate=candidate, access=access, location=location)
        return CheckRun(call.call_id, call.response.status, answer(call))

    return _run


def _gate(resources: Resources, limits: RequestLimits) -> Gate:
    tokens = Tokens(resources.sessions, resources.clock)

    def _authenticate(bearer: str | None, act_as: str | None, cache: VersionedCache) -> Principal:
        return tokens.authenticate(bearer, act_as, cache=cache)

    def _count_failure(bearer: str | None, address: str) -> None:
        if (token_id := token_id_of(bearer)) is not None:
            limits.count_failed_proof(token_id, address)

    def _enter(principal: Principal, workspace: str, request_id: str, cache: VersionedCache) -> Access:
        return enter(principal, workspace, request_id=request_id, cache=cache)

    return Gate(_authenticate, _count_failure, _enter, public=frozenset({"openapi_json"}))


def _repeats(resources: Resources, secret_key: bytes) -> Repeats[Claim]:
    keys = derive_keys(secret_key)

    def _claim(actor: str, workspace: str | None, key: str, request: bytes) -> Claim | bytes:
        asked = KeyedRequest(actor, workspace, key, request)
        return claim(asked, keys=keys, sessions=resources.sessions, clock=resources.clock)

    def _keep(claimed: Claim, answer: bytes) -> None:
        keep(claimed, answer, keys=keys, sessions=resources.sessions)

    def _hold(claimed: Claim) -> None:
        hold(claimed, sessions=resources.sessions)

    def _release(claimed: Claim) -> None:
        release(claimed, sessions=resources.sessions)

    return Repeats(_claim, mark, _keep, _hold, _release)


def _register_health(app: Flask, resources: Resources) -> None:
    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        database, vault = resources.sessions.problem(), resources.vault.health()
        checks: dict[str, Any] = {
            "database": {"ok": database is None, "reason": database},
            "vault": {"ok": vault.ok, "reason": vault.reason},
        }
        ready = all(check["ok"] for check in checks.values())
        return jsonify(status="ok" if ready else "unavailable", checks=checks), 200 if ready else 503
