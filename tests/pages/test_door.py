"""Signing in and out: what it takes, how long it lasts, and what it doesn't open."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import requests
from flask import Flask
from playwright.sync_api import expect

from app.factory import create_app
from app.settings import Settings
from app.wiring import open_resources
from tests.pages.conftest import PASSWORD, make_user
from tests.support.browser import Window
from tests.support.service import Service

_numbers = itertools.count(1)


@pytest.fixture
def user(service: Service) -> str:
    """Somebody new, who can sign in."""
    name = f"nina-{next(_numbers)}@example.com"
    make_user(service, name)
    return name


class Caller:
    """Somebody with a cookie jar and no browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=10, **more)

    def post(self, path: str, data: dict[str, str] | None = None, *, form: str | None = None) -> requests.Response:
        page = self.get(form or path).text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        sent = (data or {}) | {"csrf_token": found[1] if found else ""}
        return self.session.post(self.url + path, data=sent, timeout=10, allow_redirects=False)

    def sign_in(self, user: str, password: str = PASSWORD, path: str = "/sign-in") -> requests.Response:
        return self.post(path, {"user": user, "password": password})


@pytest.fixture
def caller(service: Service) -> Iterator[Callable[[], Caller]]:
    callers: list[Caller] = []

    def _new() -> Caller:
        callers.append(Caller(service.url))
        return callers[-1]

    yield _new
    for each in callers:
        each.session.close()


def test_a_one_time_password_has_to_be_changed_before_anything_else(
    opened: Callable[..., Window], service: Service
) -> None:
    make_user(service, "first@example.com", "the one-time password", must_change=True)
    window = opened()
    page = window.sign_in("first@example.com", "the one-time password")
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    window.go("/workspaces/any/variables")
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("New password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("New password").fill("the one-time password")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Choose another than now.")).to_be_visible()
    page.get_by_label("New password").fill("a password of my own")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
    window.assert_clean(expected_statuses=frozenset({422}))


def test_a_wrong_password_and_an_unknown_user_are_told_alike(caller: Callable[[], Caller], user: str) -> None:
    wrong, unknown = caller().sign_in(user, "wrong password"), caller().sign_in("nobody-at-all", "wrong password")
    assert wrong.status_code == unknown.status_code == 401
    blank = re.compile(r'value="[^"]*"|content=.*|hx-headers=.*')
    assert blank.sub("", wrong.text) == blank.sub("", unknown.text)
    assert "User or password is wrong." in wrong.text
    assert "strongroom user reset-password" in wrong.text


def test_too_many_attempts_for_one_user_are_stopped_and_others_go_on(
    caller: Callable[[], Caller], user: str, service: Service
) -> None:
    attempts = [caller().sign_in(user, "wrong") for _ in range(12)]
    assert {each.status_code for each in attempts} == {401, 429}
    stopped = attempts[-1]
    assert stopped.status_code == 429
    assert int(stopped.headers["Retry-After"]) > 0
    assert "try again in" in stopped.text
    assert caller().sign_in(user).status_code == 429
    make_user(service, f"other-of-{user}")
    assert caller().sign_in(f"other-of-{user}").status_code == 303


def test_a_new_password_ends_every_other_session(caller: Callable[[], Caller], user: str) -> None:
    here, there = caller(), caller()
    assert here.sign_in(user).status_code == there.sign_in(user).status_code == 303
    assert there.get("/").url.endswith("/")
    wrong = here.post("/change-password", {"current": "not it", "password": "another good sentence"})
    assert wrong.status_code == 422
    changed = here.post("/change-password", {"current": PASSWORD, "password": "another good sentence"})
    assert changed.status_code == 303
    assert here.get("/").url.endswith("/")
    assert "/sign-in" in there.get("/").url


def test_signing_out_takes_the_cookie_away(caller: Callable[[], Caller], user: str) -> None:
    me = caller()
    me.sign_in(user)
    assert me.post("/sign-out", form="/").headers["Location"].endswith("/sign-in")
    assert "/sign-in" in me.get("/").url


def test_what_was_wanted_is_opened_after_the_sign_in_but_never_another_host(
    caller: Callable[[], Caller], user: str
) -> None:
    me = caller()
    asked = me.get("/workspaces/acme/audit?actor=x")
    assert asked.url.endswith("/sign-in?next=%2Fworkspaces%2Facme%2Faudit%3Factor%3Dx")
    there = me.sign_in(user, path=asked.url.removeprefix(me.url))
    assert there.headers["Location"] == "/workspaces/acme/audit?actor=x"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\tevil"):
        path = "/sign-in?next=" + quote(elsewhere, safe="")
        assert caller().sign_in(user, path=path).headers["Location"] in ("/", "/sign-in")


def test_the_cookie_is_for_this_host_alone_and_no_script(caller: Callable[[], Caller], user: str) -> None:
    cookie = caller().sign_in(user).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Domain" not in cookie
    assert PASSWORD not in cookie


def test_a_form_without_the_token_of_its_session_does_nothing(caller: Callable[[], Caller], user: str) -> None:
    me = caller()
    me.sign_in(user)
    for path in (
        "/sign-out",
        "/change-password",
        "/workspaces/acme/variables/new",
        "/workspaces/acme/variables/X/reveal",
    ):
        refused = me.session.post(me.url + path, data={"csrf_token": "forged"}, timeout=10)
        assert refused.status_code == 400, path
    assert me.get("/").url.endswith("/")


def test_the_api_takes_no_cookie_and_the_pages_take_no_token(
    caller: Callable[[], Caller], user: str, service: Service
) -> None:
    me = caller()
    me.sign_in(user)
    assert me.get("/api/v1/me").status_code == 401
    bearer = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": user}
    assert "/sign-in" in caller().get("/", headers=bearer).url


def test_every_page_says_what_a_browser_may_do_with_it(caller: Callable[[], Caller], user: str) -> None:
    me = caller()
    me.sign_in(user)
    for path in ("/", "/sign-in", "/change-password", "/nowhere", "/workspaces/none/variables"):
        headers = me.get(path, allow_redirects=False).headers
        assert headers["Cache-Control"] == "no-store", path
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy.split("; ")
        assert "unsafe" not in policy
    asset = re.search(r'href="(/static/[^"]+\.css)"', me.get("/").text)
    assert asset
    kept = me.get(asset[1])
    assert "immutable" in kept.headers["Cache-Control"]
    assert "Set-Cookie" not in kept.headers


@contextmanager
def application(service: Service, **more: str) -> Iterator[Flask]:
    """The application in this process, on the running service's database and Vault."""
    settings = Settings.from_env({**service.environ, **more})
    with open_resources(settings) as resources:
        yield create_app(settings, resources)


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_a_session_ends_by_idleness_and_the_cookie_is_secure_behind_https(service: Service, user: str) -> None:
    with application(service, STRONGROOM_PUBLIC_URL="https://strongroom.example.com") as app:
        client = app.test_client()
        form = {
            "user": user,
            "password": PASSWORD,
            "csrf_token": _token(client.get("/sign-in", base_url="https://x").text),
        }
        signed_in = client.post("/sign-in", data=form, base_url="https://x", headers={"Referer": "https://x/sign-in"})
        assert signed_in.status_code == 303, signed_in.text
        cookie = signed_in.headers["Set-Cookie"]
        assert cookie.startswith("__Host-strongroom=")
        assert "Secure" in cookie
        assert client.get("/", base_url="https://x").status_code == 200
        app.config["PERMANENT_SESSION_LIFETIME"] = -1  # so that any cookie has been idle for too long
        assert "/sign-in" in client.get("/", base_url="https://x").headers["Location"]
