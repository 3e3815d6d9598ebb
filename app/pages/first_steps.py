"""The first steps in a workspace, from a secret to a call out of one's own code; each ticked when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask import Response, url_for

from app.access import Permission
from app.audit.history import has_run_by
from app.blocks.service import SavedBlocks
from app.identity.tokens import Tokens
from app.pages.layout import may, pages, show
from app.variables import listing
from app.variables.listing import ListQuery
from app.web import context

# Each step's title, and what it is for.
_WORDS: Final = (
    ("Create a secret", "A key or password of another service. It lies in Vault, and is used without being seen."),
    (
        "Save an API block",
        "The call that uses it. Paste a curl command from that service's docs, if they have one.",
    ),
    ("Send it", "Send in the editor makes the call, and shows what came back without secrets."),
    (
        "Create a runtime token",
        "Your program's own key: it runs API blocks, and sees nothing else. Owners and admins make it.",
    ),
    ("Call it from your code", "Use it, beside the block, has the lines for curl, Python and JavaScript."),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what to do, what it is for, where, and whether it is done."""

    title: str
    text: str
    url: str
    done: bool


@pages.get("/workspaces/<ws>/first-steps")
def first_steps(ws: str) -> Response:
    """Show them."""
    return show("first_steps.html", steps=steps(ws), ws=ws)


def steps(ws: str) -> Sequence[Step]:
    """Return the steps, done or not, in the workspace of the URL."""
    resources, access = context.resources(), context.access()
    blocks = SavedBlocks(resources).list(access=access, limit=1)
    secrets = listing.list_variables(
        ListQuery(kind="secret"), access=access, resources=resources, limit=1, counted=False
    )
    own = url_for("pages.block", ws=ws, block=blocks[0].name) if blocks else url_for("pages.blocks", ws=ws)
    by_people, by_programs = (has_run_by(each, chain=ws, sessions=resources.sessions) for each in ("user", "token"))
    makes_tokens = may(Permission.TOKEN_MANAGE)
    places = (
        (url_for("pages.variables", ws=ws), bool(secrets.entries)),
        (own if blocks else url_for("pages.new_block_form", ws=ws), bool(blocks)),
        (own, by_people),
        (url_for("pages.settings", ws=ws) if makes_tokens else own, by_programs or (makes_tokens and _has_token())),
        (f"{own}#use", by_programs),
    )
    return [Step(*words, *place) for words, place in zip(_WORDS, places, strict=True)]


def _has_token() -> bool:
    resources = context.resources()
    return bool(Tokens(resources.sessions, resources.clock).list(access=context.access(), limit=1))


def new_steps(ws: str) -> Sequence[Step]:
    """Return the steps for the tabs of a workspace that has no variable or no block yet, else none."""
    resources, access = context.resources(), context.access()
    listed = listing.list_variables(ListQuery(), access=access, resources=resources, limit=1, counted=False)
    begun = listed.entries and SavedBlocks(resources).list(access=access, limit=1)
    return () if begun else steps(ws)
