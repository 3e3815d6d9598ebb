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


class ChangeEvent(StrEnum):
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
    ChangeEvent.CREATE,
    ChangeEvent.READ,
    ChangeEvent.USE,
    ChangeEvent.REVEAL,
    ChangeEvent.DESCRIBE,
    ChangeEvent.SET_VALUE,
    ChangeEvent.CHANGE_RULES,
    ChangeEvent.ROLL_BACK,
    ChangeEvent.REWRAP,
    ChangeEvent.DESTROY_VERSION,
    ChangeEvent.DELETE,
    ChangeEvent.RENEW,
)

NEEDS: Final[Mapping[ChangeEvent, Permission]] = {
    ChangeEvent.CREATE: Permission.SECRET_WRITE,
    ChangeEvent.READ: Permission.SECRET_READ,
    ChangeEvent.REVEAL: Permission.SECRET_REVEAL,
    ChangeEvent.DESCRIBE: Permission.SECRET_WRITE,
    ChangeEvent.SET_VALUE: Permission.SECRET_WRITE,
    ChangeEvent.CHANGE_RULES: Permission.SECRET_WRITE,
    ChangeEvent.ROLL_BACK: Permission.SECRET_WRITE,
    ChangeEvent.REWRAP: Permission.SECRET_WRITE,
    ChangeEvent.DESTROY_VERSION: Permission.SECRET_WRITE,
    ChangeEvent.DELETE: Permission.SECRET_WRITE,
    ChangeEvent.RENEW: Permission.SECRET_WRITE,
}
"""Who may act: the permission that an event asks for. A use is part of a call, which asks for its own.

The API declares these, and the services check these: there is no second place."""

OF_OWN_VALUES: Final = frozenset(
    {ChangeEvent.SET_VALUE, ChangeEvent.ROLL_BACK, ChangeEvent.REWRAP, ChangeEvent.DESTROY_VERSION}
)
"""What happens only to a value that was written here, never to one that Vault's operators manage."""

_NOT_THERE: Final[Mapping[ChangeEvent, State | Refusal]] = {
    **dict.fromkeys(ChangeEvent, Refusal.IMPOSSIBLE),
    **dict.fromkeys(ASKED_FOR, Refusal.NOT_FOUND),
    ChangeEvent.CREATE: State.PENDING,
}
_UNUSABLE: Final[Mapping[ChangeEvent, State | Refusal]] = {
    **dict.fromkeys(ChangeEvent, Refusal.IMPOSSIBLE),
    **dict.fromkeys(ASKED_FOR, Refusal.NOT_ACTIVE),
    ChangeEvent.CREATE: Refusal.NAME_TAKEN,
    # Vault deletes by name: a second deletion could reach it when the first has given the name back, and would take
    # the next secret's value; and one of a secret that isn't there yet would leave behind what its maker writes then.
    ChangeEvent.DELETE: Refusal.AT_WORK,
}

TRANSITIONS: Final[Mapping[State, Mapping[ChangeEvent, State | Refusal]]] = {
    State.ABSENT: _NOT_THERE,
    State.PENDING: {
        **_UNUSABLE,
        ChangeEvent.READ: State.PENDING,
        ChangeEvent.STORED: State.ACTIVE,
        ChangeEvent.TAKEN_BACK: State.ABSENT,
    },
    State.ACTIVE: {
        **dict.fromkeys(ChangeEvent, Refusal.IMPOSSIBLE),
        ChangeEvent.CREATE: Refusal.NAME_TAKEN,
        ChangeEvent.READ: State.ACTIVE,
        ChangeEvent.USE: State.ACTIVE,
        ChangeEvent.REVEAL: State.ACTIVE,
        ChangeEvent.DESCRIBE: State.ACTIVE,
        ChangeEvent.SET_VALUE: State.VALUE_CHANGING,
        ChangeEvent.CHANGE_RULES: State.RULES_CHANGING,
        ChangeEvent.ROLL_BACK: State.VALUE_CHANGING,
        ChangeEvent.REWRAP: State.VALUE_CHANGING,
        ChangeEvent.DESTROY_VERSION: State.ACTIVE,
        ChangeEvent.DELETE: State.DELETING,
        ChangeEvent.RENEW: State.ACTIVE,
    },
    State.VALUE_CHANGING: {
        **dict.fromkeys(ChangeEvent, Refusal.IMPOSSIBLE),
        ChangeEvent.CREATE: Refusal.NAME_TAKEN,
        ChangeEvent.READ: State.VALUE_CHANGING,
        ChangeEvent.USE: State.VALUE_CHANGING,
        ChangeEvent.REVEAL: State.VALUE_CHANGING,
        ChangeEvent.DESCRIBE: State.VALUE_CHANGING,
        ChangeEvent.SET_VALUE: State.VALUE_CHANGING,
        ChangeEvent.CHANGE_RULES: State.RULES_CHANGING,
        ChangeEvent.ROLL_BACK: State.VALUE_CHANGING,
        ChangeEvent.REWRAP: State.VALUE_CHANGING,
        ChangeEvent.DESTROY_VERSION: State.VALUE_CHANGING,
        ChangeEvent.DELETE: State.DELETING,
        ChangeEvent.RENEW: State.VALUE_CHANGING,
        ChangeEvent.STORED: State.ACTIVE,
    },
    State.RULES_CHANGING: {
        **dict.fromkeys(ChangeEvent, Refusal.IMPOSSIBLE),
        ChangeEvent.CREATE: Refusal.NAME_TAKEN,
        ChangeEvent.READ: State.RULES_CHANGING,
        ChangeEvent.USE: State.RULES_CHANGING,
        ChangeEvent.REVEAL: State.RULES_CHANGING,
        # So that no value slips in between such a change's new value and its new rules.
        ChangeEvent.DESCRIBE: Refusal.UNDER_WAY,
        ChangeEvent.SET_VALUE: Refusal.UNDER_WAY,
        ChangeEvent.CHANGE_RULES: Refusal.UNDER_WAY,
        ChangeEvent.ROLL_BACK: Refusal.UNDER_WAY,
        ChangeEvent.REWRAP: State.RULES_CHANGING,
        ChangeEvent.DESTROY_VERSION: State.RULES_CHANGING,
        ChangeEvent.DELETE: State.DELETING,
        ChangeEvent.RENEW: State.RULES_CHANGING,
        ChangeEvent.STORED: State.ACTIVE,
        # The new rules are given up; what became of the value, reconcile finds out.
        ChangeEvent.TAKEN_BACK: State.VALUE_CHANGING,
    },
    State.DELETING: {**_UNUSABLE, ChangeEvent.READ: State.DELETING, ChangeEvent.GONE: State.ABSENT},
}


