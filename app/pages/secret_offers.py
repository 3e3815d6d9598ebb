"""Which secrets there are for a field of a block, and which of them may be put in its place."""

from __future__ import annotations

from typing import Final

from flask import Response, jsonify, request

from app.access import Permission
from app.kernel.errors import StrongroomError
from app.outbound.hosts import matches
from app.outbound.model import Origin
from app.outbound.places import may_hold_secret, place_allowed
from app.outbound.urls import parse_url
from app.pages.layout import may, pages
from app.variables import listing
from app.variables.listing import ListQuery
from app.variables.secrets.queries import Secret
from app.web import context

_OFFERED: Final = 50
_LOOKED_AT: Final = 1000
_PLACES: Final = {
    "header": "any header",
    "basic": "user and password",
    "query": "query parameters",
    "path": "the URL's path",
    "body": "the body",
}


@pages.get("/workspaces/<ws>/blocks/-/secrets")
def secrets_for_field(ws: str) -> Response:
    """Tell a script which secrets there are for a field, and which of them may be put in its place."""
    q, place = request.args.get("q", "").strip()[:100], request.args.get("place", "")[:300]
    listed = listing.list_variables(
        ListQuery(q=q or None, kind="secret"),
        access=context.access(),
        resources=context.resources(),
        limit=_LOOKED_AT,
    )
    origin = _origin(request.args.get("url", "")[:8192])
    secrets = [entry.item for entry in listed.entries if isinstance(entry.item, Secret)]
    # what names this very host is before what goes anywhere
    secrets.sort(key=lambda secret: origin is None or not matches(secret.allowed_hosts, origin, any_host=False))
    offers = [_offer(secret, place, origin) for secret in secrets]
    own = request.args.get("own", "")  # of the field stands on top, then what fits
    offers.sort(key=lambda offer: (offer["name"] != own, offer["reason"] is not None, offer["elsewhere"] is not None))
    return jsonify(secrets=offers[:_OFFERED], total=listed.total, may_write=may(Permission.SECRET_WRITE))


def _origin(url: str) -> Origin | None:
    try:
        return parse_url(url)[0]
    except StrongroomError:
        return None


def _offer(secret: Secret, place: str, origin: Origin | None) -> dict[str, object]:
    notes = {"expired": "expired", "expiring": "expires soon"}
    goes = origin is None or matches(secret.allowed_hosts, origin, any_host=True)
    return {
        "name": secret.name,
        "visibility": secret.visibility,
        "reason": _why_not(secret, place),
        "elsewhere": None if goes else f"only to {', '.join(secret.allowed_hosts[:3])}",
        "note": "to be reconnected" if secret.state == "reconnect" else notes.get(secret.expiry),
    }


def _why_not(secret: Secret, place: str) -> str | None:
    if secret.state not in ("active", "reconnect"):
        return "still being created" if secret.state == "pending" else "being deleted"
    if secret.type == "aws4":
        return "signs the whole call: choose it under Sign-in"
    header = place.removeprefix("header:")
    if header != place and header and not may_hold_secret(header):
        return "no secret may stand in this header"
    if place_allowed(secret.allowed_places, place):
        return None
    return f"only for {', '.join(_PLACES.get(each, each.replace(':', ' ')) for each in secret.allowed_places)}"
