"""Every cell of the three tables: what may follow what, who may act, what reconcile does."""

from __future__ import annotations

from typing import Final

import pytest

from app.access import GRANTS, Role
from app.kernel.errors import Conflict, NameTaken, NotForThisType, NotFound, StrongroomError, in_body
from app.variables.secrets.changes import (
    ASKED_FOR,
    NEEDS,
    OF_OWN_VALUES,
    REMEDIES,
    TOLD_AS,
    TRANSITIONS,
    ChangeEvent,
    Refusal,
    Remedy,
    State,
    VaultState,
    advance,
    decide,
    remedy_for,
    require_own_value,
    vault_state_of,
)

# A row for each event, a column for each state: the state that follows; - for what can't be, an error's code else.
COLUMNS: Final = (
    State.ABSENT, State.PENDING, State.ACTIVE, State.VALUE_CHANGING, State.RULES_CHANGING, State.DELETING,
)  # fmt: skip
TABLE: Final = """
create           pending    name_taken  name_taken      name_taken      name_taken      name_taken
read             not_found  pending     active          value_changing  rules_changing  deleting
use              not_found  conflict    active          value_changing  rules_changing  conflict
reveal           not_found  conflict    active          value_changing  rules_changing  conflict
describe         not_found  conflict    active          value_changing  conflict        conflict
set_value        not_found  conflict    value_changing  value_changing  conflict        conflict
change_rules     not_found  conflict    rules_changing  rules_changing  conflict        conflict
roll_back        not_found  conflict    value_changing  value_changing  conflict        conflict
rewrap           not_found  conflict    value_changing  value_changing  rules_changing  conflict
destroy_version  not_found  conflict    active          value_changing  rules_changing  conflict
delete           not_found  conflict    deleting        deleting        deleting        conflict
renew            not_found  conflict    active          value_changing  rules_changing  conflict
stored           -          active      -               active          active          -
taken_back       -          absent      -               -               value_changing  -
gone             -          -           -               -               -               absent
"""
CELLS: Final = [
    (ChangeEvent(name), state, wanted)
    for name, *row in (line.split() for line in TABLE.split("\n") if line)
    for state, wanted in zip(COLUMNS, row, strict=True)
]
ERRORS: Final[dict[type[StrongroomError], str]] = {
    NotFound: "not_found", NameTaken: "name_taken", Conflict: "conflict",
}  # fmt: skip


def test_the_table_has_every_cell() -> None:
    assert {(event, state) for event, state, _ in CELLS} == {(event, state) for event in ChangeEvent for state in State}
    assert all(set(TRANSITIONS[state]) == set(ChangeEvent) for state in State)


@pytest.mark.parametrize(("event", "state", "wanted"), CELLS, ids=[f"{event}, {state}" for event, state, _ in CELLS])
def test_what_follows(event: ChangeEvent, state: State, wanted: str) -> None:
    if wanted == "-":
        assert decide(state, event) is Refusal.IMPOSSIBLE
    elif wanted in ERRORS.values():
        with pytest.raises(tuple(ERRORS)) as refused:
            advance(state, event, name="TOKEN")
        assert ERRORS[type(refused.value)] == wanted
        assert "TOKEN" in refused.value.detail
    else:
        assert advance(state, event, name="TOKEN") == wanted


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", ChangeEvent)
def test_silence_lets_a_deletion_be_taken_over_and_changes_nothing_else(state: State, event: ChangeEvent) -> None:
    taken_over = event is ChangeEvent.DELETE and state in (State.PENDING, State.DELETING)
    assert decide(state, event, silent=True) == (State.DELETING if taken_over else decide(state, event))


# The letters are those of owner, admin, editor, runtime.
MAY: Final = {
    ChangeEvent.CREATE: "oa",
    ChangeEvent.READ: "oae",
    ChangeEvent.REVEAL: "oae",
    ChangeEvent.DESCRIBE: "oa",
    ChangeEvent.SET_VALUE: "oa",
    ChangeEvent.CHANGE_RULES: "oa",
    ChangeEvent.ROLL_BACK: "oa",
    ChangeEvent.REWRAP: "oa",
    ChangeEvent.DESTROY_VERSION: "oa",
    ChangeEvent.DELETE: "oa",
    ChangeEvent.RENEW: "oa",
}


@pytest.mark.parametrize("event", ASKED_FOR)
def test_who_may_act(event: ChangeEvent) -> None:
    if event is ChangeEvent.USE:  # part of a call, which asks for a right of its own
        assert event not in NEEDS
        return
    roles = (Role.OWNER, Role.ADMIN, Role.EDITOR, Role.RUNTIME)
    assert "".join(role.value[0] for role in roles if NEEDS[event] in GRANTS[role]) == MAY[event]


