"""Secrets that sign or renew themselves: choosing a type, making one, and having a token renewed."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, request, url_for

from app.access import Permission, require
from app.kernel.errors import NotFound, StrongroomError
from app.pages.forms import FormState, form_texts, plain_words, read
from app.pages.layout import pages, redirect_with_message, show
from app.pages.secret_forms import (
    credentials_of_form,
    form_of_secret,
    has_value,
    parts_of_form,
    rules_of_field,
    rules_of_form,
    without_values,
)
from app.pages.secret_templates import TYPE_LABELS, TYPE_TEXTS, SecretTemplate, find_template, templates_of
from app.pages.variable_page import show_secret
from app.variables.schemas.secrets import SecretBody
from app.variables.secrets.queries import SecretQueries
from app.variables.secrets.renewal import renew
from app.variables.secrets.service import Secrets
from app.web import context
from app.web.errors import STATUS

_HANDED_ON: Final = ("name", "url", "place")
"""What a block's field asks for, kept while a type is chosen."""


@pages.get("/workspaces/<ws>/variables/-/types")
def secret_types(ws: str) -> Response:
    """Offer the types of secrets, and what well-known services want."""
    require(context.access(), Permission.SECRET_WRITE)
    kept = {name: request.args[name][:8192] for name in _HANDED_ON if request.args.get(name)}
    types = [(each, TYPE_LABELS[each], TYPE_TEXTS[each], templates_of(each)) for each in TYPE_LABELS]
    return show("variables/types.html", types=types, kept=kept, ws=ws)


@pages.get("/workspaces/<ws>/variables/-/types/<slug>")
def new_typed_secret_form(ws: str, slug: str) -> Response:
    """Ask for a new secret of a type, with a template filled in."""
    require(context.access(), Permission.SECRET_WRITE)
    template = _template(slug)
    return _show_form(
        ws, template, FormState({**template.values, "name": request.args.get("name", "")[:64], **rules_of_field()})
    )


def _template(slug: str) -> SecretTemplate:
    template = find_template(slug)
    if template is None:
        raise NotFound("There is no such type of secret.")
    return template


def _show_form(ws: str, template: SecretTemplate, form: FormState, status: int = 200) -> Response:
    label, text = TYPE_LABELS[template.type], TYPE_TEXTS[template.type]
    grant = template.values.get("grant")
    return show(
        "variables/new_typed.html", status, form=form, chosen=template, grant=grant, label=label, text=text, ws=ws
    )


@pages.post("/workspaces/<ws>/variables/-/types/<slug>")
def new_typed_secret(ws: str, slug: str) -> Response:
    """Make it; its key goes into Vault and nowhere back."""
    require(context.access(), Permission.SECRET_WRITE)
    template = _template(slug)
    try:
        secret = Secrets(context.resources()).create(read(SecretBody(), _fields(template)), access=context.access())
    except StrongroomError as error:
        sent = form_texts()
        form = FormState.after(error, without_values(sent), value_lost=has_value(sent))
        return _show_form(ws, template, form, STATUS[error.code])
    told = f"Secret {secret.name} was created."
    return redirect_with_message(told, url_for("pages.variables", ws=ws), name=secret.name)


def _fields(template: SecretTemplate) -> dict[str, Any]:
    sent = form_of_secret()
    fields: dict[str, Any] = {
        "name": sent.get("name", ""),
        "description": sent.get("description", ""),
        "visibility": "restricted",
        "type": template.type,
        "wide": "wide" in sent,
    }
    if grant := template.values.get("grant"):
        fields["grant"] = grant
    fields |= rules_of_form(sent) | parts_of_form(template.type, sent) | credentials_of_form(template.type, sent)
    return {name: value for name, value in fields.items() if value not in (None, [])}


@pages.post("/workspaces/<ws>/variables/<name>/renew")
def renew_secret(ws: str, name: str) -> Response:
    """Have a new token given at once, whatever the state of the one that there is."""
    resources, access = context.resources(), context.access()
    try:
        renew(name, access=access, resources=resources)
    except NotFound:
        raise
    except StrongroomError as error:
        secret = SecretQueries(resources).get(name, access=access)
        return show_secret(ws, secret, problem=plain_words(error.detail), status=STATUS[error.code])
    return redirect_with_message(f"{name} has a new token.", url_for("pages.variable", ws=ws, name=name), name=name)
