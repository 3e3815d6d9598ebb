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
_BOTH: Final = "Paste the file's lines or choose the file, not both: empty this, or take the file away."


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A line of the file, and what would become of it, or has; ``plain_too``: it could become a plain variable."""

    line: int
    name: str
    result: Result
    detail: str | None = None
    plain_too: bool = False


@dataclass(frozen=True, slots=True)
class Ticked:
    """The names to import, and those among them that become plain variables."""

    only: frozenset[str]
    plain: frozenset[str]

    @classmethod
    def of_form(cls, names: Collection[str]) -> Ticked:
        """Return what was ticked, without names that the file doesn't assign any more."""
        plain_only = frozenset(request.form.getlist("only_plain")).intersection(names)
        only = plain_only.union(request.form.getlist("only")).intersection(names)
        return cls(only, plain_only.union(request.form.getlist("plain")).intersection(names))


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
        content = _content()
        preview = _preview(content, sent)
        if sent.get("do") == "import":
            return _import(ws, content, sent, preview)
    except StrongroomError as error:
        return _show(ws, FormState.after(error, sent), status=STATUS[error.code])
    return _show(ws, FormState(sent), rows=preview)


def _preview(content: str, sent: Mapping[str, str]) -> Sequence[ImportRow]:
    """Return what would become of each line: as a secret, and whether it could be a plain variable."""
    as_secrets = _run(content, sent, dry_run=True)
    names = {each.name for each in as_secrets if each.name}
    as_plain = {each.line: each.result == "created" for each in _run(content, sent, plain=names, dry_run=True)}
    return [_row(each, preview=True, plain_too=as_plain[each.line]) for each in as_secrets]


def _run(
    content: str,
    sent: Mapping[str, str],
    *,
    only: Collection[str] | None = None,
    plain: Collection[str] = (),
    dry_run: bool = False,
) -> Sequence[ImportedLine]:
    visibility = sent.get("visibility", "")
    wanted = Import(
        content,
        visibility if visibility in VISIBILITIES else "masked",
        tuple(hosts(sent.get("allowed_hosts", ""))) or None,
        wide="wide" in sent,
        only=None if only is None else tuple(only),
        plain=tuple(plain),
        dry_run=dry_run,
    )
    return Imports(context.resources()).run(wanted, access=context.access())


def _content() -> str:
    file = request.files.get("file")
    if file and file.filename and request.form.get("content", "").strip():
        raise ValidationFailed(_BOTH, errors={in_body("content"): [_BOTH]})
    content = file.read(GREATEST_FILE + 1) if file and file.filename else request.form.get("content", "").encode()
    if not content.strip():
        raise ValidationFailed(_NO_CONTENT, errors={in_body("content"): [_NO_CONTENT]})
    return decode_dotenv(content)


def _row(line: ImportedLine, *, preview: bool, plain_too: bool = False) -> ImportRow:
    result: Result = "new" if preview and line.result == "created" else line.result
    told = " ".join(each.detail for each in line.warnings)
    return ImportRow(line.line, line.name, result, line.detail or told or None, plain_too)


def _import(ws: str, content: str, sent: Mapping[str, str], preview: Sequence[ImportRow]) -> Response:
    """Make what was ticked, each whole or not at all; one that can't be made holds up no other."""
    ticked = Ticked.of_form({row.name for row in preview})
    lines = _run(content, sent, only=ticked.only, plain=ticked.plain)
    became = {each.line: _row(each, preview=False) for each in lines}
    rows = [became[row.line] if row.name in ticked.only or row.result == "new" else row for row in preview]
    created = [row.name for row in rows if row.result == "created"]
    if created and not any(row.result == "refused" for row in rows):
        flash(f"{_count(created, ticked.plain)} imported.")
        return redirect_to(url_for("pages.variables", ws=ws))
    return _show(ws, FormState(sent), rows=rows, created=len(created))


def _count(created: Sequence[str], plain: Collection[str]) -> str:
    variables = sum(name in plain for name in created)
    parts = ((len(created) - variables, "secret"), (variables, "variable"))
    return " and ".join(count(number, what) for number, what in parts if number)


def _show(
    ws: str, form: FormState, *, rows: Sequence[ImportRow] = (), created: int | None = None, status: int = 200
) -> Response:
    return show("variables/import.html", status, form=form, rows=rows, created=created, ws=ws)
