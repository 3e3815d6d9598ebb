"""A secret's changes as tables: which event leads from which state to which, who may act, what reconcile does. Pure.

A row and its entry in Vault can't change in one transaction. So the row says first what is about to happen, then
Vault is asked, then the row says that it has happened. ``service`` and its neighbours carry out what is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from app.access import Permission
from app.kernel.errors import Conflict, NameTaken, NotForThisType, NotFound, StrongroomError, in_body

# Longer than the slowest living change can take, and than Vault works on a request by itself (90 seconds). Source:
# https://developer.hashicorp.com/vault/docs/configuration#default_max_request_duration
SURELY_OVER_AFTER: Final = timedelta(minutes=2)


class State(StrEnum):
    """What a row says of its secret."""

    ABSENT = "absent"
    """There is no row."""
    PENDING = "pending"
    """The value may be on its way to Vault for the first time."""
    ACTIVE = "active"
    """Row and Vault agree."""
    VALUE_CHANGING = "value_changing"
    """A version may have been stored that the row doesn't know of."""
    RULES_CHANGING = "rules_changing"
    """Vault may have been told new rules; the row holds the old ones and the new ones."""
    DELETING = "deleting"
    """Vault may have deleted the value."""


class Event(StrEnum):
    """What happens to a secret: first what people and calls ask for, then what becomes of a change under way."""

    CREATE = "create"
    READ = "read"
    USE = "use"
    REVEAL = "reveal"
    DESCRIBE = "describe"
    SET_VALUE = "set_value"
    CHANGE_RULES = "change_rules"
    ROLL_BACK = "roll_back"
    REWRAP = "rewrap"
    DESTROY_VERSION = "destroy_version"
    DELETE = "delete"
    RENEW = "renew"
    STORED = "stored"
    TAKEN_BACK = "taken_back"
    GONE = "gone"


class Refusal(StrEnum):
    """Why an event can't happen in a state."""

    NOT_FOUND = "not_found"
    NAME_TAKEN = "name_taken"
    NOT_ACTIVE = "not_active"
    UNDER_WAY = "under_way"
    AT_WORK = "at_work"
    """Somebody may be creating or deleting it at this moment."""
    IMPOSSIBLE = "impossible"
    """Nobody asks for this: the end of a change that never began."""


ASKED_FOR: Final = (
    Event.CREATE,
    Event.READ,
    Event.USE,
    Event.REVEAL,
    Event.DESCRIBE,
    Event.SET_VALUE,
    Event.CHANGE_RULES,
    Event.ROLL_BACK,
    Event.REWRAP,
    Event.DESTROY_VERSION,
    Event.DELETE,
    Event.RENEW,
)

NEEDS: Final[Mapping[Event, Permission]] = {
    Event.CREATE: Permission.SECRET_WRITE,
    Event.READ: Permission.SECRET_READ,
    Event.REVEAL: Permission.SECRET_REVEAL,
    Event.DESCRIBE: Permission.SECRET_WRITE,
    Event.SET_VALUE: Permission.SECRET_WRITE,
    Event.CHANGE_RULES: Permission.SECRET_WRITE,
    Event.ROLL_BACK: Permission.SECRET_WRITE,
    Event.REWRAP: Permission.SECRET_WRITE,
    Event.DESTROY_VERSION: Permission.SECRET_WRITE,
    Event.DELETE: Permission.SECRET_WRITE,
    Event.RENEW: Permission.SECRET_WRITE,
}
"""Who may act: the permission that an event asks for. A use is part of a call, which asks for its own.

The API declares these, and the services check these: there is no second place."""

OF_OWN_VALUES: Final = frozenset({Event.SET_VALUE, Event.ROLL_BACK, Event.REWRAP, Event.DESTROY_VERSION})
"""What happens only to a value that was written here, never to one that Vault's operators manage."""

_NOT_THERE: Final[Mapping[Event, State | Refusal]] = {
    **dict.fromkeys(Event, Refusal.IMPOSSIBLE),
    **dict.fromkeys(ASKED_FOR, Refusal.NOT_FOUND),
    Event.CREATE: State.PENDING,
}
_UNUSABLE: Final[Mapping[Event, State | Refusal]] = {
    **dict.fromkeys(Event, Refusal.IMPOSSIBLE),
    **dict.fromkeys(ASKED_FOR, Refusal.NOT_ACTIVE),
    Event.CREATE: Refusal.NAME_TAKEN,
    # Vault deletes by name: a second deletion could reach it when the first has given the name back, and would take
    # the next secret's value; and one of a secret that isn't there yet would leave behind what its maker writes then.
    Event.DELETE: Refusal.AT_WORK,
}

