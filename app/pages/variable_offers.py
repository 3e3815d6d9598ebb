"""Which plain variables there are for a field of a block, and what those stand for that it refers to."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

from flask import Response, jsonify, request

from app.pages.layout import pages
from app.variables import listing
from app.variables.listing import ListQuery
from app.variables.service import Variable, Variables
from app.web import context

_OFFERED: Final = 20
_ASKED_AT_MOST: Final = 200
_SHOWN: Final = 60


@pages.get("/workspaces/<ws>/blocks/-/variables")
def variables_for_field(ws: str) -> Response:
    """Tell a script which plain variables fit what is being typed, or the values of those that it names."""
    names = request.args.getlist("name")[:_ASKED_AT_MOST]
    if names:
        return jsonify(variables=[{"name": name, "value": text} for name, text in shared_values(names).items()])
    wanted = ListQuery(q=request.args.get("q", "").strip()[:100] or None, kind="plain")
    listed = listing.list_variables(
        wanted, access=context.access(), resources=context.resources(), limit=_OFFERED, counted=False
    )
    variables = [entry.item for entry in listed.entries if isinstance(entry.item, Variable)]
    return jsonify(variables=[{"name": each.name, "value": _text(each.value)} for each in variables])


def shared_values(names: Collection[str]) -> Mapping[str, str]:
    """Return the workspace's values of these variables as text, cut short; those that aren't there are left out."""
    values = Variables(context.resources()).values(names, access=context.access())
    return {name: _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
