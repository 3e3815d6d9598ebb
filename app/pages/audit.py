"""The Audit tab: the record in sentences, one line for each deed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Response, request

from app.access import Permission, require
from app.audit.chain import Verdict
from app.audit.checkpoints import verify_chain
from app.audit.export import Format, export_events
from app.audit.history import COUNTED_AT_MOST, NumberedEvents, list_by_number
from app.audit.service import Filters
from app.blocks.service import SavedBlocks
from app.kernel.errors import ValidationFailed, VaultError, in_body
from app.pages.forms import FormState, number
from app.pages.layout import pages, show
from app.pages.list_pages import ListPage, requested_page
from app.pages.messages import ACTIONS, OUTCOMES, facts, sentence
from app.variables import listing
from app.variables.listing import ListQuery
from app.web import context
from app.web.errors import STATUS
from app.workspaces.members import Members

ROWS: Final = 50
NEWEST_VERIFIED: Final = 2000
_VERSIONS: Final = range(1, 2**31)
_TEXTS: Final = ("actor", "action", "secret", "block", "call", "outcome")
_CHOICES: Final = 500


@pages.get("/workspaces/<ws>/audit")
def audit(ws: str) -> Response:
    """List the record, newest first; a filter that can't be read is shown again with what is wrong with it."""
    asked = _filters_of_request()
    try:
        filters = _filters(asked)
    except ValidationFailed as error:
        require(context.access(), Permission.AUDIT_READ)
        return _show(ws, FormState.after(error, asked), STATUS[error.code])
    place = requested_page(ROWS)
    found = list_by_number(
        filters,
        access=context.access(),
        sessions=context.resources().sessions,
        limit=place.size,
        offset=place.offset,
        through=max(number(request.args.get("upto", "")), 0) or None,
    )
    kept = {name: text for name, text in asked.items() if text}
    return _show(
        ws,
        FormState(asked),
        rows=[(event, sentence(event), facts(event)) for event in found.events],
        narrowed=bool(kept),
        place=_place(place, found),
        upto=found.through,
        chain=_chain(ws),
        kept=kept,
    )


def _place(asked: ListPage, found: NumberedEvents) -> ListPage:
    if found.total is not None:
        return replace(asked, total=found.total)
    if not found.more:  # at its end the list is counted after all
        return replace(asked, total=asked.offset + len(found.events))
    return replace(asked, total=COUNTED_AT_MOST, uncounted=True)


def _filters_of_request() -> Mapping[str, str]:
    return {name: request.args.get(name, "").strip()[:128] for name in (*_TEXTS, "version", "from", "to")}


def _chain(ws: str) -> Verdict | None:
    """Follow the newest of the chain, from a checkpoint on, to where Vault says that it ends at least.

    Returns:
        What was found; None while Vault can't be asked which signatures are its own.
    """
    resources = context.resources()
    try:
        return verify_chain(ws, sessions=resources.sessions, vault=resources.vault, events_at_least=NEWEST_VERIFIED)
    except VaultError:
        return None


@pages.get("/workspaces/<ws>/audit/export")
def audit_export(ws: str) -> Response:
    """Hand the record out as a file, narrowed as the page was."""
    form: Format = "csv" if request.args.get("format") == "csv" else "ndjson"
    resources = context.resources()
    pieces = export_events(
        replace(_filters(_filters_of_request()), folded=False),
        form,
        access=context.access(),
        sessions=resources.sessions,
        vault=resources.vault,
        clock=resources.clock,
    )
    headers = {"Content-Disposition": f'attachment; filename="{ws}-audit.{form}"'}
    content_type = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    return Response(pieces, content_type=content_type, headers=headers)


def _show(ws: str, form: FormState, status: int = 200, **names: object) -> Response:
    choices = _choices()
    return show("audit.html", status, form=form, actions=ACTIONS, outcomes=OUTCOMES, choices=choices, ws=ws, **names)


def _choices() -> Mapping[str, Sequence[str]]:
    """Return what a filter can be set to, by its field: whom and what there is now."""
    resources, access = context.resources(), context.access()
    secrets = listing.list_variables(
        ListQuery(kind="secret"), access=access, resources=resources, limit=_CHOICES, counted=False
    )
    blocks = SavedBlocks(resources).list(access=access, limit=_CHOICES)
    members = Members(resources.sessions, resources.clock).list(access=access, limit=_CHOICES)
    return {
        "actor": [each.user for each in members],
        "secret": [each.item.name for each in secrets.entries],
        "block": [each.name for each in blocks],
    }


def _filters(asked: Mapping[str, str]) -> Filters:
    since, until = _day("from", asked["from"]), _day("to", asked["to"], through=True)
    if since and until and since >= until:
        raise ValidationFailed(
            "The last day is before the first.", errors={in_body("to"): ["Must not be before the first day."]}
        )
    given = {name: asked[name] or None for name in _TEXTS}
    version = _version(asked)
    # What is chosen from a list is meant; what is only typed may be a part of a name.
    partial = frozenset(name for name, names in _choices().items() if given[name] and given[name] not in names)
    return Filters(**given, version=version, since=since, until=until, folded=True, partial=partial)


def _version(asked: Mapping[str, str]) -> int | None:
    if not asked["version"]:
        return None
    if not asked["version"].isdecimal() or int(asked["version"]) not in _VERSIONS:
        raise ValidationFailed("Enter a version's number.", errors={in_body("version"): ["Enter a version's number."]})
    if not asked["secret"]:
        sentence = "Name the secret whose version it is."
        raise ValidationFailed(sentence, errors={in_body("secret"): [sentence]})
    return int(asked["version"])


def _day(name: str, text: str, *, through: bool = False) -> datetime | None:
    """Read a day, in UTC; ``through`` gives the end of it."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return day + timedelta(days=1) if through else day
    except (ValueError, OverflowError):
        raise ValidationFailed("Invalid day.", errors={in_body(name): ["Enter a day, such as 2030-01-31."]}) from None