TRANSITIONS: Final[Mapping[State, Mapping[Event, State | Refusal]]] = {
    State.ABSENT: _NOT_THERE,
    State.PENDING: {
        **_UNUSABLE,
        Event.READ: State.PENDING,
        Event.STORED: State.ACTIVE,
        Event.TAKEN_BACK: State.ABSENT,
    },
    State.ACTIVE: {
        **dict.fromkeys(Event, Refusal.IMPOSSIBLE),
        Event.CREATE: Refusal.NAME_TAKEN,
        Event.READ: State.ACTIVE,
        Event.USE: State.ACTIVE,
        Event.REVEAL: State.ACTIVE,
        Event.DESCRIBE: State.ACTIVE,
        Event.SET_VALUE: State.VALUE_CHANGING,
        Event.CHANGE_RULES: State.RULES_CHANGING,
        Event.ROLL_BACK: State.VALUE_CHANGING,
        Event.REWRAP: State.VALUE_CHANGING,
        Event.DESTROY_VERSION: State.ACTIVE,
        Event.DELETE: State.DELETING,
        Event.RENEW: State.ACTIVE,
    },
    State.VALUE_CHANGING: {
        **dict.fromkeys(Event, Refusal.IMPOSSIBLE),
        Event.CREATE: Refusal.NAME_TAKEN,
        Event.READ: State.VALUE_CHANGING,
        Event.USE: State.VALUE_CHANGING,
        Event.REVEAL: State.VALUE_CHANGING,
        Event.DESCRIBE: State.VALUE_CHANGING,
        Event.SET_VALUE: State.VALUE_CHANGING,
        Event.CHANGE_RULES: State.RULES_CHANGING,
        Event.ROLL_BACK: State.VALUE_CHANGING,
        Event.REWRAP: State.VALUE_CHANGING,
        Event.DESTROY_VERSION: State.VALUE_CHANGING,
        Event.DELETE: State.DELETING,
        Event.RENEW: State.VALUE_CHANGING,
        Event.STORED: State.ACTIVE,
    },
    State.RULES_CHANGING: {
        **dict.fromkeys(Event, Refusal.IMPOSSIBLE),
        Event.CREATE: Refusal.NAME_TAKEN,
        Event.READ: State.RULES_CHANGING,
        Event.USE: State.RULES_CHANGING,
        Event.REVEAL: State.RULES_CHANGING,
        # So that no value slips in between such a change's new value and its new rules.
        Event.DESCRIBE: Refusal.UNDER_WAY,
        Event.SET_VALUE: Refusal.UNDER_WAY,
        Event.CHANGE_RULES: Refusal.UNDER_WAY,
        Event.ROLL_BACK: Refusal.UNDER_WAY,
        Event.REWRAP: State.RULES_CHANGING,
        Event.DESTROY_VERSION: State.RULES_CHANGING,
        Event.DELETE: State.DELETING,
        Event.RENEW: State.RULES_CHANGING,
        Event.STORED: State.ACTIVE,
        # The new rules are given up; what became of the value, reconcile finds out.
        Event.TAKEN_BACK: State.VALUE_CHANGING,
    },
    State.DELETING: {**_UNUSABLE, Event.READ: State.DELETING, Event.GONE: State.ABSENT},
}


def decide(state: State, event: Event, *, silent: bool = False) -> State | Refusal:
    """Return the state that an event leads to, or why it can't happen.

    Args:
        silent: Nobody has touched the row for ``SURELY_OVER_AFTER``: whoever was at work on it is surely dead.
    """
    cell = TRANSITIONS[state][event]
    if cell is Refusal.AT_WORK and silent:
        return State.DELETING
    return cell


def advance(state: State, event: Event, *, name: str, silent: bool = False) -> State:
    """Return the state that an event leads to.

    Raises:
        NotFound, NameTaken, Conflict: The event can't happen in this state.
    """
    cell = decide(state, event, silent=silent)
    if isinstance(cell, Refusal):
        raise _refusal(cell, state, name)
    return cell


def _refusal(why: Refusal, state: State, name: str) -> StrongroomError:
    if why is Refusal.NOT_FOUND:
        return NotFound(f"There is no secret {name[:64]}.")
    if why is Refusal.NAME_TAKEN:
        return name_taken(name)
    if why is Refusal.NOT_ACTIVE:
        return Conflict(f"{name} is {state}; it can't be used or changed until that is finished.", retry_after=60)
    if why is Refusal.UNDER_WAY:
        return Conflict(f"Another change of {name} is under way.", retry_after=60)
    under_way = "created" if state is State.PENDING else "deleted"
    return Conflict(
        f"{name} is being {under_way} at this moment; what was cut off is mended within three minutes.", retry_after=5
    )


def require_own_value(event: Event, *, name: str, managed: bool) -> None:
    """Do nothing where the event doesn't concern the value, or the value was written here.

    Raises:
        NotForThisType: Vault's operators manage the value.
    """
    if managed and event in OF_OWN_VALUES:
        raise managed_elsewhere(name)


def managed_elsewhere(name: str) -> NotForThisType:
    """Say that the value is changed where it lies."""
    return NotForThisType(f"The value of {name} is managed in Vault by its operators: it is changed there.")


