"""What is done to several variables and secrets at once, that were ticked in the list: each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Response, flash, request, url_for

from app.access import Permission, require
from app.kernel.errors import NotFound, StrongroomError, ValidationFailed, in_body
from app.pages.filters import count
from app.pages.forms import FormState, form_texts, hosts, moment, plain_words, read
from app.pages.layout import pages, redirect_to, show
from app.variables import listing
from app.variables.listing import Entry
from app.variables.schemas.secrets import SecretPatch
from app.variables.secrets.queries import Secret
from app.variables.secrets.service import Secrets
from app.variables.service import Variables
from app.web import context
from app.web.errors import STATUS

_MOST: Final = 100
DEEDS: Final[Mapping[str, str]] = {"delete": "Delete", "hosts": "Set allowed hosts", "expiry": "Set expiry"}


@dataclass(frozen=True, slots=True)
class Selected:
    """One of what was ticked, with the blocks that use it, and why nothing was done to it where that is so."""

    entry: Entry
    blocks: Sequence[str]
    refused: str | None = None


@pages.get("/workspaces/<ws>/variables/-/selected")
def selected_form(ws: str) -> Response:
    """Ask whether, and how."""
    require(context.access(), Permission.VARIABLE_WRITE)
    return _show(ws, request.args.get("do", ""), _find_ticked(request.args.getlist("names")), FormState())


@pages.post("/workspaces/<ws>/variables/-/selected")
def change_selected(ws: str) -> Response:
    """Do it, one by one; what is refused stays on the page with the reason."""
    require(context.access(), Permission.VARIABLE_WRITE)
    sent, deed = form_texts(), request.form.get("do", "")
    chosen = _find_ticked(request.form.getlist("names"))
    try:
        act = _action_for(deed, sent, len(chosen))
    except StrongroomError as error:
        return _show(ws, deed, chosen, FormState.after(error, sent), STATUS[error.code])
    refused: list[Selected] = []
    for each in chosen:
        try:
            act(each)
        except StrongroomError as error:
            refused.append(Selected(each.entry, each.blocks, plain_words(error.detail)))
    done = len(chosen) - len(refused)
    told = f"{count(done, 'entry', 'entries')} {'deleted' if deed == 'delete' else 'changed'}."
    if refused:  # the others are done: the page shows what is left, and why
        sent.pop("typed", None)
        problem = f"{told} {count(len(refused), 'was', 'were')} refused."
        return _show(ws, deed, refused, FormState(sent, problem=problem))
    flash(told)
    return redirect_to(url_for("pages.variables", ws=ws))


def _find_ticked(names: Sequence[str]) -> Sequence[Selected]:
    found: list[Selected] = []
    for name in list(dict.fromkeys(names))[:_MOST]:
        try:
            found.append(Selected(*listing.get_entry(name, access=context.access(), resources=context.resources())))
        except NotFound:  # somebody else has deleted it
            continue
    return found


def _action_for(deed: str, sent: Mapping[str, str], number: int) -> Callable[[Selected], None]:
    """Return what is done to each. Raises ``ValidationFailed`` where the form doesn't say how."""
    if deed == "delete":
        if sent.get("typed", "").strip() != f"delete {number}":
            wanted = f"Type delete {number} to go on."
            raise ValidationFailed(wanted, errors={in_body("typed"): [wanted]})
        return _delete
    if deed == "hosts":
        wanted_hosts = hosts(sent.get("allowed_hosts", ""))
        if not wanted_hosts:
            raise ValidationFailed(
                "Enter at least one host.", errors={in_body("allowed_hosts"): ["Enter at least one host."]}
            )
        return lambda each: _update(each, {"allowed_hosts": wanted_hosts})
    changes = {"expires_at": moment(sent.get("expires_at", ""))}
    read(SecretPatch(), changes)
    return lambda each: _update(each, changes)


def _delete(each: Selected) -> None:
    item, access = each.entry.item, context.access()
    delete = (Secrets if isinstance(item, Secret) else Variables)(context.resources()).delete
    delete(item.name, confirm=item.name, force=True, revision=None, access=access)


def _update(each: Selected, changes: Mapping[str, object]) -> None:
    item = each.entry.item
    if not isinstance(item, Secret):
        raise ValidationFailed("A plain variable has no hosts and no expiry.")
    secrets = Secrets(context.resources(), context.run_check())
    secrets.update(item.name, read(SecretPatch(), changes), revision=item.revision, access=context.access())


def _show(ws: str, deed: str, chosen: Sequence[Selected], form: FormState, status: int = 200) -> Response:
    known = deed if deed in DEEDS else "delete"
    return show("variables/selected.html", status, deed=known, title=DEEDS[known], chosen=chosen, form=form, ws=ws)
