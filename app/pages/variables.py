"""The Variables tab: the list, and making, changing, showing and deleting what is in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast

from flask import Response, jsonify, make_response, request, url_for

from app.access import Permission, require
from app.kernel.errors import NotFound, PreconditionFailed, StrongroomError, ValidationFailed, in_body
from app.kernel.secret import SecretValue
from app.pages.first_steps import new_steps
from app.pages.forms import FormState, field_of, form_texts, hosts, lines, local, number, read
from app.pages.layout import is_dialog_over, may, pages, redirect_with_message, show
from app.pages.list_pages import requested_page
from app.pages.secret_forms import (
    beside_the_fields,
    credentials_of_form,
    form_of_secret,
    has_value,
    parts_as_texts,
    parts_of_form,
    rules_of_field,
    rules_of_form,
    with_warnings,
    without_values,
)
from app.pages.secret_requests import write_requests
from app.pages.secret_templates import TYPE_LABELS
from app.variables import listing
from app.variables.listing import ORDERS, Entry, Kind, ListQuery, Order
from app.variables.schemas.plain import VariableBody, VariablePatch
from app.variables.schemas.secrets import RevealSchema, SecretBody, SecretPatch, ValueBody
from app.variables.secrets.changes import name_taken
from app.variables.secrets.check import Check
from app.variables.secrets.queries import HIDE_AFTER_SECONDS, Secret, SecretQueries
from app.variables.secrets.service import Secrets
from app.variables.service import Variable, Variables
from app.variables.validation import DEFAULT_PLACES, check_value, normalise_hosts, places_of
from app.vault import VISIBILITIES, Visibility
from app.web import context
from app.web.errors import STATUS

# What the list can be narrowed to, in words.
KINDS: Final[Mapping[str, str]] = {
    "plain": "Variables only",
    "secret": "Secrets only",
    "masked": "Masked secrets",
    "restricted": "Restricted secrets",
    "expiring": "Expired, or soon",
    "denied": "Refused by the other side",
    "unused": "Secrets never used",
}
_GIVE_AGAIN: Final = "Give the new value again, or say below that the one it has is kept."
_NO_FIELDS: Final = ("revision", "check_block", "keep_check")
_WORDS: Final = {"allowed_hosts": "allowed hosts", "allowed_places": "allowed places", "expires_at": "expiry"}


@pages.get("/workspaces/<ws>/variables")
def variables(ws: str) -> Response:
    """List variables and secrets; for a search as it is typed, only the table."""
    wanted, asked = _filters_of_request(), requested_page()
    listed = listing.list_variables(
        wanted, access=context.access(), resources=context.resources(), limit=asked.size, offset=asked.offset
    )
    kept = {"q": wanted.q, "kind": request.args.get("kind") or None, "sort": wanted.order}
    piece = request.headers.get("HX-Target") == "results"
    template = "variables/_results.html" if piece else "variables/list.html"
    place = replace(asked, total=listed.total or 0)
    return show(
        template,
        listed=listed,
        wanted=wanted,
        kept=kept,
        place=place,
        kinds=KINDS,
        steps=new_steps(ws),
        types=TYPE_LABELS,
        ws=ws,
    )


def _filters_of_request() -> ListQuery:
    order, kind = request.args.get("sort", "name"), request.args.get("kind")
    return ListQuery(
        q=request.args.get("q", "").strip()[:100] or None,
        kind=cast(Kind, kind) if kind in ("plain", "secret") else None,
        order=cast(Order, order) if order in ORDERS else "name",
        unused=kind == "unused",
        visibility=kind if kind in VISIBILITIES else None,
        expiring=kind == "expiring",
        denied=kind == "denied",
    )


@pages.get("/workspaces/<ws>/variables/-/new")
def new_variable_form(ws: str) -> Response:
    """Ask for a new variable or secret; an address that no variable's page has."""
    require(context.access(), Permission.VARIABLE_WRITE)
    kind = "secret" if may(Permission.SECRET_WRITE) and request.args.get("kind") != "plain" else "plain"
    texts = {"kind": kind, "visibility": "masked", "name": request.args.get("name", "")[:64]}
    return _show_new(ws, FormState(texts | rules_of_field()))


