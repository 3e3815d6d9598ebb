"""Every page there is, by the application's own map: none opens without a sign-in, a membership or a form's token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.pages.conftest import PASSWORD, application, make_secret, make_variable
from tests.support.caller import Caller, token_in
from tests.support.service import Service

# Single sign-on is asked for by browsers that aren't signed in and by the provider, and isn't configured here.
SINGLE_SIGN_ON = {
    "pages.start_single_sign_on",
    "pages.finish_single_sign_on",
    "pages.end_provider_sessions",
}
PUBLIC = {"pages.sign_in", "pages.sign_in_page", "pages.static", "pages.docs", "pages.guide"} | SINGLE_SIGN_ON


@pytest.fixture(scope="module")
def routes(service: Service) -> list[tuple[str, str, str]]:
    """Every page: its endpoint, method, and path with the names of things in it."""
    with application(service) as app:
        return [
            (rule.endpoint, method, rule.rule)
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith("pages.")
            for method in sorted((rule.methods or set()) & {"GET", "POST"})
        ]


def concrete(path: str, workspace: str) -> str:
    """Return a path about things that exist, where the tests make them."""
    names = {"ws": workspace, "name": "TOKEN", "user": "olga@example.com"}
    for part in [part for part in path.split("/") if part.startswith("<")]:
        path = path.replace(part, names.get(part.strip("<>"), "x"))
    return path


def test_every_page_but_the_door_asks_for_a_sign_in(
    caller: Callable[[], Caller], routes: list[tuple[str, str, str]], acme: str
) -> None:
    somebody = caller()
    asked = [route for route in routes if route[0] not in PUBLIC]
    assert len(asked) > 25
    for _endpoint, method, path in asked:
        url = somebody.url + concrete(path, acme)
        answer = somebody.session.request(method, url, timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/sign-in"), path


def test_single_sign_on_is_not_there_where_it_is_not_configured(
    caller: Callable[[], Caller], routes: list[tuple[str, str, str]]
) -> None:
    somebody = caller()
    asked = [route for route in routes if route[0] in SINGLE_SIGN_ON]
    assert {endpoint for endpoint, _method, _path in asked} == SINGLE_SIGN_ON
    for _endpoint, method, path in asked:
        answer = somebody.session.request(method, somebody.url + path, timeout=10, allow_redirects=False)
        assert answer.status_code == 404, path


def test_no_form_does_anything_without_the_token_of_its_own_session(
    caller: Callable[[], Caller], routes: list[tuple[str, str, str]], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    me, other = caller(), caller()
    me.sign_in("olga@example.com", PASSWORD)
    other.sign_in("adam@example.com", PASSWORD)
    tokens = ["", "forged", token_in(other.get("/").text), hashlib.sha256(b"x").hexdigest()]
    for endpoint, method, path in routes:
        if method == "POST" and endpoint != "pages.end_provider_sessions":  # the provider signs what it posts
            url = me.url + concrete(path, acme)
            for token in tokens:
                form = {"csrf_token": token, "confirm": "TOKEN", "typed": acme}
                sent = me.session.post(url, data=form, headers={"X-CSRFToken": token}, timeout=10)
                assert sent.status_code == 400, path
    assert me.get("/?all=1").url.endswith("/?all=1"), "the session is still there"
    assert service.ask("GET", f"/workspaces/{acme}/secrets/TOKEN", user="olga@example.com").json()["version"] == 1


def test_a_strangers_session_finds_nothing_in_a_workspace_of_others(
    caller: Callable[[], Caller], routes: list[tuple[str, str, str]], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    stranger = caller()
    stranger.sign_in("mallory@example.com", PASSWORD)
    home = stranger.get("/").text
    assert "No workspaces yet" in home
    forms: dict[str, str] = {
        "kind": "plain", "name": "MINE", "value": "mine-now", "revision": "1", "confirm": "TOKEN", "typed": acme,
        "user": "mallory@example.com", "role": "owner", "title": "Mine", "csrf_token": token_in(home),
    }  # fmt: skip
    for _endpoint, method, path in routes:
        if "<ws>" in path:
            url = stranger.url + concrete(path, acme)
            answer = stranger.session.request(method, url, data=forms if method == "POST" else None, timeout=10)
            assert answer.status_code == 404, path
            assert "Acme" not in answer.text, path
    seen = service.ask("GET", f"/workspaces/{acme}", user="olga@example.com").json()
    assert seen["title"] == "Acme Support"
    members = service.ask("GET", f"/workspaces/{acme}/members", user="olga@example.com").json()["items"]
    assert len(members) == 3


def test_one_workspaces_things_are_not_reached_through_another_of_ones_own(
    caller: Callable[[], Caller], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    service.ask("POST", "/workspaces", {"name": f"of-mallory-{acme}", "title": "Mine"}, user="mallory@example.com")
    stranger = caller()
    stranger.sign_in("mallory@example.com", PASSWORD)
    root = f"/workspaces/of-mallory-{acme}"
    for path in (
        "/variables/TOKEN/edit", "/variables/TOKEN/delete", "/members/olga@example.com/edit",
        f"/variables/..%2f..%2f{acme}%2fvariables", f"/../{acme}/variables",
    ):  # fmt: skip
        assert stranger.get(root + path).status_code == 404, path
    shown = stranger.post(f"{root}/variables/TOKEN/reveal", form=f"{root}/variables")
    assert shown.status_code == 404
    assert "masked-value-1" not in shown.text


def test_a_revision_that_is_none_counts_as_one_that_is_gone(
    caller: Callable[[], Caller], service: Service, acme: str
) -> None:
    make_variable(service, acme, "REGION", "here")
    make_secret(service, acme, "TOKEN", "masked-value-1")
    me, root = caller(), f"/workspaces/{acme}"
    me.sign_in("olga@example.com", PASSWORD)  # once: sign-ins are limited
    for revision in ("", "one", "-1", "0", "²", "1" * 5000):
        for path, form in (
            ("/settings", {"title": "Other"}),
            ("/variables/REGION/edit", {"value": "there", "description": ""}),
            ("/variables/TOKEN/versions/1/roll-back", {"revision": "1"}),
        ):
            sent = me.post(root + path, form | {"revision": revision}, form=f"{root}/settings")
            assert sent.status_code == 412, (path, revision[:9])
