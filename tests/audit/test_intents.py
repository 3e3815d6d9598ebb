"""An intent says what may have happened; it reads ``unknown`` when its process is dead, and not by time alone."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from app.access import Access, Actor, Role
from app.audit.chain import BEGINNING, FACTS, FIELDS, STORED, Event, facts_of, link, place
from app.audit.checkpoints import verify_stored
from app.audit.models import EventRow
from app.audit.service import Deed, Filters, Target, conclude, intend, list_events, recorded
from app.kernel.errors import RecordUnavailable
from app.resources import Resources
from tests.db.test_lease import run, until
from tests.support.drafts import draft_of
from tests.support.service import Service
from tests.support.stored_events import read_events
from tests.support.upstream import Upstream

ADA = Access(Actor("user", "ada"), "acme", Role.OWNER)


def outcomes(record: Resources, outcome: str | None = None) -> list[str]:
    page = list_events(Filters(outcome=outcome), access=ADA, sessions=record.sessions, limit=100)
    return [str(event.outcome) for event in page.events][::-1]


def test_an_intent_is_unknown_when_its_process_is_dead_and_not_before(record: Resources) -> None:
    detail: dict[str, object] = {"method": "POST", "host": "api.example.com", "secrets": ["TOKEN"]}
    deed = Deed(ADA, "call.run", Target("call"), detail=detail)
    intend(deed, sessions=record.sessions, clock=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    assert outcomes(record) == outcomes(record, outcome="intended") == ["intended"], "it is old, and its process lives"
    assert outcomes(record, outcome="unknown") == []
    record.sessions.lease.close()
    run(record.sessions, "UPDATE leases SET renewed_at = renewed_at - 31")
    assert outcomes(record) == outcomes(record, outcome="unknown") == ["unknown"]
    assert outcomes(record, outcome="intended") == []
    (event,) = list_events(Filters(), access=ADA, sessions=record.sessions, limit=1).events
    assert dict(event.detail) == detail
    assert record.sessions.lease.process in event.deed_id


def test_a_stream_has_an_event_before_its_first_byte(record: Resources) -> None:
    with recorded(
        sessions=record.sessions, clock=record.clock, access=ADA, action="call.run", target=Target("call")
    ) as deed:
        conclude(deed, "streaming", sessions=record.sessions, clock=record.clock)
    assert outcomes(record) == ["intended", "streaming", "done"]
    assert outcomes(record, outcome="streaming") == ["streaming"]
    stream = Deed(ADA, "call.run", Target("call"))
    intend(stream, sessions=record.sessions, clock=record.clock)
    conclude(stream, "streaming", sessions=record.sessions, clock=record.clock)
    record.sessions.lease.close()
    run(record.sessions, "UPDATE leases SET renewed_at = 1")
    assert outcomes(record, outcome="unknown") == ["unknown"], "a stream whose process died has no end"


def test_an_outcome_that_could_not_be_stored_is_in_doubt_and_stored_afterwards(record: Resources) -> None:
    with (
        pytest.raises(RecordUnavailable) as refused,
        recorded(sessions=record.sessions, clock=record.clock, access=ADA, action="call.run", target=Target("call")),
    ):
        run(record.sessions, "ALTER TABLE events RENAME TO away")
    assert refused.value.extra == {"in_doubt": True}
    run(record.sessions, "ALTER TABLE away RENAME TO events")
    until(["intended", "done"], lambda: outcomes(record))
    keys = record.vault.checkpoint_public_keys()
    assert verify_stored("acme", sessions=record.sessions, keys=keys).fault is None


def test_without_an_intent_nothing_is_done(record: Resources) -> None:
    run(record.sessions, "ALTER TABLE leases RENAME TO away")
    done = []
    with (
        pytest.raises(RecordUnavailable) as refused,
        recorded(sessions=record.sessions, clock=record.clock, access=ADA, action="call.run", target=Target("call")),
    ):
        done.append(1)
    assert not done
    assert "in_doubt" not in refused.value.extra
    with pytest.raises(SQLAlchemyError):
        record.sessions.lease.process  # noqa: B018 - it isn't stored, so there is none


EVENT = Event(
    id="1", chain="acme", seq=0, deed_id="2", at=datetime(2026, 1, 1, tzinfo=UTC), workspace="acme", actor_type="user",
    actor_id="ada", acting_for=None, action="call.run", target_type="block", target_id="3", target_name="create",
    outcome="done", detail={"host": "api.example.com"}, request_id="4", hash="",
)  # fmt: skip


@pytest.mark.parametrize("name", [each for each in FIELDS if each not in ("seq", "hash")])
def test_every_column_is_hashed(name: str) -> None:
    other: Any = {"at": datetime(2027, 1, 1, tzinfo=UTC), "detail": {}}.get(name, "another")
    changed = replace(EVENT, **dict.fromkeys([name], other))
    assert place(BEGINNING, draft_of(changed)) != place(BEGINNING, draft_of(EVENT))


def test_a_deed_gives_what_its_events_have_in_common_in_the_order_of_the_columns() -> None:
    access = Access(Actor("user", "ada", "eve"), "acme", Role.OWNER)
    written = Deed(access, "secret.update", Target("secret", "7", "TOKEN")).event("done", datetime.now(UTC))
    assert dict(zip(STORED, written.row, strict=True)) | {
        "chain": "acme", "workspace": "acme", "actor_type": "user", "actor_id": "ada", "acting_for": "eve",
        "action": "secret.update", "target_type": "secret", "target_id": "7", "target_name": "TOKEN",
    } == dict(zip(STORED, written.row, strict=True))  # fmt: skip


def test_what_is_stored_is_what_is_declared() -> None:
    assert [each.name for each in fields(Event)] == list(FIELDS)
    assert {each.name for each in EventRow.__table__.columns} == {*FIELDS, "secrets"}
    assert sorted(name for parts in FACTS.values() for name in parts) == sorted(set(FIELDS) - {"hash"})


@pytest.mark.parametrize("detail", [{}, {"n": 1e300, "t": "\ud800"}, {"big": 2**70}, {"b": 1, "a": [0.1, None]}])
def test_an_event_is_hashed_in_one_pass_as_its_facts_are(detail: dict[str, object]) -> None:
    event = replace(EVENT, detail=detail)
    assert place(BEGINNING, draft_of(event)).hash == link(BEGINNING.hash, facts_of(event) | {"seq": 1})


def test_the_hash_of_an_event_is_what_it_was_from_the_first_version_on() -> None:
    assert place(BEGINNING, draft_of(EVENT)).hash == "a02bb098f806aedf75d77b659e0684f2657b88c5d198bc6a85410ea29640b8fc"


def test_a_call_says_what_it_intends_before_it_is_made(service: Service, upstream: Upstream) -> None:
    workspace = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": workspace}).status_code == 201
    host = f"127.0.0.1:{upstream.port}"
    secret = {"name": "TOKEN", "value": "canary-of-intents", "visibility": "masked", "allowed_hosts": [host]}
    assert service.ask("POST", f"/workspaces/{workspace}/secrets", secret).status_code == 201
    headers = [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}]
    call = {"method": "POST", "url": f"http://{host}/", "headers": headers}
    block = {"name": "b", "call": call}
    assert service.ask("POST", f"/workspaces/{workspace}/blocks", block).status_code == 201
    assert service.ask("POST", f"/workspaces/{workspace}/calls", call).status_code == 200
    assert service.ask("POST", f"/workspaces/{workspace}/blocks/b/run", {}).status_code == 200
    events = service.ask("GET", f"/workspaces/{workspace}/audit?action=call.run").json()["items"]
    assert [event["outcome"] for event in events] == ["done", "intended"] * 2
    for event in events:
        facts = event["detail"]
        assert (facts["method"], facts["host"], facts["secrets"]) == ("POST", "127.0.0.1", ["TOKEN"])
        if event["outcome"] == "done":
            assert facts["secret_versions"] == {"TOKEN": 1}
    assert events[1]["target"]["id"] == events[0]["target"]["id"] is not None


def test_reading_a_chain_gives_back_what_was_written(record: Resources) -> None:
    with recorded(
        sessions=record.sessions, clock=record.clock, access=ADA, action="secret.reveal", target=Target("secret", "1")
    ) as deed:
        deed.detail["version"] = 3
    intent, outcome = read_events("acme", record.sessions)
    assert (intent.deed_id, intent.outcome, outcome.outcome) == (outcome.deed_id, "intended", "done")
    assert outcome.detail == {"version": 3}