def decide(state: State, event: ChangeEvent, *, silent: bool = False) -> State | Refusal:
    """Return the state that an event leads to, or why it can't happen.

    Args:
        silent: Nobody has touched the row for ``SURELY_OVER_AFTER``: whoever was at work on it is surely dead.
    """
    cell = TRANSITIONS[state][event]
    if cell is Refusal.AT_WORK and silent:
        return State.DELETING
    return cell


def advance(state: State, event: ChangeEvent, *, name: str, silent: bool = False) -> State:
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
        f"{name} is being {under_way} at this moment; if that was interrupted, it is repaired within three minutes.",
        retry_after=5,
    )


def require_own_value(event: ChangeEvent, *, name: str, managed: bool) -> None:
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


class VaultState(StrEnum):
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


_ALWAYS_DELETE: Final = dict.fromkeys(VaultState, Remedy.DELETE)

REMEDIES: Final[Mapping[State, Mapping[VaultState, Remedy]]] = {
    State.PENDING: {
        VaultState.NOTHING: Remedy.DROP,
        VaultState.ENTRY: Remedy.TAKE_BACK,
        VaultState.VALUE: Remedy.SETTLE,
        VaultState.NEXT: Remedy.DROP,  # a row that is pending has no next rules
        VaultState.FOREIGN_ENTRY: Remedy.TAKE_BACK,
        VaultState.FOREIGN_VALUE: Remedy.DROP,
    },
    State.VALUE_CHANGING: {
        VaultState.NOTHING: Remedy.POSTPONE,
        # What Vault holds is believed, never the row. A row whose rules Vault was never told of is unusable all the
        # same, and stays so: the binding is told nothing here.
        VaultState.ENTRY: Remedy.SETTLE,
        VaultState.VALUE: Remedy.SETTLE,
        VaultState.NEXT: Remedy.SETTLE,
        VaultState.FOREIGN_ENTRY: Remedy.SETTLE,
        VaultState.FOREIGN_VALUE: Remedy.SETTLE,
    },
    State.RULES_CHANGING: {
        VaultState.NOTHING: Remedy.POSTPONE,
        # A binding is the last thing that a change of rules writes, after the new value and the older ones' end.
        VaultState.ENTRY: Remedy.GIVE_UP,
        VaultState.VALUE: Remedy.GIVE_UP,
        VaultState.NEXT: Remedy.TAKE_OVER,
        VaultState.FOREIGN_ENTRY: Remedy.POSTPONE,
        VaultState.FOREIGN_VALUE: Remedy.POSTPONE,
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


def remedy_for(state: State, finding: VaultState, *, workspace_lives: bool = True) -> Remedy:
    """Return what reconcile does.

    Args:
        workspace_lives: Whether the secret's workspace is active. The purge of one that is being deleted takes its
            secrets along, but not what may come after it: a value that is still on its way to Vault.
    """
    if not workspace_lives:
        return Remedy.TAKE_BACK if state is State.PENDING else Remedy.POSTPONE
    return REMEDIES[state][finding]


def vault_state_of(
    *, binding: str | None, value: bool, versions: bool, there: bool, bindings: tuple[str, str | None]
) -> VaultState:
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
        return VaultState.NOTHING
    if next_ is not None and binding == next_:
        return VaultState.NEXT
    if binding == now:
        return VaultState.VALUE if value else VaultState.ENTRY
    return VaultState.FOREIGN_VALUE if versions else VaultState.FOREIGN_ENTRY
