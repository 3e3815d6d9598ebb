"""Importing a .env file on the page: a preview of what would become of each line, then the lines that were ticked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from flask import Response, flash, request, url_for

from app.access import Permission, require
from app.kernel.errors import FieldLocation, StrongroomError, ValidationFailed, in_body
from app.pages.filters import count
from app.pages.forms import Typed, form_texts, lines
from app.pages.layout import go, pages, show
from app.variables.secrets.dotenv_import import GREATEST_FILE, DotenvImport, ImportRules, Planned, read_dotenv
from app.vault import VISIBILITIES
from app.web import context
from app.web.errors import STATUS

Result = Literal["new", "created", "exists", "skipped", "refused"]
_FATES: Final[Mapping[str, Result]] = {"create": "new", "exists": "exists", "wrong": "refused"}
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
    return _show(ws, Typed({"visibility": "masked"}))


@pages.post("/workspaces/<ws>/variables/-/import")
def import_file(ws: str) -> Response:
    """Show what would become of it, or import what was ticked."""
    require(context.access(), Permission.SECRET_WRITE)
    sent = form_texts(without=("content",))
    try:
        plan = _plan(sent)
        if sent.get("do") == "import":
            return _import(ws, sent, plan, request.form.getlist("only"))
    except StrongroomError as error:
        error.errors = _beside_contents(error)
        return _show(ws, Typed.after(error, sent), status=STATUS[error.code])
    return _show(ws, Typed(sent), rows=[_row(each) for each in plan])


def _beside_contents(error: StrongroomError) -> Mapping[FieldLocation, Sequence[str]] | None:
    """Return what is wrong with lines of the file as what is wrong with its contents, line by line."""
    wrong = {at: each for at, each in (error.errors or {}).items() if at.label.startswith("line ")}
    if not wrong:
        return error.errors
    return {in_body("content"): [error.detail, *(f"{at.label.capitalize()}: {each[0]}" for at, each in wrong.items())]}


def _plan(sent: Mapping[str, str]) -> Sequence[Planned]:
    content = _content()
    visibility = sent.get("visibility", "")
    rules = ImportRules(
        visibility=visibility if visibility in VISIBILITIES else "masked",
        hosts=tuple(lines(sent.get("allowed_hosts", ""))) or None,
        wide="wide" in sent,
    )
    return DotenvImport(context.resources()).plan(read_dotenv(content), rules, access=context.access())


def _content() -> bytes:
    file = request.files.get("file")
    content = file.read(GREATEST_FILE + 1) if file and file.filename else request.form.get("content", "").encode()
    if not content.strip():
        raise ValidationFailed(_NO_CONTENT, errors={in_body("content"): [_NO_CONTENT]})
    return content


def _row(planned: Planned) -> ImportRow:
    return ImportRow(planned.entry.line, planned.entry.name, _FATES[planned.fate], planned.told)


def _import(ws: str, sent: Mapping[str, str], plan: Sequence[Planned], only: Collection[str]) -> Response:
    """Make what was ticked, each whole or not at all; one that can't be made holds up no other."""
    rows: list[ImportRow] = []
    for each in plan:
        row = _row(each)
        if row.result == "new":
            row = _make(each) if row.name in only else ImportRow(row.line, row.name, "skipped")
        rows.append(row)
    created = sum(row.result == "created" for row in rows)
    if created and not any(row.result == "refused" for row in rows):
        flash(f"{count(created, 'secret')} imported.")
        return go(url_for("pages.variables", ws=ws))
    return _show(ws, Typed(sent), rows=rows, created=created)


def _make(planned: Planned) -> ImportRow:
    try:
        DotenvImport(context.resources()).create(planned, access=context.access())
    except StrongroomError as error:
        return ImportRow(planned.entry.line, planned.entry.name, "refused", error.detail)
    return ImportRow(planned.entry.line, planned.entry.name, "created")


def _show(
    ws: str, form: Typed, *, rows: Sequence[ImportRow] = (), created: int | None = None, status: int = 200
) -> Response:
    return show("variables/import.html", status, form=form, rows=rows, created=created, ws=ws)
