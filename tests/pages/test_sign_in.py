"""Signing in and out: what it takes, how long it lasts, and what it doesn't open."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Request, expect

from tests.pages.conftest import PASSWORD, application, make_user
from tests.support.browser import Window
from tests.support.caller import Caller, token_in
from tests.support.service import Service

_numbers = itertools.count(1)


@pytest.fixture
def user(service: Service) -> str:
    """Somebody new, who can sign in."""
    name = f"nina-{next(_numbers)}@example.com"
    make_user(service, name)
    return name


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
    expect(page.get_by_text("The new password is the old one.")).to_be_visible()
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
    assert caller().sign_in(user, PASSWORD).status_code == 429
    make_user(service, f"other-of-{user}")
    assert caller().sign_in(f"other-of-{user}", PASSWORD).status_code == 303


@pytest.mark.slow
def test_many_users_from_one_address_are_no_way_to_guess_on(caller: Callable[[], Caller], user: str) -> None:
    attempts = [caller().sign_in(f"nobody-{n}@example.com", "wrong").status_code for n in range(31)]
    assert set(attempts[:30]) == {401}
    assert attempts[30] == 429
    assert caller().sign_in(user, PASSWORD).status_code == 429


@pytest.mark.slow
def test_spaces_around_a_user_are_no_way_to_guess_on(caller: Callable[[], Caller], user: str) -> None:
    attempts = [caller().sign_in(user + " " * n, "wrong").status_code for n in range(12)]
    assert attempts[-1] == 429, attempts


@pytest.mark.slow
def test_who_has_a_session_cannot_guess_the_password_to_change_it(caller: Callable[[], Caller], user: str) -> None:
    me, page = caller(), "/change-password"
    me.sign_in(user, PASSWORD)
    guesses = [me.post(page, {"current": f"guess {n}", "password": "a password of theirs"}) for n in range(11)]
    assert {each.status_code for each in guesses} == {422, 429}
    stopped = guesses[-1]
    assert stopped.status_code == 429
    assert int(stopped.headers["Retry-After"]) > 0
    assert "try again in" in stopped.text
    assert "Current password" in stopped.text
    assert me.post(page, {"current": PASSWORD, "password": "a password of theirs"}).status_code == 429
    assert caller().sign_in(user, PASSWORD).status_code == 429, "the same count, so no further guesses there"
    assert me.get("/").url.endswith("/"), "the session is still there"


@pytest.mark.slow
def test_a_choice_in_place_of_a_one_time_password_guesses_nothing_and_is_not_counted(
    caller: Callable[[], Caller], service: Service
) -> None:
    make_user(service, "slow-chooser@example.com", "the one-time password", must_change=True)
    me = caller()
    me.sign_in("slow-chooser@example.com", "the one-time password")
    tried = {me.post("/change-password", {"password": "short"}).status_code for _ in range(12)}
    assert tried == {422}


def test_a_new_password_ends_every_other_session(caller: Callable[[], Caller], user: str) -> None:
    here, there = caller(), caller()
    assert here.sign_in(user, PASSWORD).status_code == there.sign_in(user, PASSWORD).status_code == 303
    assert there.get("/").url.endswith("/")
    wrong = here.post("/change-password", {"current": "not it", "password": "another good sentence"})
    assert wrong.status_code == 422
    changed = here.post("/change-password", {"current": PASSWORD, "password": "another good sentence"})
    assert changed.status_code == 303
    assert here.get("/").url.endswith("/")
    assert "/sign-in" in there.get("/").url


def test_signing_out_takes_the_cookie_away(caller: Callable[[], Caller], user: str) -> None:
    me = caller()
    me.sign_in(user, PASSWORD)
    assert me.post("/sign-out", form="/").headers["Location"].endswith("/sign-in")
    assert "/sign-in" in me.get("/").url


def test_what_was_wanted_is_opened_after_the_sign_in_but_never_another_host(
    caller: Callable[[], Caller], user: str
) -> None:
    me = caller()
    asked = me.get("/workspaces/acme/audit?actor=x")
    assert asked.url.endswith("/sign-in?next=%2Fworkspaces%2Facme%2Faudit%3Factor%3Dx")
    there = me.sign_in(user, PASSWORD, path=asked.url.removeprefix(me.url))
    assert there.headers["Location"] == "/workspaces/acme/audit?actor=x"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\tevil"):
        path = "/sign-in?next=" + quote(elsewhere, safe="")
        assert caller().sign_in(user, PASSWORD, path).headers["Location"] in ("/", "/sign-in")


def test_the_cookie_is_for_this_host_alone_and_no_script(caller: Callable[[], Caller], user: str) -> None:
    cookie = caller().sign_in(user, PASSWORD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Domain" not in cookie
    assert PASSWORD not in cookie


def test_a_sign_in_form_that_was_open_for_too_long_comes_back_with_the_user_kept(
    caller: Callable[[], Caller], user: str
) -> None:
    me = caller()
    page = me.get("/sign-in").text
    me.session.cookies.clear()  # as the browser does when the session is over
    again = me.session.post(
        me.url + "/sign-in", data={"user": user, "password": PASSWORD, "csrf_token": token_in(page)}, timeout=10
    )
    assert again.status_code == 400
    assert "open for a while" in again.text
    assert f'value="{user}"' in again.text
    assert PASSWORD not in again.text
    sent = {"user": user, "password": PASSWORD, "csrf_token": token_in(again.text)}
    assert me.session.post(me.url + "/sign-in", data=sent, timeout=10, allow_redirects=False).status_code == 303


def test_the_api_takes_no_cookie_and_the_pages_take_no_token(
    caller: Callable[[], Caller], user: str, service: Service
) -> None:
    me = caller()
    me.sign_in(user, PASSWORD)
    assert me.get("/api/v1/me").status_code == 401
    bearer = {"Authorization": f"Bearer {service.platform}", "Strongroom-Act-As": user}
    assert "/sign-in" in caller().get("/", headers=bearer).url


def test_every_page_says_what_a_browser_may_do_with_it(caller: Callable[[], Caller], user: str) -> None:
    me = caller()
    me.sign_in(user, PASSWORD)
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


@pytest.mark.slow
def test_typing_keeps_the_session_and_an_abandoned_form_does_not(opened: Callable[..., Window], acme: str) -> None:
    window = opened("editor")
    window.page.clock.install()
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    field, body = page.get_by_label("Title"), "Open a ticket"
    field.press_sequentially(body)
    page.clock.fast_forward("29:00")
    assert _still_here(window) == [], "not yet, and not by the clock"
    with page.expect_response("**/still-here") as told:
        field.press_sequentially(body)
    assert told.value.status == 204
    assert told.value.all_headers()["set-cookie"].startswith("strongroom="), "its time begins anew"
    page.clock.fast_forward("04:00")
    field.press_sequentially(body)
    assert len(_still_here(window)) == 1, "once in a while, not for every key"
    assert _still_here(window)[0].post_data is None
    window.assert_clean()
    window.context.clear_cookies()  # as the browser does when the session is over
    page.clock.fast_forward("31:00")
    field.press("x")
    page.get_by_label("Name", exact=True).fill("open-ticket")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog", name="Sign in again")).to_contain_text("Nothing that you typed is lost")
    expect(field).to_have_value(body * 3 + "x")


def _still_here(window: Window) -> list[Request]:
    return [request for request in window.requests if request.url.endswith("/still-here")]


def test_a_session_ends_by_idleness_and_the_cookie_is_secure_behind_https(service: Service, user: str) -> None:
    with application(service, STRONGROOM_PUBLIC_URL="https://strongroom.example.com") as app:
        client = app.test_client()
        form = {
            "user": user,
            "password": PASSWORD,
            "csrf_token": token_in(client.get("/sign-in", base_url="https://x").text),
        }
        signed_in = client.post("/sign-in", data=form, base_url="https://x", headers={"Referer": "https://x/sign-in"})
        assert signed_in.status_code == 303, signed_in.text
        cookie = signed_in.headers["Set-Cookie"]
        assert cookie.startswith("__Host-strongroom=")
        assert "Secure" in cookie
        assert client.get("/", base_url="https://x").status_code == 200
        app.config["PERMANENT_SESSION_LIFETIME"] = -1  # so that any cookie has been idle for too long
        assert "/sign-in" in client.get("/", base_url="https://x").headers["Location"]
