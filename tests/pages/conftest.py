"""What the tests of the pages share: a browser, people who can sign in, and a workspace with something in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from app.db import Sessions, open_engine
from app.factory import create_app
from app.identity.users import Users
from app.kernel.clock import system_clock
from app.settings import Settings
from app.wiring import open_resources
from tests.support.browser import Window, chromium, window
from tests.support.caller import Caller
from tests.support.service import Service

PASSWORD = "a sentence to sign in with"
KEY = "sk_live_9f3b2c7e1a5d4860XyQ"
PEOPLE = {"olga@example.com": "owner", "adam@example.com": "admin", "edda@example.com": "editor"}
_numbers = itertools.count(1)
expect.set_options(timeout=20_000)  # of a busy machine; the usual five seconds may be too few there


@pytest.fixture(scope="session")
def people(service: Service) -> dict[str, str]:
    """Three users with a password, by role; none is a member of anything yet."""
    for user in (*PEOPLE, "mallory@example.com"):
        make_user(service, user)
    return {role: user for user, role in PEOPLE.items()}


def make_user(service: Service, user: str, password: str = PASSWORD, *, must_change: bool = False) -> None:
    """Let somebody sign in, as `strongroom user create` does but without a process for each."""
    sessions = Sessions(open_engine(service.database_url))
    Users(sessions, system_clock).create(user, password, must_change=must_change)
    sessions.close()


@pytest.fixture
def acme(service: Service, people: dict[str, str]) -> str:
    """A workspace of the three, fresh for each test."""
    return make_workspace(service, people)


def make_workspace(service: Service, people: dict[str, str], title: str = "Acme Support", engine: str = "kv") -> str:
    name = f"acme-{next(_numbers)}"
    body = {"name": name, "title": title, "engine": engine}
    assert service.ask("POST", "/workspaces", body, user=people["owner"]).status_code == 201
    for role in ("admin", "editor"):
        put = service.ask("PUT", f"/workspaces/{name}/members/{people[role]}", {"role": role}, user=people["owner"])
        assert put.ok, put.text
    return name


def make_secret(service: Service, workspace: str, name: str, value: str, **more: Any) -> None:
    body = {"name": name, "value": value, "visibility": "masked"} | more
    answer = service.ask("POST", f"/workspaces/{workspace}/secrets", body, user="olga@example.com", keep=False)
    assert answer.status_code == 201, answer.text


def in_three_days() -> str:
    """When a secret ends that is about to."""
    return (system_clock() + timedelta(days=3)).isoformat()


def make_variable(service: Service, workspace: str, name: str, value: str, **more: Any) -> None:
    body = {"name": name, "value": value} | more
    answer = service.ask("POST", f"/workspaces/{workspace}/variables", body, user="olga@example.com")
    assert answer.status_code == 201, answer.text


def make_block(service: Service, workspace: str, name: str, secret: str) -> None:
    """Save an API block that carries a secret in its Authorization header."""
    call = {
        "method": "POST",
        "url": "https://api.zendesk.com/api/v2/tickets.json",
        "headers": [{"name": "Authorization", "value": f"Bearer {{{{secrets.{secret}}}}}"}],
    }
    body = {"name": name, "title": name.replace("-", " ").capitalize(), "call": call}
    answer = service.ask("POST", f"/workspaces/{workspace}/blocks", body, user="olga@example.com")
    assert answer.status_code == 201, answer.text


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def cookies(service: Service, browser: Browser, people: dict[str, str]) -> dict[str, Any]:
    """What the browser holds after each role signed in, once; sign-ins are limited, and take their time."""
    states: dict[str, Any] = {}
    for role, user in (*people.items(), ("stranger", "mallory@example.com")):
        with window(browser, service.url) as signing_in:
            signing_in.sign_in(user, PASSWORD)
            states[role] = signing_in.context.storage_state()
    return states


@pytest.fixture
def opened(
    browser: Browser, service: Service, people: dict[str, str], cookies: dict[str, Any]
) -> Iterator[Callable[..., Window]]:
    """Open windows, signed in as a role where one is named; closed when the test is over.

    Who signs out asks for an ``own_session``: signing out ends a session in every copy of its cookie, and the other
    tests go on with theirs.
    """
    with ExitStack() as stack:

        def _open(role: str | None = None, *, own_session: bool = False, **options: Any) -> Window:
            state = {"storage_state": cookies[role]} if role and not own_session else {}
            opening = stack.enter_context(window(browser, service.url, **state, **options))
            if role and own_session:
                opening.sign_in(people[role], PASSWORD)
            return opening

        yield _open


@pytest.fixture
def caller(service: Service) -> Iterator[Callable[[], Caller]]:
    callers: list[Caller] = []
    number = next(_numbers)
    source = f"127.0.{1 + number // 250}.{1 + number % 250}"  # each test comes from an address of its own

    def _new() -> Caller:
        callers.append(Caller(service.url, source))
        return callers[-1]

    yield _new
    for each in callers:
        each.session.close()


@contextmanager
def application(service: Service, **more: str) -> Iterator[Flask]:
    """The application in this process, on the running service's database and Vault."""
    settings = Settings.from_env({**service.environ, **more})
    with open_resources(settings) as resources:
        yield create_app(settings, resources)


@pytest.fixture
def furnished(service: Service, acme: str) -> str:
    """A workspace with one of each kind, for those tests that have no other."""
    make_variable(service, acme, "REGION", "eu-0")
    make_secret(service, acme, "TAKEN", "masked-value-1")
    make_secret(service, acme, "KEY", KEY, visibility="restricted", allowed_hosts=["api.example.com"])
    make_block(service, acme, "call", "TAKEN")
    return acme
