"""The page of one variable or secret: what it is, where it is used, who saw it, and a secret's versions. No value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, request, url_for

from app.access import Permission, require
from app.kernel.errors import NotFound, StrongroomError
from app.pages.forms import FormState, form_texts, number, plain_words
from app.pages.layout import may, pages, redirect_to, redirect_with_message, show
from app.pages.secret_forms import parts_as_texts
from app.pages.secret_templates import TYPE_LABELS
from app.variables import listing
from app.variables.secrets.access_log import SecretAccess, access_log
from app.variables.secrets.deposits import KEY_TYPES
from app.variables.secrets.queries import Secret, SecretQueries
from app.variables.secrets.usage import usage_of
from app.variables.secrets.versions import SecretVersions, Version
from app.vault import VERSIONS_KEPT
from app.web import context
from app.web.errors import STATUS


@pages.get("/workspaces/<ws>/variables/<name>")
def variable(ws: str, name: str) -> Response:
    """Show one variable or secret; where nothing has this name and it is ``new``, ask for a new one."""
    try:
        entry, blocks = listing.get_entry(name, access=context.access(), resources=context.resources())
    except NotFound:
        if name != "new":
            raise
        return redirect_to(f"{url_for('pages.new_variable_form', ws=ws)}?{request.query_string.decode()}".rstrip("?"))
    if isinstance(entry.item, Secret):
        return show_secret(ws, entry.item)
    return show("variables/plain.html", item=entry.item, blocks=blocks, ws=ws)


@pages.get("/workspaces/<ws>/variables/<name>/versions")
def version_history(ws: str, name: str) -> Response:
    """Go on to the secret's page, on which its versions stand."""
    return redirect_to(url_for("pages.variable", ws=ws, name=name, _anchor="versions"))


def show_secret(ws: str, secret: Secret, *, problem: str | None = None, status: int = 200) -> Response:
    """Show a secret's page, with what went wrong with the button that was pressed on it."""
    resources, access = context.resources(), context.access()
    try:
        versions, fault = SecretVersions(resources).list(secret.name, access=access, limit=VERSIONS_KEPT), None
    except NotFound:
        raise
    except StrongroomError as error:  # Vault is away: the page says so
        versions, fault = [], plain_words(error.detail)
    accesses = access_log(secret.name, access=access, resources=resources) if may(Permission.AUDIT_READ) else []
    return show(
        "variables/secret.html",
        status,
        secret=secret,
        problem=problem,
        type_label=TYPE_LABELS[secret.type],
        has_own_versions=secret.type not in KEY_TYPES,
        parts_of=parts_as_texts(secret),
        versions=[_row(each, accesses) for each in versions],
        looks=[each for each in accesses if each.action == "reveal"],
        usage=usage_of(secret.name, access=access, resources=resources),
        form=FormState(problem=fault),
        ws=ws,
    )


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with what the record tells of it: how many calls carried it, and how often it was looked at."""

    version: Version
    calls: int
    looks: int


def _row(version: Version, accesses: Sequence[SecretAccess]) -> VersionRow:
    counts = {
        kind: sum(each.count for each in accesses if (each.version, each.action) == (version.version, kind))
        for kind in ("use", "reveal")
    }
    return VersionRow(version, counts["use"], counts["reveal"])


@pages.get("/workspaces/<ws>/variables/<name>/versions/<version>/roll-back")
def roll_back_form(ws: str, name: str, version: str) -> Response:
    """Ask whether an older value should really be in force again, and show which blocks would use it."""
    require(context.access(), Permission.SECRET_WRITE)
    return _show_roll_back(ws, name, number(version))


@pages.post("/workspaces/<ws>/variables/<name>/versions/<version>/roll-back")
def roll_back(ws: str, name: str, version: str) -> Response:
    """Make an older version's value the newest version."""
    try:
        secret = SecretVersions(context.resources()).roll_back(
            name, number(version), revision=number(form_texts().get("revision", "")), access=context.access()
        )
    except NotFound:
        raise
    except StrongroomError as error:
        return _show_roll_back(ws, name, number(version), error)
    told = f"{name} is back at the value of version {version}, as version {secret.version}."
    return redirect_with_message(told, url_for("pages.variable", ws=ws, name=name), name=name)


def _show_roll_back(ws: str, name: str, version: int, error: StrongroomError | None = None) -> Response:
    resources, access = context.resources(), context.access()
    secret = SecretQueries(resources).get(name, access=access)
    blocks = usage_of(name, access=access, resources=resources).blocks
    form = FormState.of_a_button(error) if error else FormState()
    status = STATUS[error.code] if error else 200
    return show("variables/roll_back.html", status, secret=secret, version=version, blocks=blocks, form=form, ws=ws)
