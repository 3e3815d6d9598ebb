"""The hash chain and its checkpoints: every tampering is found and named, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audit import chain
from app.audit.chain import (
    GENESIS,
    STORED,
    Checkpoint,
    Event,
    Link,
    StoredEvent,
    Verdict,
    as_written,
    facts_of,
    link,
    place,
    secrets_of,
    statement,
    verify,
)
from app.audit.checkpoints import genuine_by
from tests.support.drafts import draft_of, stored_detail

KEY = Ed25519PrivateKey.generate()
GENUINE = genuine_by({1: base64.b64encode(KEY.public_key().public_bytes_raw()).decode()})
Record = tuple[list[Event], list[Checkpoint]]
unhurried = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
details = st.dictionaries(
    st.sampled_from(["host", "status", "elapsed_ms", "secrets", "code"]),
    st.one_of(st.text("aü\u2028𝄞\"\\", max_size=8), st.integers(), st.floats(allow_nan=False), st.lists(st.text("ab"))),
    max_size=3,
)  # fmt: skip


def event(seq: int, detail: dict[str, Any]) -> Event:
    return Event(
        id=f"{seq:032x}", chain="acme", seq=seq, deed_id=f"{seq // 2:032x}", at=BEGAN + timedelta(seconds=seq),
        workspace="acme", actor_type="user", actor_id="ada", acting_for=None, action="call.run", target_type="call",
        target_id=None, target_name=f"GET host{seq}", outcome="done", detail=detail, request_id=None, hash="",
    )  # fmt: skip


def hashed(events: Sequence[Event]) -> list[Event]:
    """Compute every hash anew, as whoever can write to the database can."""
    before, chained = GENESIS, []
    for seq, each in enumerate(events, 1):
        placed = replace(each, seq=seq)
        before = link(before, facts_of(placed))
        chained.append(replace(placed, hash=before))
    return chained


def sign(each: Event) -> Checkpoint:
    at = each.at + timedelta(minutes=1)
    signature = base64.b64encode(KEY.sign(statement(each.chain, each.seq, each.hash, at))).decode()
    return Checkpoint(each.chain, each.seq, each.hash, at, f"vault:v1:{signature}")


@st.composite
def records(draw: st.DrawFn, least: int = 0) -> Record:
    many = draw(st.lists(details, min_size=least, max_size=12))
    events = hashed([event(seq, detail) for seq, detail in enumerate(many, 1)])
    signed = draw(st.sets(st.sampled_from(range(len(events))))) if events else set()
    return events, [sign(events[index]) for index in sorted(signed)]


def judged(
    events: Sequence[Event | StoredEvent], checkpoints: Sequence[Checkpoint], head: Link | None = None
) -> Verdict:
    return verify("acme", events, checkpoints, genuine=GENUINE, head=head)


@unhurried
@given(records())
def test_an_untouched_chain_is_never_accused(record: Record) -> None:
    events, checkpoints = record
    end = Link(events[-1].seq, events[-1].hash) if events else Link(0, GENESIS)
    verdict = judged(events, checkpoints, end)
    assert (verdict.fault, verdict.end) == (None, end)
    assert verdict.unsigned == len(events) - (checkpoints[-1].seq if checkpoints else 0)


@unhurried
@given(records(least=1), st.data())
def test_a_changed_event_is_found_and_named(record: Record, data: st.DataObject) -> None:
    events, checkpoints = record
    index = data.draw(st.integers(0, len(events) - 1))
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"actor_id": "eve"}, {"acting_for": "eve"}, {"actor_type": "token"}, {"at": BEGAN - timedelta(days=1)},
                {"action": "secret.reveal"}, {"target_name": "x"}, {"outcome": "refused"}, {"detail": {"forged": 1}},
                {"request_id": "r"}, {"deed_id": "0"}, {"id": "0"}, {"workspace": "other"}, {"hash": "f" * 64},
                {"target_type": "secret"}, {"target_id": "t"},
            ]
        )
    )  # fmt: skip
    events[index] = replace(events[index], **change)
    fault = judged(events, checkpoints).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == ("changed", index + 1)


@unhurried
@given(records(least=2), st.data())
def test_a_removed_event_is_found_and_named(record: Record, data: st.DataObject) -> None:
    events, checkpoints = record
    index = data.draw(st.integers(0, len(events) - 2))
    del events[index]
    fault = judged(events, checkpoints).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == ("removed", index + 1)


@unhurried
@given(records(least=1), st.data())
def test_an_inserted_event_is_found_and_named(record: Record, data: st.DataObject) -> None:
    events, checkpoints = record
    index = data.draw(st.integers(0, len(events) - 1))
    how = data.draw(st.sampled_from(["again", "renumbered"]))
    if how == "again":
        events.insert(index + 1, events[index])
        wanted = index + 1
    else:
        forged = replace(event(index + 1, {"forged": 1}), hash="0" * 64)
        later = [replace(each, seq=each.seq + 1) for each in events[index:]]
        events[index:] = [forged, *later]
        wanted = index + 1
    fault = judged(events, checkpoints).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == ("inserted", wanted)


@unhurried
@given(records(least=2), st.data())
def test_reordered_events_are_found_and_named(record: Record, data: st.DataObject) -> None:
    events, checkpoints = record
    first, second = sorted(data.draw(st.sets(st.integers(0, len(events) - 1), min_size=2, max_size=2)))
    renumbered = data.draw(st.booleans())
    one, two = events[first], events[second]
    events[first] = replace(two, seq=one.seq) if renumbered else two
    events[second] = replace(one, seq=two.seq) if renumbered else one
    fault = judged(events, checkpoints).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == ("reordered", first + 1)


@unhurried
@given(records(least=1), st.data())
def test_a_cut_off_end_is_found_up_to_the_last_checkpoint(record: Record, data: st.DataObject) -> None:
    events, checkpoints = record
    kept = data.draw(st.integers(0, len(events) - 1))
    end = Link(events[-1].seq, events[-1].hash)
    found = judged(events[:kept], checkpoints, end).fault
    assert found is not None
    assert (found.kind, found.seq) == ("end_missing", kept + 1)
    # Where the head was set back too, the last checkpoint still tells.
    before = Link(events[kept - 1].seq, events[kept - 1].hash) if kept else Link(0, GENESIS)
    fault = judged(events[:kept], checkpoints, before).fault
    assert (fault is not None) == any(each.seq > kept for each in checkpoints)


@unhurried
@given(records(least=1), st.data())
def test_whoever_computes_every_hash_anew_is_caught_by_the_checkpoints(record: Record, data: st.DataObject) -> None:
    events, checkpoints = record
    last = checkpoints[-1].seq if checkpoints else 0
    index = data.draw(st.integers(0, len(events) - 1))
    how = data.draw(st.sampled_from(["change", "remove", "insert", "resign"]))
    forged = list(events)
    if how == "remove":
        del forged[index]
    elif how == "insert":
        forged.insert(index, event(0, {"forged": 1}))
    else:
        forged[index] = replace(forged[index], actor_id="eve")
    forged = hashed(forged)
    if how == "resign":  # checkpoints that say what the forged chain says, with signatures that Vault never made
        made = base64.b64encode(Ed25519PrivateKey.generate().sign(b"")).decode()
        checkpoints = [
            replace(each, hash=forged[each.seq - 1].hash, signature=f"vault:v1:{made}") if each.seq > index else each
            for each in checkpoints
        ]
    end = Link(len(forged), forged[-1].hash if forged else GENESIS)
    fault = judged(forged, checkpoints, end).fault
    assert (fault is not None) == (index < last)
    if fault is not None:
        assert fault.kind in ("rewritten", "end_missing") if how != "resign" else fault.kind == "forged"
        assert fault.seq <= next(each.seq for each in checkpoints if each.seq > index)


@pytest.mark.parametrize(
    "signature", ["", "vault:v1:", "vault:v2:AAAA", "vault:v1:é", "vault:vx:AAAA", "other:v1:AAAA", "a:b:c:d"]
)
def test_what_is_no_signature_of_vaults_is_not_genuine(signature: str) -> None:
    (only,) = hashed([event(1, {})])
    assert GENUINE(sign(only))
    assert not GENUINE(replace(sign(only), signature=signature))
    assert not GENUINE(replace(sign(only), chain="other"))
    assert not GENUINE(replace(sign(only), at=BEGAN))


@given(details)
def test_an_event_is_put_next_and_its_detail_is_written_as_it_is_hashed(detail: dict[str, Any]) -> None:
    before = Link(4, "a" * 64)
    written = draft_of(replace(event(5, detail), seq=99))
    facts = facts_of(event(5, detail))
    assert place(before, written) == Link(5, link(before.hash, facts))
    assert json.loads(stored_detail(written)) == json.loads(json.dumps(facts["detail"]))


def test_a_detail_that_orjson_does_not_write_as_json_does_is_written_by_json() -> None:
    detail = {"b": 2**70, "a": "\ud800"}
    written = draft_of(event(1, detail))
    assert place(Link(0, GENESIS), written) == Link(1, link(GENESIS, facts_of(event(1, detail))))
    assert json.loads(stored_detail(written)) == detail


@pytest.mark.parametrize(
    "detail", [{}, {"t": "ü\u2028𝄞", "n": 2**53 + 1, "secrets": ["A", "B"], "in": {"b": None}}, {"x": 1e-7, "y": 1e16}]
)
def test_an_event_that_is_stored_as_it_was_written_is_followed_by_that(detail: dict[str, Any]) -> None:
    (only,) = hashed([event(1, detail)])
    row = draft_of(only).row
    stored = as_written(1, only.hash, only.at, row)
    assert stored is not None
    assert stored.follows(GENESIS, 1)
    assert not stored.follows(GENESIS, 2)
    assert not stored.follows("1" * 64, 1)
    assert judged([stored], []).fault is None
    for column, value in enumerate(row):
        changed = as_written(1, only.hash, only.at, (*row[:column], f"{value}x", *row[column + 1 :]))
        assert changed is None or not changed.follows(GENESIS, 1)
    moved = as_written(1, only.hash, only.at + timedelta(microseconds=1), row)
    assert moved is not None
    assert not moved.follows(GENESIS, 1)


@pytest.mark.parametrize(
    "detail",
    ['{"a": 1}', '{"b":1,"a":2}', '{"a":1,"a":2}', '{"n":1180591620717411303424}', '{"n":1e16}', '{"t":"\\ud800"}',
     "[]", "1", "null", "{", "", None, '{"n":1.0e1}'],
)  # fmt: skip
def test_an_event_that_is_stored_in_another_way_is_not_taken_as_written(detail: str | None) -> None:
    row = draft_of(event(1, {})).row
    column = STORED.index("detail")
    assert as_written(1, "", BEGAN, row) is not None
    assert as_written(1, "", BEGAN, (*row[:column], detail, *row[column + 1 :])) is None


@pytest.mark.parametrize(
    ("target", "name", "detail", "found"),
    [
        ("secret", "TOKEN", {}, ",TOKEN,"),
        ("secret", "TOKEN", {"secrets": ["A"]}, ",TOKEN,"),
        ("call", None, {"secrets": ["A", "B"]}, ",A,B,"),
        ("call", None, {"secrets": []}, ""),
        ("call", None, {}, ""),
        ("call", "x", {"secrets": "A"}, ""),
        ("call", "x", {"secrets": 3}, ""),
        ("workspace", "acme", {}, ""),
    ],
)
def test_the_secrets_of_an_event_are_found_by_their_names(
    target: str, name: str | None, detail: dict[str, Any], found: str
) -> None:
    assert secrets_of(replace(event(1, detail), target_type=target, target_name=name)) == found


def test_a_hash_is_taken_over_the_one_before_a_line_s_end_and_the_facts() -> None:
    assert link("ab", {"b": [1, None], "a": "é"}) == hashlib.sha256('ab\n{"a":"é","b":[1,null]}'.encode()).hexdigest()


def test_the_facts_are_made_of_every_column_but_the_hash_in_order() -> None:
    facts = chain._facts()
    assert facts == chain.FACTS
    assert [name for of in facts.values() for name in of] == [name for name in chain.FIELDS if name != "hash"]
    assert {name: of for name, of in facts.items() if len(of) > 1} == {
        "actor": ("actor_type", "actor_id", "acting_for"),
        "target": ("target_type", "target_id", "target_name"),
    }


def test_a_column_is_of_one_fact_and_has_its_place_there() -> None:
    assert chain._fact("detail").metadata["fact"] == ("detail", None)
    assert chain._fact("actor", 2).metadata["fact"] == ("actor", 2)


def test_what_vault_signs_of_a_chain_s_end_is_the_same_for_ever() -> None:
    assert statement("acme", 7, "ab", BEGAN) == (
        b'{"at":"2026-01-01T00:00:00.000000Z","chain":"acme","hash":"ab","seq":7,"strongroom":"checkpoint"}'
    )
