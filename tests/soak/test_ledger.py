"""The books of the soak: they notice a lost write and a wrong answer, and excuse what a fault explains."""

from __future__ import annotations

import base64

import pytest

from soak.client import CANARY, Answer, code_of, new_value, shows_value
from soak.journal import Happened, Outcome, Pace, recovery, unexcused
from soak.ledger import Ledger, Register, Told, complaints, digest
from soak.memory import Life, Memory
from soak.report import Fell, Report
from soak.revoke import Ended
from soak.things import kept
from tests.support.topology import COPIES

OLD, NEW = new_value(), new_value()


def holding(value: str | None) -> Register:
    register = Register("S")
    register.acknowledge(value)
    return register


def said(register: Register, moment: int, told: Told | str) -> list[str]:
    alike = frozenset({"x"})
    return list(complaints(told, {"secret": register.since(moment), "plain": alike, "mark": alike}))


def test_an_acknowledged_value_is_the_only_right_one() -> None:
    register = holding(OLD)
    register.begin(NEW)
    register.acknowledge(NEW)
    now = register.moment()
    assert said(register, now, Told(digest(NEW), "x", "x")) == []
    assert said(register, now, Told(digest(OLD), "x", "x")) == ["wrong secret"]
    assert said(register, now, "unknown_secret") == ["lost: unknown_secret, though the secret was acknowledged"]


def test_a_call_that_began_before_a_write_may_see_what_was_there_before() -> None:
    register = holding(OLD)
    began = register.moment()
    register.begin(NEW)
    register.acknowledge(NEW)
    assert said(register, began, Told(digest(OLD), "x", "x")) == []
    assert said(register, began, Told(digest(new_value()), "x", "x")) == ["wrong secret"]


def test_a_write_without_an_answer_may_hold_or_not_until_the_next_acknowledged_one() -> None:
    register = holding(OLD)
    register.begin(NEW)
    for value in (OLD, NEW):
        assert said(register, register.moment(), Told(digest(value), "x", "x")) == []
    third = new_value()
    register.begin(third)
    register.acknowledge(third)
    assert said(register, register.moment(), Told(digest(NEW), "x", "x")) == ["wrong secret"]


def unanswered(register: Register, wanted: str | None, status: int, code: str) -> None:
    """A write begins, and its answer says nothing, or no more than what went wrong; it ends at the second 100."""
    before = register.possible
    register.begin(wanted)
    assert not kept(register, wanted, Answer(status, code, None, {}, 40.0, 100.0), Ledger(), before)


@pytest.mark.parametrize(("status", "code"), [(0, "dropped"), (504, "proxy_504")])
def test_a_deletion_without_an_answer_may_come_after_it_was_looked_for_and_is_settled_by_a_later_look(
    status: int, code: str
) -> None:
    register = holding(OLD)
    unanswered(register, None, status, code)
    register.settle(101.0)
    register.is_there()  # it wasn't carried out yet
    for told in (Told(digest(OLD), "x", "x"), "unknown_secret"):
        assert said(register, register.moment(), told) == []
    register.begin(NEW)
    register.acknowledge(NEW)
    assert said(register, register.moment(), "unknown_secret") == []
    assert said(register, register.moment(), Told(digest(OLD), "x", "x")) == ["wrong secret"]
    register.settle(1000.0)
    assert not register.known  # until it is looked at
    register.is_there()
    assert said(register, register.moment(), "unknown_secret") != []


def test_a_creation_without_an_answer_may_come_after_nothing_was_found() -> None:
    register = holding(None)
    unanswered(register, NEW, 0, "dropped")
    register.acknowledge(None)
    assert register.possible == {None, NEW}
    register.settle(1000.0)
    register.acknowledge(None)
    assert register.possible == {None}


def test_a_refusal_that_was_answered_comes_about_no_later_than_it_is_looked_for() -> None:
    register = holding(OLD)
    unanswered(register, None, 503, "vault_unavailable")
    register.is_there()
    assert register.possible == {OLD}
    assert said(register, register.moment(), "unknown_secret") != []


def test_what_was_deleted_may_not_be_used_and_what_is_there_may_not_be_missed() -> None:
    register = holding(OLD)
    register.begin(None)
    register.acknowledge(None)
    assert said(register, register.moment(), "unknown_secret") == []
    assert said(register, register.moment(), Told(digest(OLD), "x", "x")) == ["wrong secret"]


