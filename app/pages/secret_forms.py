"""The fields of a secret's forms as the API takes them, and back: its rules, and by its type what makes it up.

A value, key or credential goes one way: no form is ever filled with one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from flask import request

from app.kernel.errors import StrongroomError, ValidationFailed, in_body
from app.outbound.places import normalise_places
from app.outbound.urls import parse_url
from app.pages.forms import field_of, form_texts, host_of, hosts, lines, moment
from app.pages.secret_requests import read_requests, restrict_to_reading
from app.variables.secrets.deposits import CREDENTIAL_NAMES
from app.variables.secrets.queries import Secret
from app.variables.secrets.types import as_json, part_names

VALUE_FIELDS: Final = ("value", "key", "secret_access_key", "client_secret", "refresh_token")
"""What is typed into these never goes back into a page."""
_NO_OBJECT: Final = 'Enter a JSON object, such as {"iss": "me"}.'
_NO_NUMBER: Final = "Enter a whole number."


def form_of_secret() -> dict[str, str]:
    """Return what was typed, its requests restricted to those that read where that is ticked."""
    sent = form_texts()
    if "read_only" in sent:
        sent["allowed_requests"] = restrict_to_reading(sent.get("allowed_requests", ""))
    return sent


def with_warnings(told: str, secret: Secret) -> str:
    """Add to a message what is odd about the value that was written."""
    return " ".join((told, *(each.detail for each in secret.warnings or ())))


def rules_of_form(sent: Mapping[str, str]) -> dict[str, object]:
    """Return where the secret may go and until when, as the API takes it."""
    return {
        "allowed_hosts": hosts(sent.get("allowed_hosts", "")),
        "allowed_places": lines(sent.get("allowed_places", "")),
        "allowed_requests": read_requests(sent.get("allowed_requests", "")),
        "expires_at": moment(sent.get("expires_at", "")),
    }


def rules_of_field() -> dict[str, str]:
    """Return the host and the place of the field that a secret is made for, where it is made for one."""
    found: dict[str, str] = {}
    with suppress(StrongroomError):
        origin, _rest = parse_url(request.args.get("url", "")[:8192])
        found["allowed_hosts"] = host_of(origin)
    with suppress(StrongroomError):
        found["allowed_places"] = normalise_places([request.args.get("place", "")[:300]], named_headers_only=True)[0]
    return found


def without_values(sent: Mapping[str, str]) -> dict[str, str]:
    """Return what may be shown again of a secret's form."""
    return {name: text for name, text in sent.items() if name not in VALUE_FIELDS}


def has_value(sent: Mapping[str, str]) -> bool:
    """Tell whether a value, key or credential was typed."""
    return any(sent.get(name) for name in VALUE_FIELDS)


def credentials_of_form(secret_type: str, sent: Mapping[str, str]) -> dict[str, object]:
    """Return the value, key or credentials that were typed, as the API takes them; nothing where there are none."""
    given: dict[str, object] = {name: sent[name] for name in _given_names(secret_type) if sent.get(name)}
    if given and secret_type == "hmac" and sent.get("key_encoding"):
        given["key_encoding"] = sent["key_encoding"]
    return given


def _given_names(secret_type: str) -> tuple[str, ...]:
    return tuple(name for name in CREDENTIAL_NAMES.get(secret_type, ("value",)) if name in VALUE_FIELDS)


def parts_of_form(secret_type: str, sent: Mapping[str, str]) -> dict[str, Any]:
    """Return what makes the secret up, as the API takes it; None for what is left empty.

    Raises:
        ValidationFailed: The claims are no JSON object, or a number is none.
    """
    return {name: _part(name, sent[name]) for name in sorted(part_names(secret_type)) if name in sent}


def _part(name: str, text: str) -> object:
    if name == "message":
        return text
    if name == "scopes":
        return lines(text)
    if name == "claims":
        return _claims(text)
    if name == "lifetime_seconds" and text.strip():
        return _whole(name, text.strip())
    return text.strip() or None


def _claims(text: str) -> object:
    try:
        claims = json.loads(text or "{}")
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise ValidationFailed(_NO_OBJECT, errors={in_body("claims"): [_NO_OBJECT]})
    return claims


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ValidationFailed(_NO_NUMBER, errors={in_body(name): [_NO_NUMBER]})
    return int(text)


def parts_as_texts(secret: Secret) -> dict[str, str]:
    """Return what makes a secret up as the texts that its form is filled with."""
    if secret.made_of is None:
        return {}
    return {name: _text(value) for name, value in as_json(secret.made_of).items()}


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return "" if value is None else str(value)


def beside_the_fields(error: StrongroomError, secret_type: str) -> StrongroomError:
    """Move what the API says of ``value`` and ``check`` to the fields of the form that they are made from.

    A secret of another type is given a key, or credentials, in the place of a value.
    """
    first, *_ = _given_names(secret_type)
    own = {"value": first, "check": "check_block"}
    error.errors = {
        in_body(own[name]) if (name := field_of(where)) in own else where: sentences
        for where, sentences in (error.errors or {}).items()
    } or None
    return error
