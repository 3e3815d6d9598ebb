"""Sessions of the pages: a row each, ended for every copy of the cookie; and what the record says of people."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.audit.chain import Event
from app.db import Sessions, open_engine
from app.identity.sessions import UNKNOWN_USER, Device, UserSessions
from app.identity.users import Users
from app.kernel.clock import system_clock
from app.kernel.errors import NotFound, StrongroomError, Unauthenticated
from app.migrations import upgrade
from tests.support import databases
from tests.support.caller import Caller
from tests.support.service import Service
from tests.support.stored_events import read_events

PASSWORD = "a sentence to sign in with"
_numbers = itertools.count(1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Sessions]:
    (tmp_path / "var").mkdir()
    sessions = Sessions(open_engine(databases.url_for(tmp_path)))
    upgrade(sessions.engine)
    yield sessions
    sessions.close()


class Clock:
    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def user_sessions(database: Sessions, clock: Clock) -> UserSessions:
    Users(database, clock).create("ada", PASSWORD, must_change=False)
    return UserSessions(database, clock, hours=12, idle=timedelta(minutes=30))


def events(database: Sessions) -> list[Event]:
    return read_events("", database)


def test_a_session_ends_after_twelve_hours_however_busy_it_is(user_sessions: UserSessions, clock: Clock) -> None:
    session = user_sessions.sign_in("ada", PASSWORD)
    for _ in range(12 * 6 - 1):
        clock.advance(minutes=10)
        assert user_sessions.find(session.session_id)
    clock.advance(minutes=10)
    assert user_sessions.find(session.session_id) is None
    assert user_sessions.list("ada") == []


def test_a_session_ends_by_idleness(user_sessions: UserSessions, clock: Clock) -> None:
    session = user_sessions.sign_in("ada", PASSWORD)
    clock.advance(minutes=29)
    assert user_sessions.find(session.session_id)
    clock.advance(minutes=32)
    assert user_sessions.find(session.session_id) is None


def test_a_user_lists_their_sessions_and_ends_one_or_all(user_sessions: UserSessions, clock: Clock) -> None:
    laptop = user_sessions.sign_in("ada", PASSWORD, device=Device("Firefox\0\ud800" + "x" * 500, "192.0.2.1"))
    clock.advance(seconds=1)
    phone = user_sessions.sign_in("ada", PASSWORD, device=Device("Chromium", "192.0.2.2"))
    clock.advance(seconds=1)
    tablet = user_sessions.sign_in("ada", PASSWORD)
    assert [each.address for each in user_sessions.list("ada")] == ["", "192.0.2.2", "192.0.2.1"]
    assert len(user_sessions.list("ada")[2].agent) == 200
    with pytest.raises(NotFound):
        user_sessions.end("bob", phone.session_id)
    user_sessions.end("ada", phone.session_id)
    assert user_sessions.find(phone.session_id) is None
    assert user_sessions.end_all("ada", keep=tablet.session_id) == 1
    assert user_sessions.find(laptop.session_id) is None
    assert user_sessions.find(tablet.session_id)
    assert user_sessions.end_all("ada") == 1
    assert user_sessions.list("ada") == []


@pytest.mark.slow
def test_sessions_that_are_over_leave_no_rows(user_sessions: UserSessions, database: Sessions, clock: Clock) -> None:
    for _ in range(3):
        user_sessions.sign_in("ada", PASSWORD)
        clock.advance(hours=13)
    user_sessions.sign_in("ada", PASSWORD)
    with database.read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 1


@pytest.mark.slow
def test_what_is_done_to_people_is_in_the_record(user_sessions: UserSessions, database: Sessions) -> None:
    users = Users(database, system_clock)
    users.reset_password("ada", "another good sentence", must_change=True)
    users.change_password("ada", None, PASSWORD)
    users.disable("ada")
    users.create("ada", PASSWORD, must_change=False)
    session = user_sessions.sign_in("ada", PASSWORD)
    user_sessions.end("ada", session.session_id)
    for refused in (lambda: users.create("ada", PASSWORD, must_change=False), lambda: users.disable("nobody")):
        with pytest.raises(StrongroomError):
            refused()
    assert [(each.action, each.actor_type, each.target_name, each.outcome) for each in events(database)] == [
        ("user.create", "operator", "ada", "done"),
        ("user.reset_password", "operator", "ada", "done"),
        ("user.change_password", "user", "ada", "done"),
        ("user.disable", "operator", "ada", "done"),
        ("user.enable", "operator", "ada", "done"),
        ("session.sign_in", "user", "ada", "done"),
        ("session.sign_out", "user", "ada", "done"),
        ("user.create", "operator", "ada", "refused"),
        ("user.disable", "operator", "nobody", "refused"),
    ]


def test_a_stranger_writes_nothing_of_their_own_into_the_record(
    user_sessions: UserSessions, database: Sessions
) -> None:
    typed = "my-password-typed-in-the-wrong-field"
    for user in (typed, "ada"):
        with pytest.raises(Unauthenticated):
            user_sessions.sign_in(user, "wrong", device=Device(typed, typed))
    unknown, known = events(database)[-2:]
    assert (unknown.actor_id, unknown.target_name, known.actor_id) == (UNKNOWN_USER, UNKNOWN_USER, "ada")
    assert typed not in json.dumps([[each.actor_id, each.target_name, dict(each.detail)] for each in events(database)])


def test_a_new_password_and_a_disabled_user_end_every_session(user_sessions: UserSessions, database: Sessions) -> None:
    users, session = Users(database, system_clock), user_sessions.sign_in("ada", PASSWORD)
    users.reset_password("ada", "another good sentence", must_change=False)
    assert user_sessions.find(session.session_id) is None
    session = user_sessions.sign_in("ada", "another good sentence")
    users.disable("ada")
    assert user_sessions.find(session.session_id) is None
    users.create("ada", PASSWORD, must_change=False)
    assert user_sessions.find(session.session_id) is None, "enabled again, an old session stays over"


@pytest.fixture
def user(service: Service) -> str:
    name = f"sven-{next(_numbers)}@example.com"
    sessions = Sessions(open_engine(service.database_url))
    Users(sessions, system_clock).create(name, PASSWORD, must_change=False)
    sessions.close()
    return name


def test_signing_out_ends_every_copy_of_the_cookie(service: Service, user: str) -> None:
    me, thief = Caller(service.url), Caller(service.url)
    me.sign_in(user, PASSWORD)
    thief.session.cookies.update(me.session.cookies)
    assert "/sign-in" not in thief.get("/").url
    me.post("/sign-out", form="/")
    assert "/sign-in" in thief.get("/").url
    for each in (me, thief):
        each.session.close()


def test_a_disabled_user_loses_sessions_and_the_tokens_they_made_at_once(service: Service, user: str) -> None:
    workspace = f"sven{next(_numbers)}"
    assert service.ask("POST", "/workspaces", {"name": workspace}, user=user).status_code == 201
    assert service.ask("PUT", f"/workspaces/{workspace}/members/bea", {"role": "owner"}, user=user).status_code == 201
    tokens = f"/workspaces/{workspace}/tokens"
    mine = service.ask("POST", tokens, {"role": "admin"}, user=user, keep=False).json()["token"]
    other = service.ask("POST", tokens, {"role": "admin"}, user="bea", keep=False).json()["token"]
    me = Caller(service.url)
    me.sign_in(user, PASSWORD)
    assert service.ask("GET", "/me", token=mine).status_code == 200
    done = service.command("user", "disable", user)
    assert done.returncode == 0, done.stderr
    assert service.ask("GET", "/me", token=mine).status_code == 401
    assert service.ask("GET", "/me", token=other).status_code == 200
    assert "/sign-in" in me.get("/").url
    me.session.close()