def test_a_refusal_is_excused_by_a_fault_of_its_kind_and_time_alone() -> None:
    fault = Happened("Vault killed", frozenset({"vault_unavailable"}), 100, 104, 105)
    outcomes = [
        Outcome("call", 101, 102, "vault_unavailable"),
        Outcome("call", 101, 102, "internal_error"),
        Outcome("call", 90, 91, "vault_unavailable"),
        Outcome("call", 116, 117, "vault_unavailable"),
        Outcome("call", 101, 102),
    ]
    assert unexcused(outcomes, [fault]) == {"call: internal_error": 1, "call: vault_unavailable": 2}


def test_normal_is_a_second_in_which_every_kind_succeeds() -> None:
    steady = [Outcome(kind, at / 10, at / 10) for at in range(100) for kind in ("call", "page")]
    assert recovery(steady, 2.0, 9.0) == 0
    assert recovery([*steady, Outcome("page", 1.0, 4.0, "page_503")], 2.0, 9.0) == pytest.approx(2.0)
    without_pages = [each for each in steady if each.kind == "call" or each.ended < 2 or each.ended > 5]
    assert recovery(without_pages, 2.0, 9.0) == pytest.approx(2.1, abs=0.1)
    assert recovery([each for each in steady if each.kind == "call" or each.ended < 2], 2.0, 9.0) is None


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_a_value_is_found_plain_and_encoded(before: str) -> None:
    value = f"{before}{CANARY}0123456789abcdef"
    assert shows_value(value.encode())
    assert shows_value(base64.b64encode(value.encode()))
    assert shows_value(value.encode().hex().encode())
    assert not shows_value(b"canary of another kind")


def test_memory_is_compared_from_the_warm_up_on_for_each_life() -> None:
    memory = Memory()
    memory.samples[(COPIES[0], 1)] = [(at, 100 + min(at, 30)) for at in range(100)]
    memory.samples[(COPIES[1], 2)] = [(at, 100) for at in range(20)]
    assert [(life.copy, life.growth) for life in memory.lives(warm_up=30, shortest=30)] == [(COPIES[0], 1.0)]


def test_everything_that_does_not_hold_is_named_in_the_report() -> None:
    fault = Happened("Vault killed", frozenset(), 0, 1, 1)
    report = Report(
        fallen=[Fell(fault, 3, None), Fell(fault, 3, 10.5), Fell(fault, 3, 9.5)],
        ended=[Ended("token revoked", 1, 5, 7, 2, 0.1), Ended("secret deleted", 1, 5, 7)],
        lives=[Life(COPIES[0], 60, 100, 111), Life(COPIES[1], 60, 100, 109)],
        growth_allowed=1.1,
        counts={"wrong answers": 0},
    )
    assert len(report.misses) == 4
    assert all(f"MISSED  {miss}" in report.text() for miss in report.misses)
    assert "Everything held." not in report.text()


def test_what_is_judged_by_time_is_judged_by_the_run_s_own_quiet_phase() -> None:
    quick = [Outcome(kind, number / 10, number / 10 + 0.01) for number in range(50) for kind in ("call", "page")]
    assert (Pace.of(quick).straight, Pace.of(quick).back_within) == (1.0, 10.0)
    slow = [*quick, Outcome("write", 1.0, 1.5), Outcome("write", 1.5, 4.5), Outcome("write", 4.5, 9.0, "dropped")]
    assert (Pace.of(slow).straight, Pace.of(slow).back_within) == (6.0, 60.0)
    written = [*quick, *(Outcome("write", number * 3.0, number * 3.0 + 3.0) for number in range(3))]
    assert recovery(written, 0.0, 9.0) == pytest.approx(2.0, abs=0.1)
    assert recovery(written, 0.0, 9.0, straight=4.0) == 0


def test_a_refusal_s_code_tells_who_refused() -> None:
    assert code_of(200, b"{}") == ""
    assert code_of(503, b'{"code": "vault_unavailable"}') == "vault_unavailable"
    assert code_of(502, b"<hr><center>nginx</center>") == "proxy_502"
    assert code_of(503, b"<title>Vault is away</title>") == "page_503"
