"""The fast path: runs of blocks and calls are served before Flask, by the same functions as Flask's routes use.

What it leaves out is the framework's general machinery: its contexts, its routing, its signals, its request and
response, webargs and flask-smorest. The gate, the limits, the keys, the errors, the documents and the log are one
function each. Whatever is out of the ordinary about a request, a cookie say, or a query, goes on to Flask.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask
from marshmallow import Schema
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.sansio.utils import host_is_trusted

from app.kernel.errors import ValidationFailed
from app.resources import Resources
from app.web.auth import FOR_NOBODY_ELSE, Gate
from app.web.body import LARGE, load, read_json
from app.web.errors import as_known, problem_reply
from app.web.idempotency import KeyedRequests, whole_request
from app.web.incoming import Incoming
from app.web.limits import RequestLimits
from app.web.logs import REQUEST_ID, RequestLog
from app.web.operations import Declared, declaration_of
from app.web.reply import Reply, tell_proxy_status
from app.web.streams import hold_stream
from app.web.wsgi import Environ, WsgiApp

_METHOD: Final = "POST"
_NAME_IN_RULE: Final = re.compile(r"<([a-z]+)>")
_PLAIN_NAME: Final = r"(?P<\1>[A-Za-z0-9._-]+)"


@dataclass(frozen=True, slots=True)
class FastView:
    """What the fast path needs of a view.

    Args:
        endpoint: Its name in Flask.
        schema: What the body is read into.
        view: Answers, given what was read, the request, the resources, and what else the URL names.
    """

    endpoint: str
    schema: Schema
    view: Callable[..., Reply]


@dataclass(frozen=True, slots=True)
class _Route:
    rule: str
    pattern: re.Pattern[str]
    declared: Declared | None
    fast: FastView
    empty: object
    """What is read out of ``{}``, which most runs send; None where something is required."""


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What every request to the API goes through, whoever serves it."""

    gate: Gate
    limits: RequestLimits
    keyed: KeyedRequests
    log: RequestLog
    safety: Mapping[str, str]


class FastPath:
    """A WSGI application that serves some requests by itself, and all others by Flask.

    Args:
        app: What serves all others; it has these views as well.
    """

    def __init__(self, app: Flask, views: Sequence[FastView], rules: RequestRules, resources: Resources) -> None:
        self.behind: WsgiApp = app.wsgi_app
        self._routes = [_route_of(app, view) for view in views]
        self._rules = rules
        self._resources = resources

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request. Source: PEP 3333."""
        if _is_ordinary(environ):
            for route in self._routes:
                if found := route.pattern.fullmatch(environ["PATH_INFO"]):
                    reply = self._serve(environ, route, found.groupdict())
                    return _send(reply, environ, start_response)
        return self.behind(environ, start_response)

    def _serve(self, environ: Environ, route: _Route, names: dict[str, str]) -> Reply:
        rules = self._rules
        incoming = Incoming(environ, names.pop("ws"), self._resources.sessions)
        began = rules.log.begin(incoming.request_id)
        try:
            reply = self._outcome(incoming, route, names)
            rules.keyed.settle(incoming, route.declared, reply)
        except Exception as error:
            reply = _refusal(error, incoming)
        reply.headers.update(FOR_NOBODY_ELSE)
        tell_proxy_status(reply)
        reply.headers.update(rules.safety)
        reply.headers[REQUEST_ID] = incoming.request_id
        rules.log.end(_METHOD, route.rule, reply.status, began=began)
        return reply

    def _outcome(self, incoming: Incoming, route: _Route, names: dict[str, str]) -> Reply:
        try:
            return self._answer(incoming, route, names)
        except Exception as error:
            return _refusal(error, incoming)

    def _answer(self, incoming: Incoming, route: _Route, names: dict[str, str]) -> Reply:
        environ, rules = incoming.environ, self._rules
        rules.gate.admit(incoming)
        if incoming.principal is not None:
            rules.limits.count_request(incoming.principal)
        kept = rules.keyed.claim(incoming, route.declared, lambda: _whole(incoming))
        if kept is not None:
            return kept
        document = read_json(_take_body(environ), incoming.content_type)
        sent = route.empty if document == {} and route.empty is not None else load(route.fast.schema, document)
        return route.fast.view(sent, incoming, self._resources, **names)


def _route_of(app: Flask, view: FastView) -> _Route:
    (rule,) = (rule.rule for rule in app.url_map.iter_rules(view.endpoint))
    pattern = re.compile(_NAME_IN_RULE.sub(_PLAIN_NAME, rule))
    declared = declaration_of(app.view_functions[view.endpoint], _METHOD)
    return _Route(rule, pattern, declared, view, _read_empty(view.schema))


def _read_empty(schema: Schema) -> object:
    try:
        return load(schema, {})
    except ValidationFailed:
        return None


def _is_ordinary(environ: Environ) -> bool:
    """Tell whether nothing about a request, beside its path, asks for more than the fast path does."""
    return (
        environ["REQUEST_METHOD"] == _METHOD
        and not environ["QUERY_STRING"]
        and "HTTP_COOKIE" not in environ
        and isinstance(environ["wsgi.input"], io.BytesIO)
        and host_is_trusted(environ.get("HTTP_HOST"))
    )


def _refusal(error: Exception, incoming: Incoming) -> Reply:
    return problem_reply(as_known(error, incoming.environ["PATH_INFO"]), request_id=incoming.request_id)


def _whole(incoming: Incoming) -> bytes:
    environ = incoming.environ
    return whole_request(incoming, f"{environ['PATH_INFO']}?", environ["wsgi.input"].getvalue())


def _take_body(environ: Environ) -> bytes:
    """Return a request's body; a large one is kept no longer than until it is read."""
    raw: bytes = environ["wsgi.input"].getvalue()
    if len(raw) > LARGE:
        environ["wsgi.input"] = io.BytesIO()
    return raw


def _send(reply: Reply, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    if reply.stream is not None:
        hold_stream(environ, reply.stream)
    else:
        reply.headers["Content-Length"] = str(len(reply.body))
    status = f"{reply.status} {HTTP_STATUS_CODES.get(reply.status, 'Unknown')}"
    ours = {name.lower() for name in reply.headers}
    upstream = [pair for pair in reply.upstream if pair[0].lower() not in ours]
    start_response(status, [*upstream, *reply.headers.items()])
    return [reply.body]
