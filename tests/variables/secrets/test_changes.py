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
    Event,
    Finding,
    Refusal,
    Remedy,
    State,
    advance,
    decide,
    finding_of,
    remedy_for,
    require_own_value,
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
    (Event(name), state, wanted)
    for name, *row in (line.split() for line in TABLE.split("\n") if line)
    for state, wanted in zip(COLUMNS, row, strict=True)
]
ERRORS: Final[dict[type[StrongroomError], str]] = {
    NotFound: "not_found", NameTaken: "name_taken", Conflict: "conflict",
}  # fmt: skip


def test_the_table_has_every_cell() -> None:
    assert {(event, state) for event, state, _ in CELLS} == {(event, state) for event in Event for state in State}
    assert all(set(TRANSITIONS[state]) == set(Event) for state in State)


@pytest.mark.parametrize(("event", "state", "wanted"), CELLS, ids=[f"{event}, {state}" for event, state, _ in CELLS])
def test_what_follows(event: Event, state: State, wanted: str) -> None:
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
@pytest.mark.parametrize("event", Event)
def test_silence_lets_a_deletion_be_taken_over_and_changes_nothing_else(state: State, event: Event) -> None:
    taken_over = event is Event.DELETE and state in (State.PENDING, State.DELETING)
    assert decide(state, event, silent=True) == (State.DELETING if taken_over else decide(state, event))


# The letters are those of owner, admin, editor, runtime.
MAY: Final = {
    Event.CREATE: "oa", Event.READ: "oae", Event.REVEAL: "oae", Event.DESCRIBE: "oa", Event.SET_VALUE: "oa",
    Event.CHANGE_RULES: "oa", Event.ROLL_BACK: "oa", Event.REWRAP: "oa", Event.DESTROY_VERSION: "oa",
    Event.DELETE: "oa", Event.RENEW: "oa",
}  # fmt: skip


@pytest.mark.parametrize("event", ASKED_FOR)
def test_who_may_act(event: Event) -> None:
    if event is Event.USE:  # part of a call, which asks for a right of its own
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
        State(name): dict(zip(Finding, map(Remedy, row), strict=True))
        for name, *row in (line.split() for line in REMEDY_TABLE.split("\n") if line)
    }
    assert table == REMEDIES
    assert set(TOLD_AS) == set(Remedy)


@pytest.mark.parametrize("finding", Finding)
@pytest.mark.parametrize("state", list(REMEDIES))
def test_in_a_workspace_that_is_being_deleted_only_what_may_come_late_is_taken_back(
    state: State, finding: Finding
) -> None:
    remedy = Remedy.TAKE_BACK if state is State.PENDING else Remedy.POSTPONE
    assert remedy_for(state, finding, workspace_lives=False) is remedy
    assert remedy_for(state, finding) is REMEDIES[state][finding]


@pytest.mark.parametrize(
    ("there", "binding", "value", "versions", "next_", "found"),
    [
        (False, None, False, False, None, Finding.NOTHING),
        (True, "ours", False, False, None, Finding.ENTRY),
        (True, "ours", True, True, None, Finding.VALUE),
        (True, "ours", True, True, "next", Finding.VALUE),
        (True, "next", True, True, "next", Finding.NEXT),
        (True, "next", True, True, None, Finding.FOREIGN_VALUE),
        (True, None, False, False, None, Finding.FOREIGN_ENTRY),
        (True, "theirs", False, False, "next", Finding.FOREIGN_ENTRY),
        (True, "theirs", False, True, None, Finding.FOREIGN_VALUE),
    ],
)
def test_what_vault_holds(
    there: bool, binding: str | None, value: bool, versions: bool, next_: str | None, found: Finding
) -> None:
    told = finding_of(there=there, binding=binding, value=value, versions=versions, bindings=("ours", next_))
    assert told is found


@pytest.mark.parametrize(
    ("event", "state", "sentence", "retry_after"),
    [
        (Event.READ, State.ABSENT, "There is no secret TOKEN.", None),
        (Event.USE, State.PENDING, "TOKEN is {state}; it can't be used or changed until that is finished.", 60),
        (Event.DESCRIBE, State.RULES_CHANGING, "Another change of TOKEN is under way.", 60),
    ],
)
def test_a_refusal_says_what_is_the_matter_and_when_to_come_again(
    event: Event, state: State, sentence: str, retry_after: int | None
) -> None:
    with pytest.raises(StrongroomError) as refused:
        advance(state, event, name="TOKEN")
    assert refused.value.detail in {
        sentence.format(state=state),
        "TOKEN is being created at this moment; what was cut off is mended within three minutes.",
    }
    if retry_after is not None:
        assert refused.value.retry_after in {retry_after, 5}


def test_a_name_of_any_length_is_quoted_in_part() -> None:
    with pytest.raises(NotFound) as refused:
        advance(State.ABSENT, Event.READ, name="A" * 100)
    assert refused.value.detail == f"There is no secret {'A' * 64}."


def test_a_taken_name_is_told_at_its_field() -> None:
    with pytest.raises(NameTaken) as refused:
        advance(State.ACTIVE, Event.CREATE, name="TOKEN")
    assert refused.value.detail == (
        "The name TOKEN is taken, by a variable or secret (upper and lower case count as one)."
    )
    assert refused.value.errors == {in_body("name"): ["Is taken."]}


def test_a_value_that_operators_manage_is_changed_where_it_lies() -> None:
    for event in Event:
        require_own_value(event, name="TOKEN", managed=False)
        if event not in OF_OWN_VALUES:
            require_own_value(event, name="TOKEN", managed=True)
            continue
        with pytest.raises(NotForThisType) as refused:
            require_own_value(event, name="TOKEN", managed=True)
        assert refused.value.detail == ("The value of TOKEN is managed in Vault by its operators: it is changed there.")
    assert OF_OWN_VALUES