REMEDY_TABLE: Final = """
pending         drop      take_back  settle   drop       take_back  drop
value_changing  postpone  settle     settle   settle     settle     settle
rules_changing  postpone  give_up    give_up  take_over  postpone   postpone
deleting        delete    delete     delete   delete     delete     delete
"""


def test_what_reconcile_does() -> None:
    table = {
        State(name): dict(zip(VaultState, map(Remedy, row), strict=True))
        for name, *row in (line.split() for line in REMEDY_TABLE.split("\n") if line)
    }
    assert table == REMEDIES
    assert set(TOLD_AS) == set(Remedy)


@pytest.mark.parametrize("finding", VaultState)
@pytest.mark.parametrize("state", list(REMEDIES))
def test_in_a_workspace_that_is_being_deleted_only_what_may_come_late_is_taken_back(
    state: State, finding: VaultState
) -> None:
    remedy = Remedy.TAKE_BACK if state is State.PENDING else Remedy.POSTPONE
    assert remedy_for(state, finding, workspace_lives=False) is remedy
    assert remedy_for(state, finding) is REMEDIES[state][finding]


@pytest.mark.parametrize(
    ("there", "binding", "value", "versions", "next_", "found"),
    [
        (False, None, False, False, None, VaultState.NOTHING),
        (True, "ours", False, False, None, VaultState.ENTRY),
        (True, "ours", True, True, None, VaultState.VALUE),
        (True, "ours", True, True, "next", VaultState.VALUE),
        (True, "next", True, True, "next", VaultState.NEXT),
        (True, "next", True, True, None, VaultState.FOREIGN_VALUE),
        (True, None, False, False, None, VaultState.FOREIGN_ENTRY),
        (True, "theirs", False, False, "next", VaultState.FOREIGN_ENTRY),
        (True, "theirs", False, True, None, VaultState.FOREIGN_VALUE),
    ],
)
def test_what_vault_holds(
    there: bool, binding: str | None, value: bool, versions: bool, next_: str | None, found: VaultState
) -> None:
    told = vault_state_of(there=there, binding=binding, value=value, versions=versions, bindings=("ours", next_))
    assert told is found


@pytest.mark.parametrize(
    ("event", "state", "sentence", "retry_after"),
    [
        (ChangeEvent.READ, State.ABSENT, "There is no secret TOKEN.", None),
        (ChangeEvent.USE, State.PENDING, "TOKEN is {state}; it can't be used or changed until that is finished.", 60),
        (ChangeEvent.DESCRIBE, State.RULES_CHANGING, "Another change of TOKEN is under way.", 60),
    ],
)
def test_a_refusal_says_what_is_the_matter_and_when_to_come_again(
    event: ChangeEvent, state: State, sentence: str, retry_after: int | None
) -> None:
    with pytest.raises(StrongroomError) as refused:
        advance(state, event, name="TOKEN")
    assert refused.value.detail in {
        sentence.format(state=state),
        "TOKEN is being created at this moment; if that was interrupted, it is repaired within three minutes.",
    }
    if retry_after is not None:
        assert refused.value.retry_after in {retry_after, 5}


def test_a_name_of_any_length_is_quoted_in_part() -> None:
    with pytest.raises(NotFound) as refused:
        advance(State.ABSENT, ChangeEvent.READ, name="A" * 100)
    assert refused.value.detail == f"There is no secret {'A' * 64}."


def test_a_taken_name_is_told_at_its_field() -> None:
    with pytest.raises(NameTaken) as refused:
        advance(State.ACTIVE, ChangeEvent.CREATE, name="TOKEN")
    assert refused.value.detail == (
        "The name TOKEN is taken, by a variable or secret (upper and lower case count as one)."
    )
    assert refused.value.errors == {in_body("name"): ["Is taken."]}


def test_a_value_that_operators_manage_is_changed_where_it_lies() -> None:
    for event in ChangeEvent:
        require_own_value(event, name="TOKEN", managed=False)
        if event not in OF_OWN_VALUES:
            require_own_value(event, name="TOKEN", managed=True)
            continue
        with pytest.raises(NotForThisType) as refused:
            require_own_value(event, name="TOKEN", managed=True)
        assert refused.value.detail == ("The value of TOKEN is managed in Vault by its operators: it is changed there.")
    assert OF_OWN_VALUES


@pytest.mark.parametrize("state", [State.PENDING, State.DELETING])
def test_who_wants_to_delete_what_somebody_is_at_comes_again_in_five_seconds(state: State) -> None:
    with pytest.raises(Conflict) as refused:
        advance(state, ChangeEvent.DELETE, name="TOKEN")
    assert refused.value.retry_after == 5
