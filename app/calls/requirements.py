"""What a call needs of its workspace's secrets: that they are there, and may go where the call puts them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.calls.field_template import Template
from app.calls.template import CallTemplate, resolve
from app.kernel.errors import (
    CallerError,
    FieldLocation,
    MissingVariable,
    PlaceNotAllowed,
    RequestNotAllowed,
    SecretExpired,
    StrongroomError,
    UnknownSecret,
    ValueNotAllowedHere,
    in_body,
)
from app.outbound.hosts import matches
from app.outbound.model import Call
from app.outbound.places import BODY, PATH, QUERY, fold_header, require_place
from app.outbound.requests_allowed import request_line, require_request
from app.variables.secrets.message import OF_THE_REQUEST
from app.variables.secrets.references import UsableSecret, usable_secrets
from app.variables.secrets.signing import named_parts
from app.workspaces.service import Workspace

_JSON_TYPE: Final = re.compile(r"(?:application|text)/(?:[^;]*\+)?json(?:;|$|\s)")


@dataclass(frozen=True, slots=True)
class BlockProblem:
    """Why a block wouldn't run as it stands: where, the code of the refusal, a sentence, and the secret or the variable
    that it is about."""

    location: FieldLocation
    code: str
    sentence: str
    secret: str | None = None
    variable: str | None = None


def needed_secrets(
    template: CallTemplate, *, workspace: Workspace, session: Session, hold: bool = False
) -> Mapping[str, UsableSecret]:
    """Look up every secret that a call carries; with ``hold`` none is deleted before the transaction ends.

    Raises:
        UnknownSecret: naming all that aren't usable, also in ``extra["secrets"]``.
        PlaceNotAllowed: one may not be put where the call puts it.
    """
    secrets = usable_secrets(template.secrets, workspace=workspace, session=session, hold=hold)
    missing = [name for name in template.secrets if name not in secrets]
    if missing:
        raise UnknownSecret(
            f"There is no usable secret {', '.join(missing)}.",
            errors={
                field.location: [f"No usable secret {field.secret}."]
                for field in template.fields
                if field.secret in missing
            },
            extra={"secrets": missing},
        )
    for field in template.fields:
        _require_places(field, template, secrets)
    return secrets


def _require_places(field: Template, template: CallTemplate, secrets: Mapping[str, UsableSecret]) -> None:
    if field.secret:
        secret = secrets[field.secret]
        for rules in secret.rules:
            require_place(field.secret, rules.places, place=field.place, field=field.location)
        _require_type(secret, field, signs=field is template.signature)
        for other in secrets.values():
            _require_not_signed_over(secret, other, field)


def _require_type(secret: UsableSecret, field: Template, *, signs: bool) -> None:
    if signs != (secret.type == "aws4"):
        sentence = f"{secret.name} is of the type {secret.type}, and the call's auth needs one of the type aws4."
        if not signs:
            sentence = f"{secret.name} is of the type aws4: it signs a call as its auth, and stands in no field."
        raise ValueNotAllowedHere(sentence, errors={field.location: [sentence]})


_SAMPLE: Final = {"$timestamp": 0, "$timestamp_ms": 0, "$uuid": "00000000-0000-4000-8000-000000000000"}
"""What every call fills in by itself, for a look at a call that isn't made."""
_SIGNED_OVER: Final = {PATH: "$path", QUERY: "$query", BODY: "$body"}


def _require_not_signed_over(secret: UsableSecret, other: UsableSecret, field: Template) -> None:
    """Refuse a signature in a part of the call that a signature is made over: its own, or another's."""
    part = _SIGNED_OVER.get(field.place)
    if part in named_parts(other) and named_parts(secret) & {*OF_THE_REQUEST}:
        sentence = f"{secret.name} can't stand here: {other.name} signs this part of the call ({{{{{part}}}}})."
        raise ValueNotAllowedHere(sentence, errors={field.location: [sentence]})


