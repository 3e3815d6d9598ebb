"""The version history of a secret in a real browser: who made which, going back, and never a value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import make_block, make_secret
from tests.support.browser import Window, axe
from tests.support.service import Service

FIRST, SECOND = "canary-first-5Xw9Lq2Zr8", "canary-second-7Hn3Vb6Tk1"


def test_a_restricted_value_is_rolled_back_on_the_page_and_never_shown(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", FIRST, visibility="restricted", allowed_hosts=["api.example.com"])
    put = service.ask(
        "PUT", f"/workspaces/{acme}/secrets/TOKEN/value", {"value": SECOND}, user="adam@example.com", keep=False
    )
    assert put.status_code == 200
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("button", name="Edit TOKEN").click()
    page.get_by_role("dialog").get_by_role("link", name="Version history").click()
    expect(page.get_by_role("row", name="Version 2")).to_contain_text("in force")
    expect(page.get_by_role("row", name="Version 2")).to_contain_text("adam@example.com")
    expect(page.get_by_role("row", name="Version 1")).to_contain_text("olga@example.com")
    expect(page.get_by_role("button", name="Roll back")).to_have_count(1)
    assert axe(page) == []
    page.get_by_role("button", name="Roll back to version 1").click()
    modal = page.get_by_role("dialog", name="Roll back TOKEN to version 1?")
    expect(modal.get_by_role("button", name="Cancel")).to_be_focused()
    modal.get_by_role("button", name="Roll back").click()
    expect(page.locator("#message")).to_contain_text("TOKEN is back at the value of version 1, as version 3.")
    expect(page.get_by_role("row", name="Version 3")).to_contain_text("in force")
    assert "canary" not in page.content()
    window.assert_clean()


@pytest.mark.slow
def test_an_editor_finds_the_history_and_the_uses_and_is_offered_no_change(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", FIRST)
    service.ask("PUT", f"/workspaces/{acme}/secrets/TOKEN/value", {"value": SECOND}, user="olga@example.com")
    make_secret(service, acme, "IDLE", FIRST)
    make_block(service, acme, "open-ticket", "TOKEN")
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("link", name="TOKEN", exact=True).click()
    expect(page.get_by_role("row", name="Version 1")).to_contain_text("kept")
    expect(page.get_by_role("main").get_by_role("button")).to_have_accessible_name("Show value of TOKEN")
    assert axe(page) == []
    page.get_by_role("region", name="Where it is used").get_by_role("link", name="open-ticket").click()
    expect(page.get_by_role("heading", name="Open ticket")).to_be_visible()
    page = window.go(f"/workspaces/{acme}/variables/IDLE")
    expect(page.get_by_role("region", name="Where it is used")).to_contain_text("No API block uses it.")
    window.assert_clean()


@pytest.mark.slow
def test_a_change_since_the_page_was_opened_is_told(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_secret(service, acme, "TOKEN", FIRST)
    path = f"/workspaces/{acme}/secrets/TOKEN/value"
    service.ask("PUT", path, {"value": SECOND}, user="olga@example.com")
    page = opened("owner").go(f"/workspaces/{acme}/variables/TOKEN")
    service.ask("PUT", path, {"value": SECOND + "!"}, user="adam@example.com")
    page.get_by_role("button", name="Roll back to version 1").click()
    service.ask("PUT", path, {"value": SECOND + "?"}, user="adam@example.com")  # while the question stands there
    modal = page.get_by_role("dialog")
    modal.get_by_role("button", name="Roll back").click()
    expect(modal.get_by_role("alert")).to_contain_text("changed by adam@example.com")


@pytest.mark.slow
def test_a_versions_calls_and_looks_are_those_of_that_version(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", FIRST)
    path = f"/workspaces/{acme}/secrets/TOKEN"
    for times in (2, 1):
        for _ in range(times):
            assert service.ask("POST", f"{path}/reveal", user="olga@example.com", keep=False).ok
        assert service.ask("PUT", f"{path}/value", {"value": SECOND}, user="olga@example.com").ok
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables/TOKEN")
    for version, looks in (("Version 1", "2 looks"), ("Version 2", "1 look")):
        page.get_by_role("row", name=version).get_by_role("link", name=looks).click()
        expect(page.locator(".events > li")).to_have_count(int(looks[0]))
        expect(page.get_by_label("Version", exact=True)).to_have_value(version[-1])
        page.go_back()
    page.goto(f"{window.url}/workspaces/{acme}/audit?secret=TOKEN&version=2")
    expect(page.locator(".events > li")).to_have_count(2)  # set, and looked at
    for query, told in (
        ("version=2", "Name the secret whose version it is."),
        ("secret=TOKEN&version=x", "Enter a version's number."),
    ):
        page.goto(f"{window.url}/workspaces/{acme}/audit?{query}")
        expect(page.locator(".fault")).to_have_text(told)
    page.goto(f"{window.url}/workspaces/{acme}/audit?secret=%22%5D&version=2")
    expect(page.get_by_text("No event fits this filter.")).to_be_visible()