def name_taken(name: str) -> NameTaken:
    """Say that a variable or secret has the name already."""
    return NameTaken(
        f"The name {name} is taken, by a variable or secret (upper and lower case count as one).",
        errors={in_body("name"): ["Is taken."]},
    )


# --- what a crash left ------------------------------------------------------------------------------------------------


class Finding(StrEnum):
    """What Vault holds under the name of a secret whose last change isn't known to have ended."""

    NOTHING = "nothing"
    ENTRY = "entry"
    """An entry with the row's binding and no value."""
    VALUE = "value"
    """A value with the row's binding."""
    NEXT = "next"
    """An entry with the binding of the rules that the row is to get."""
    FOREIGN_ENTRY = "foreign_entry"
    """An entry with another binding, or none, that never had a version."""
    FOREIGN_VALUE = "foreign_value"
    """The same, with versions."""


class Remedy(StrEnum):
    """What reconcile does about it."""

    SETTLE = "settle"
    """Take over Vault's version; the row is active."""
    TAKE_OVER = "take_over"
    """Put the new rules in force as well."""
    GIVE_UP = "give_up"
    """Drop the new rules, take over Vault's version."""
    TAKE_BACK = "take_back"
    """Delete in Vault, then the row."""
    DROP = "drop"
    """Delete the row; a stranger's value stays where it is."""
    DELETE = "delete"
    """Carry out the deletion, in Vault and then here."""
    POSTPONE = "postpone"
    """Leave it to a later time, or to an operator: ``doctor`` names it."""


_ALWAYS_DELETE: Final = dict.fromkeys(Finding, Remedy.DELETE)

REMEDIES: Final[Mapping[State, Mapping[Finding, Remedy]]] = {
    State.PENDING: {
        Finding.NOTHING: Remedy.DROP,
        Finding.ENTRY: Remedy.TAKE_BACK,
        Finding.VALUE: Remedy.SETTLE,
        Finding.NEXT: Remedy.DROP,  # a row that is pending has no next rules
        Finding.FOREIGN_ENTRY: Remedy.TAKE_BACK,
        Finding.FOREIGN_VALUE: Remedy.DROP,
    },
    State.VALUE_CHANGING: {
        Finding.NOTHING: Remedy.POSTPONE,
        # What Vault holds is believed, never the row. A row whose rules Vault was never told of is unusable all the
        # same, and stays so: the binding is told nothing here.
        Finding.ENTRY: Remedy.SETTLE,
        Finding.VALUE: Remedy.SETTLE,
        Finding.NEXT: Remedy.SETTLE,
        Finding.FOREIGN_ENTRY: Remedy.SETTLE,
        Finding.FOREIGN_VALUE: Remedy.SETTLE,
    },
    State.RULES_CHANGING: {
        Finding.NOTHING: Remedy.POSTPONE,
        # A binding is the last thing that a change of rules writes, after the new value and the older ones' end.
        Finding.ENTRY: Remedy.GIVE_UP,
        Finding.VALUE: Remedy.GIVE_UP,
        Finding.NEXT: Remedy.TAKE_OVER,
        Finding.FOREIGN_ENTRY: Remedy.POSTPONE,
        Finding.FOREIGN_VALUE: Remedy.POSTPONE,
    },
    State.DELETING: _ALWAYS_DELETE,
}
"""What reconcile does about a secret that nobody is at work on any more, by what Vault holds of it."""

TOLD_AS: Final[Mapping[Remedy, Literal["finished", "undone", "deleted", "postponed"]]] = {
    Remedy.SETTLE: "finished",
    Remedy.TAKE_OVER: "finished",
    Remedy.GIVE_UP: "undone",
    Remedy.TAKE_BACK: "undone",
    Remedy.DROP: "undone",
    Remedy.DELETE: "deleted",
    Remedy.POSTPONE: "postponed",
}


def remedy_for(state: State, finding: Finding, *, workspace_lives: bool = True) -> Remedy:
    """Return what reconcile does.

    Args:
        workspace_lives: Whether the secret's workspace is active. The purge of one that is being deleted takes its
            secrets along, but not what may come after it: a value that is still on its way to Vault.
    """
    if not workspace_lives:
        return Remedy.TAKE_BACK if state is State.PENDING else Remedy.POSTPONE
    return REMEDIES[state][finding]


def finding_of(
    *, binding: str | None, value: bool, versions: bool, there: bool, bindings: tuple[str, str | None]
) -> Finding:
    """Return what Vault holds.

    Args:
        binding: The binding in Vault's entry.
        value: Whether the entry has a version in force.
        versions: Whether it ever had one.
        there: Whether there is an entry at all.
        bindings: The binding of the row's rules, and of the rules that it is to get, if any.
    """
    now, next_ = bindings
    if not there:
        return Finding.NOTHING
    if next_ is not None and binding == next_:
        return Finding.NEXT
    if binding == now:
        return Finding.VALUE if value else Finding.ENTRY
    return Finding.FOREIGN_VALUE if versions else Finding.FOREIGN_ENTRY