def refuse_expired(secrets: Mapping[str, UsableSecret], now: datetime) -> None:
    """Do nothing where none of the secrets has expired. Raises ``SecretExpired``."""
    for name, secret in secrets.items():
        if secret.expires_at is not None and secret.expires_at <= now:
            raise SecretExpired(f"The secret {name} has expired, and this workspace refuses expired ones.")


def require_requests(call: Call, secrets: Mapping[str, UsableSecret]) -> None:
    """Do nothing where every secret may ride the call.

    Raises:
        RequestNotAllowed: One may not; nothing was read.
    """
    bound = [(name, rules.requests) for name, secret in secrets.items() for rules in secret.rules if rules.requests]
    if bound:
        line = request_line(call)
        for name, requests in bound:
            require_request(name, requests, line)


def problems_of(
    template: CallTemplate, secrets: Mapping[str, UsableSecret], plain: Set[str]
) -> tuple[BlockProblem, ...]:
    """Tell, field by field, what has come between a saved call and its secrets and variables since it was saved.

    Args:
        plain: The names of the workspace's plain variables, as far as the call refers to them.
    """
    found = [problem for field in template.fields for problem in _problems(field, template, secrets)]
    missing = template.workspace_variables - plain
    return (*found, *_missing_variables(template, missing), *_raw_json(template))


def _missing_variables(template: CallTemplate, missing: Set[str]) -> Iterator[BlockProblem]:
    """Tell of variables that have a value only where a run brings one: once each, at the first field with it."""
    told: set[str] = set()
    for field in template.fields:
        for name in sorted((field.variables & missing) - told):
            told.add(name)
            sentence = f"The variable {name} is missing: it has no default, and the workspace has no variable {name}."
            yield BlockProblem(field.location, MissingVariable.code, sentence, variable=name)


def _raw_json(template: CallTemplate) -> Iterator[BlockProblem]:
    """Tell of a text that says it is JSON: what is filled in goes as it is, and a quote in it would break the rest."""
    written = template.written
    if written.body_type != "text":
        return
    for name, field in template.headers:
        if fold_header(name) == "content-type" and _JSON_TYPE.match(field.source.strip().lower()):
            sentence = (
                "A text body goes out raw: what is filled in is not escaped for JSON. Use a body of type json instead."
            )
            yield BlockProblem(field.location, ValueNotAllowedHere.code, sentence)


def _problems(field: Template, template: CallTemplate, secrets: Mapping[str, UsableSecret]) -> Iterator[BlockProblem]:
    if not field.secret:
        return
    secret = secrets.get(field.secret)
    if secret is None:
        yield BlockProblem(field.location, "unknown_secret", f"There is no usable secret {field.secret}.", field.secret)
        return
    try:
        _require_places(field, template, {name: each for name, each in secrets.items() if name in template.secrets})
    except (PlaceNotAllowed, ValueNotAllowedHere) as refused:
        yield BlockProblem(field.location, refused.code, refused.detail, field.secret)
    if not all(matches(rules.hosts, template.origin, any_host=True) for rules in secret.rules):
        sentence = f"The secret {field.secret} may not go to {template.origin.host}, port {template.origin.port}."
        yield BlockProblem(field.location, "destination_not_allowed", sentence, field.secret)
    if (problem := _request_problem(field, template, secret)) is not None:
        yield problem


def _request_problem(field: Template, template: CallTemplate, secret: UsableSecret) -> BlockProblem | None:
    """Tell whether the call, as its own defaults fill it in, is no request that the secret may ride."""
    try:
        require_requests(resolve(template, {**dict(template.written.variables), **_SAMPLE}), {secret.name: secret})
    except RequestNotAllowed as refused:
        return BlockProblem(field.location, refused.code, refused.detail, secret.name)
    except CallerError:  # only a run knows its variables
        return None
    return None


def unreadable(error: StrongroomError) -> tuple[BlockProblem, ...]:
    """Tell why a call that was saved once is refused by today's rules."""
    return tuple(BlockProblem(where, error.code, error.detail) for where in error.errors or (in_body("call"),))
