"""An event of the record as a sentence for people. Pure; nothing here ever held a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.audit.chain import Event

# What was done: as it reads when it was done, and as it reads when it was only wanted.
DEEDS: Final = {
    "workspace.create": ("created the workspace", "to create the workspace"),
    "workspace.update": ("changed the workspace's settings", "to change the workspace's settings"),
    "workspace.delete": ("deleted the workspace", "to delete the workspace"),
    "member.add": ("added the member", "to add the member"),
    "member.change": ("changed the role of", "to change the role of"),
    "member.remove": ("removed the member", "to remove the member"),
    "variable.create": ("created the variable", "to create the variable"),
    "variable.update": ("changed the variable", "to change the variable"),
    "variable.delete": ("deleted the variable", "to delete the variable"),
    "secret.create": ("created the secret", "to create the secret"),
    "secret.update": ("changed the secret", "to change the secret"),
    "secret.set_value": ("set a new value of", "to set a new value of"),
    "secret.rollback": ("rolled back the value of", "to roll back the value of"),
    "secret.delete": ("deleted the secret", "to delete the secret"),
    "secret.reveal": ("looked at the value of", "to look at the value of"),
    "secret.renew": ("renewed the token of", "to renew the token of"),
    "secret.import": ("imported the secret", "to import the secret"),
    "block.create": ("created the API block", "to create the API block"),
    "block.update": ("changed the API block", "to change the API block"),
    "block.delete": ("deleted the API block", "to delete the API block"),
    "call.run": ("ran", "to run"),
    "token.create": ("made the service token", "to make the service token"),
    "token.revoke": ("revoked the service token", "to revoke the service token"),
    "session.sign_in": ("signed in", "to sign in"),
    "session.sign_out": ("signed out", "to sign out"),
    "user.create": ("let the user sign in", "to let the user sign in"),
    "user.enable": ("let the user sign in again", "to let the user sign in again"),
    "user.disable": ("disabled the user", "to disable the user"),
    "user.reset_password": ("reset the password of", "to reset the password of"),
    "user.change_password": ("changed the password of", "to change the password of"),
    "audit.accept_restore": ("accepted an older record", "to accept an older record"),
    "audit.export": ("exported the audit trail", "to export the audit trail"),
}
# What a filter offers: the actions that a workspace's record holds, each in words.
ACTIONS: Final = {
    action: wish.removeprefix("to ").removesuffix(" of").capitalize()
    for action, (_past, wish) in DEEDS.items()
    if not action.startswith(("session.", "user."))
}
OUTCOMES: Final = ("done", "refused", "failed", "unknown", "intended", "streaming")
_WITHOUT_TARGET: Final = frozenset({"workspace.update", "workspace.delete", "audit.export", "audit.accept_restore"})
# Refused for the role or a rule, and not for what was sent.
_NOT_ALLOWED: Final = frozenset(
    {
        "forbidden",
        "never_shown",
        "destination_not_allowed",
        "place_not_allowed",
        "request_not_allowed",
        "secret_expired",
    }
)
_BEGINNINGS: Final = {
    "refused": "wasn't allowed",
    "failed": "tried, without success,",
    "intended": "has begun",
    "streaming": "receives an answer that streams, having begun",
    "unknown": "began, with an unknown end,",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """Who, through whom, did what, to what, and how; the names apart, so that a page can set them off."""

    who: str
    via: str | None
    deed: str
    what: str | None
    rest: str
    secrets: Sequence[str] = ()
    actor: str | None = None
    """By what the record is narrowed to the same actor."""


def sentence(event: Event) -> Sentence:
    """Tell of an event."""
    past, wish = DEEDS.get(event.action, (event.action, event.action))
    mistaken = event.outcome == "refused" and event.detail.get("code", "forbidden") not in _NOT_ALLOWED
    beginning = "tried" if mistaken else _BEGINNINGS.get(event.outcome)
    deed = past if event.outcome == "done" else f"{beginning} {wish}"
    what = None if event.action in _WITHOUT_TARGET else event.target_name or event.target_id
    if event.action == "call.run" and event.target_type == "call":
        what = "a call that wasn't saved"
    via = "through the platform" if event.acting_for else None
    actor = event.acting_for or event.actor_id
    return Sentence(_who(event), via, deed, what, ", ".join(_details(event)), _secrets(event), actor)


def _who(event: Event) -> str:
    if event.acting_for:
        return event.acting_for
    if event.actor_type == "token":
        return f"The token {event.actor_id}"
    return "The operator" if event.actor_type == "operator" else event.actor_id or "Somebody"


def _details(event: Event) -> list[str]:
    detail, told = event.detail, []
    for key, words in (
        ("role", "as {}"),
        ("visibility", "{}"),
        ("version", "version {}"),
        ("method", "{}"),
        ("host", "to {}"),
        ("status", "answered {}"),
        ("engine", "engine {}"),
    ):
        if isinstance(value := detail.get(key), str | int) and not isinstance(value, bool):
            told.append(words.format(value))
    told += [str(detail[key]).replace("_", " ") for key in ("code", "reason") if detail.get(key)]
    if isinstance(names := detail.get("changed"), list) and names:
        told.append(", ".join(str(name).replace("_", " ") for name in names))
    return told


def _secrets(event: Event) -> Sequence[str]:
    names = event.detail.get("secrets")
    return [str(name) for name in names] if isinstance(names, list) else ()


def facts(event: Event) -> Sequence[tuple[str, str]]:
    """Return all that the record has of an event, in the words of its fields."""
    told: list[tuple[str, object]] = [
        ("Number", event.seq),
        ("At", event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        ("Action", event.action),
        ("Outcome", event.outcome),
        ("Actor", f"{event.actor_type} {event.actor_id or ''}".strip()),
        ("Acting for", event.acting_for),
        ("Target", " ".join(each for each in (event.target_type, event.target_name, event.target_id) if each)),
        ("Call" if event.action == "call.run" else "Deed", event.deed_id),
        ("Request", event.request_id),
        *((name.replace("_", " ").capitalize(), each) for name, each in sorted(event.detail.items())),
        ("Hash", event.hash),
    ]
    return [
        (name, each if isinstance(each, str) else json.dumps(each)) for name, each in told if each not in (None, "")
    ]
