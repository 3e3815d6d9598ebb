"""Importing a .env file on the page: a preview of what would become of each line, then the lines that were ticked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from flask import Response, flash, request, url_for

from app.access import Permission, require
from app.kernel.errors import StrongroomError, ValidationFailed, in_body
from app.pages.filters import count
from app.pages.forms import FormState, form_texts, hosts
from app.pages.layout import pages, redirect_to, show
from app.variables.dotenv import GREATEST_FILE, decode_dotenv
from app.variables.imports import Import, ImportedLine, Imports
from app.vault import VISIBILITIES
from app.web import context
from app.web.errors import STATUS

Result = Literal["new", "created", "exists", "skipped", "refused"]
_NO_CONTENT: Final = "Paste the file's lines, or choose the file."


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A line of the file, and what would become of it, or has."""

    line: int
    name: str
    result: Result
    detail: str | None = None


@pages.get("/workspaces/<ws>/variables/-/import")
def import_form(ws: str) -> Response:
    """Ask for a .env file, and for what its secrets are to be like."""
    require(context.access(), Permission.SECRET_WRITE)
    return _show(ws, FormState({"visibility": "masked"}))


@pages.post("/workspaces/<ws>/variables/-/import")
def import_file(ws: str) -> Response:
    """Show what would become of it, or import what was ticked."""
    require(context.access(), Permission.SECRET_WRITE)
    sent = form_texts(without=("content",))
    try:
        if sent.get("do") == "import":
            return _import(ws, sent, request.form.getlist("only"))
        rows = [_row(each, preview=True) for each in _run(sent, only=None, dry_run=True)]
    except StrongroomError as error:
        return _show(ws, FormState.after(error, sent), status=STATUS[error.code])
    return _show(ws, FormState(sent), rows=rows)


def _run(sent: Mapping[str, str], *, only: Collection[str] | None, dry_run: bool) -> Sequence[ImportedLine]:
    visibility = sent.get("visibility", "")
    wanted = Import(
        _content(),
        visibility if visibility in VISIBILITIES else "masked",
        tuple(hosts(sent.get("allowed_hosts", ""))) or None,
        wide="wide" in sent,
        only=None if only is None else tuple(only),
        dry_run=dry_run,
    )
    return Imports(context.resources()).run(wanted, access=context.access())


def _content() -> str:
    file = request.files.get("file")
    content = file.read(GREATEST_FILE + 1) if file and file.filename else request.form.get("content", "").encode()
    if not content.strip():
        raise ValidationFailed(_NO_CONTENT, errors={in_body("content"): [_NO_CONTENT]})
    return decode_dotenv(content)


def _row(line: ImportedLine, *, preview: bool) -> ImportRow:
    result: Result = "new" if preview and line.result == "created" else line.result
    told = " ".join(each.detail for each in line.warnings)
    return ImportRow(line.line, line.name, result, line.detail or told or None)


def _import(ws: str, sent: Mapping[str, str], only: Collection[str]) -> Response:
    """Make what was ticked, each whole or not at all; one that can't be made holds up no other."""
    plan = [_row(each, preview=True) for each in _run(sent, only=None, dry_run=True)]
    became = {each.line: _row(each, preview=False) for each in _run(sent, only=only, dry_run=False)}
    rows = [became[row.line] if row.name in only or row.result == "new" else row for row in plan]
    created = sum(row.result == "created" for row in rows)
    if created and not any(row.result == "refused" for row in rows):
        flash(f"{count(created, 'secret')} imported.")
        return redirect_to(url_for("pages.variables", ws=ws))
    return _show(ws, FormState(sent), rows=rows, created=created)


def _show(
    ws: str, form: FormState, *, rows: Sequence[ImportRow] = (), created: int | None = None, status: int = 200
) -> Response:
    return show("variables/import.html", status, form=form, rows=rows, created=created, ws=ws)