@pages.post("/workspaces/<ws>/variables/new")
def new_variable(ws: str) -> Response:
    """Make it."""
    make = _make_secret if request.form.get("kind") == "secret" else _make_plain
    try:
        told, name = make()
    except StrongroomError as error:
        sent, hidden = form_texts(), make is _make_secret
        every = _with_every_fault(error, sent) if hidden else error
        kept = without_values(sent) if hidden else sent
        form = FormState.after(every, kept, value_lost=hidden and bool(sent.get("value")))
        return _show_new(ws, form, STATUS[error.code])
    return redirect_with_message(told, url_for("pages.variables", ws=ws), name=name)


def _with_every_fault(error: StrongroomError, sent: Mapping[str, str]) -> StrongroomError:
    """Add to a refusal of a new secret what the other fields would be refused for, so that all is told at once."""
    visibility = cast(Visibility, sent.get("visibility") if sent.get("visibility") in VISIBILITIES else "masked")
    checks: dict[str, Callable[[], object]] = {
        "name": lambda: _require_free(sent.get("name", "")),
        "value": lambda: check_value(SecretValue(sent.get("value", "")), visibility, context.resources().limits),
        "allowed_hosts": lambda: normalise_hosts(
            hosts(sent.get("allowed_hosts", "")) or None, visibility, wide="wide" in sent
        ),
        "allowed_places": lambda: places_of(lines(sent.get("allowed_places", "")) or None, visibility),
    }
    errors = dict(error.errors or {})
    known = {field_of(where) for where in errors}
    for field, check in checks.items():
        if field not in known and errors:
            try:
                check()
            except StrongroomError as further:
                errors |= {where: [further.detail] for where in further.errors or {}}
    error.errors = errors or None
    return error


def _require_free(name: str) -> None:
    with suppress(NotFound):
        listing.get_entry(name, access=context.access(), resources=context.resources())
        raise name_taken(name)


def _show_new(ws: str, form: FormState, status: int = 200) -> Response:
    return show("variables/new.html", status, form=form, ws=ws, places=DEFAULT_PLACES)


def _make_plain() -> tuple[str, str]:
    new = read(VariableBody(), {each: form_texts().get(each, "") for each in ("name", "value", "description")})
    made = Variables(context.resources()).create(new, access=context.access())
    return f"Variable {made.name} was created.", made.name


def _make_secret() -> tuple[str, str]:
    sent = form_of_secret()
    fields: dict[str, object] = {
        each: sent.get(each, "") for each in ("name", "value", "visibility", "description")
    } | rules_of_form(sent)
    if fields["visibility"] == "restricted":  # a masked one has wildcards without being asked
        fields["wide"] = "wide" in sent
    new = read(SecretBody(), {name: value for name, value in fields.items() if value not in (None, [])})
    secret = Secrets(context.resources()).create(new, access=context.access())
    return with_warnings(f"Secret {secret.name} was created.", secret), secret.name


@pages.get("/workspaces/<ws>/variables/<name>/edit")
def edit_variable_form(ws: str, name: str) -> Response:
    """Ask what should change; a secret's value never stands in the form."""
    entry = _entry(name)
    texts = _texts(entry)
    if entry.kind == "secret" and (host := request.args.get("host", "")[:300]):  # which a refused call asked for
        texts["allowed_hosts"] = "\n".join([*lines(texts["allowed_hosts"]), host])
    return _show_edit(ws, entry, FormState(texts))


@pages.post("/workspaces/<ws>/variables/<name>/edit")
def edit_variable(ws: str, name: str) -> Response:
    """Change it."""
    entry = _entry(name)
    try:
        change = _change_plain if entry.kind == "plain" else _change_secret
        told = change(entry)
    except StrongroomError as error:
        sent, hidden = form_texts(), entry.kind == "secret"
        kept = without_values(sent) if hidden else sent
        if isinstance(error, PreconditionFailed):
            entry = _entry(name)
            kept["revision"] = str(entry.item.revision)
            error.detail = _after_change(entry, sent)
        if isinstance(entry.item, Secret):
            error = beside_the_fields(error, entry.item.type)
        lost = hidden and (has_value(sent) or bool(sent.get("value_lost")))
        return _show_edit(ws, entry, FormState.after(error, kept, value_lost=lost), STATUS[error.code])
    own = url_for("pages.variable", ws=ws, name=name)
    return redirect_with_message(told, own if is_dialog_over(own) else url_for("pages.variables", ws=ws), name=name)


def _after_change(entry: Entry, sent: Mapping[str, str]) -> str:
    """Say who was faster, and what is another thing now than in the form."""
    others = [_WORDS.get(field, field) for field in _changed_fields(entry, sent)]
    differs = f" What differs from this form now: {', '.join(others)}." if others else ""
    return f"{entry.item.updated_by} changed it since you opened this form.{differs} Save again if yours should hold."


def _entry(name: str) -> Entry:
    entry, _blocks = listing.get_entry(name, access=context.access(), resources=context.resources())
    require(context.access(), Permission.VARIABLE_WRITE if entry.kind == "plain" else Permission.SECRET_WRITE)
    return entry


def _show_edit(ws: str, entry: Entry, form: FormState, status: int = 200) -> Response:
    _, blocks = listing.get_entry(entry.item.name, access=context.access(), resources=context.resources())
    return show("variables/edit.html", status, entry=entry, item=entry.item, form=form, checks=blocks, ws=ws)


def _texts(entry: Entry) -> dict[str, str]:
    item = entry.item
    texts = {"description": item.description, "revision": str(item.revision)}
    if isinstance(item, Variable):
        return texts | {"value": item.value if isinstance(item.value, str) else json.dumps(item.value)}
    if item.wide:
        texts["wide"] = "on"
    if item.check_block:
        texts |= {"check_block": item.check_block, "keep_check": "on"}
    return (
        texts
        | parts_as_texts(item)
        | {
            "allowed_hosts": "\n".join(item.allowed_hosts),
            "allowed_places": "\n".join(item.allowed_places),
            "allowed_requests": write_requests(item.allowed_requests),
            "expires_at": local(item.expires_at),
        }
    )


def _changed_fields(entry: Entry, sent: Mapping[str, str]) -> list[str]:
    """Return which fields differ from what the form was filled with; lists are compared as lists."""
    before = _texts(entry)
    same = {name: text.replace("\r\n", "\n") for name, text in before.items()}
    changed = [name for name in same if name not in _NO_FIELDS and name in sent and sent[name] != same[name]]
    return [name for name in changed if name[:8] != "allowed_" or lines(sent[name]) != lines(same[name])]


def _change_plain(entry: Entry) -> str:
    sent = form_texts()
    changes = {name: sent[name] for name in _changed_fields(entry, sent)}
    if changes:
        Variables(context.resources()).update(
            entry.item.name,
            read(VariablePatch(), changes),
            revision=number(sent.get("revision", "")),
            access=context.access(),
        )
    return _outcome(entry, changed=bool(changes))


def _change_secret(entry: Entry) -> str:
    sent, secrets = form_of_secret(), Secrets(context.resources(), context.run_check())
    where: dict[str, Any] = {"revision": number(sent.get("revision", "")), "access": context.access()}
    secret, wide = cast(Secret, entry.item), "wide" in sent  # an empty box isn't sent at all
    value, parts = credentials_of_form(secret.type, sent), parts_of_form(secret.type, sent)
    if "value_lost" in sent and not value and "keep_value" not in sent:  # empty means to keep it, but not here
        raise ValidationFailed(_GIVE_AGAIN, errors={in_body("value"): [_GIVE_AGAIN]})
    typed = {"description": sent.get("description", "")} | rules_of_form(sent) | parts
    changes = {name: typed[name] for name in _changed_fields(entry, sent) if name in typed}
    if secret.visibility == "restricted" and wide != secret.wide:
        changes["wide"] = wide
    check, keep = _check_of_form(sent, secret), (sent.get("check_block") or None) if "keep_check" in sent else None
    if "check_block" in sent and keep != secret.check_block:
        changes["check_block"] = keep
    if changes.keys() - parts:
        secret = secrets.update(entry.item.name, read(SecretPatch(), changes | value), check=check, **where)
    elif changes or value:  # the record then says that a value was set, and nothing else
        secret = secrets.put_value(entry.item.name, read(ValueBody(), changes | value)["changes"], check=check, **where)
    return with_warnings(_outcome(entry, changed=bool(changes or value)), secret)


def _outcome(entry: Entry, *, changed: bool) -> str:
    return f"{entry.item.name} was saved." if changed else f"{entry.item.name} was not changed."


def _check_of_form(sent: Mapping[str, str], secret: Secret) -> Check | bool | None:
    """Return what a new value is to be tried with: what is chosen; where the form doesn't ask, the secret's own."""
    if "check_block" not in sent:
        return None
    return Check(sent["check_block"]) if sent["check_block"] else secret.check_block is None


@pages.get("/workspaces/<ws>/variables/<name>/delete")
def delete_variable_form(ws: str, name: str) -> Response:
    """Ask whether it should really go, and show which blocks would miss it."""
    return _show_delete(ws, name)


@pages.post("/workspaces/<ws>/variables/<name>/delete")
def delete_variable(ws: str, name: str) -> Response:
    """Delete it; where its name has to be typed, that is insisted on here too."""
    resources = context.resources()
    entry, blocks = listing.get_entry(name, access=context.access(), resources=resources)
    try:
        by_typing = _needs_typing(entry.item, blocks)
        confirm = request.form.get("typed" if by_typing else "confirm", "").strip()
        delete = Variables(resources).delete if isinstance(entry.item, Variable) else Secrets(resources).delete
        delete(name, confirm=confirm, force=by_typing, revision=None, access=context.access())
    except NotFound:
        raise
    except StrongroomError as error:
        return _show_delete(ws, name, error)
    what = "Variable" if entry.kind == "plain" else "Secret"
    return redirect_with_message(f"{what} {name} was deleted.", url_for("pages.variables", ws=ws), leave=True)


def _show_delete(ws: str, name: str, error: StrongroomError | None = None) -> Response:
    entry, blocks = listing.get_entry(name, access=context.access(), resources=context.resources())
    require(context.access(), Permission.VARIABLE_WRITE if entry.kind == "plain" else Permission.SECRET_WRITE)
    by_typing = _needs_typing(entry.item, blocks)
    refused = FormState.after if by_typing else FormState.of_a_button
    return show(
        "variables/delete.html",
        STATUS[error.code] if error else 200,
        entry=entry,
        item=entry.item,
        blocks=blocks,
        by_typing=by_typing,
        form=refused(error) if error else FormState(),
        ws=ws,
    )


def _needs_typing(item: Variable | Secret, blocks: object) -> bool:
    return bool(blocks) or (isinstance(item, Secret) and item.visibility == "restricted")


@pages.post("/workspaces/<ws>/variables/<name>/reveal")
def reveal_variable(ws: str, name: str) -> Response:
    """Answer the eye: a masked value, once, to be shown briefly."""
    value = SecretQueries(context.resources()).reveal(name, access=context.access())
    return make_response(jsonify(RevealSchema().dump({"value": value, "hide_after_seconds": HIDE_AFTER_SECONDS})))
