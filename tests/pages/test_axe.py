"""axe-core finds nothing, on any page, in any state, in either theme, wide or narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import in_three_days, make_secret, make_user, make_variable
from tests.support.browser import Window, axe
from tests.support.service import Service

KEY = "sk_live_9f3b2c7e1a5d4860XyQ"
NARROW = {"width": 360, "height": 800}


class Looking:
    """One window, and what axe-core found in each state of it."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page
        self.found: dict[str, list[str]] = {}

    def look(self, state: str) -> None:
        if told := axe(self.page):
            self.found[state] = told

    def at(self, *paths: str) -> None:
        for path in paths:
            self.window.go(path)
            self.look(path)


@pytest.fixture
def looking(opened: Callable[..., Window]) -> Iterator[Callable[..., Looking]]:
    """Open windows to look at; nothing was found in any of them when the test is over."""
    every: list[Looking] = []

    def _open(role: str | None = None, **options: Any) -> Looking:
        every.append(Looking(opened(role, reduced_motion="reduce", **options)))
        return every[-1]

    yield _open
    assert [each.found for each in every if each.found] == []


@pytest.fixture
def furnished(service: Service, acme: str) -> str:
    make_variable(service, acme, "REGION", "eu-1", description="Where")
    make_secret(service, acme, "TOKEN", "masked-value-1", expires_at=in_three_days())
    make_secret(
        service, acme, "KEY", KEY, visibility="restricted", allowed_hosts=["a.example", "b.example", "c.example"]
    )
    token = {"role": "runtime", "label": "flow-runner"}
    assert service.ask("POST", f"/workspaces/{acme}/tokens", token, user="olga@example.com", keep=False).ok
    return acme


@pytest.mark.slow
def test_axe_finds_nothing_at_the_door(looking: Callable[..., Looking], service: Service) -> None:
    door = looking()
    door.at("/sign-in")
    door.page.get_by_text("Forgotten your password?").click()
    door.page.get_by_label("User").fill("x")
    door.page.get_by_label("Password").fill("y")
    door.look("sign-in, with help")
    door.page.get_by_role("button", name="Sign in").click()
    expect(door.page.get_by_role("alert")).to_be_visible()
    door.look("sign-in refused")
    make_user(service, "once@example.com", "the one-time password", must_change=True)
    door.window.sign_in("once@example.com", "the one-time password")
    door.look("first password")


def test_axe_finds_nothing_on_the_variables_tab(
    looking: Callable[..., Looking], service: Service, furnished: str
) -> None:
    owner, base = looking("owner"), f"/workspaces/{furnished}"
    page = owner.page
    owner.at(f"{base}/variables")
    page.get_by_role("button", name="Show value of TOKEN").click()
    expect(page.get_by_text("is recorded.")).to_be_visible()
    owner.look("eye")
    dialog = page.get_by_role("dialog")
    for button, deed in (("Create new", "Save"), ("Edit TOKEN", "Save"), ("Delete KEY", "Delete secret")):
        page.get_by_role("button", name=button).click()
        expect(dialog.get_by_role("button", name=deed)).to_be_visible()
        if deed == "Save":
            dialog.get_by_role("textbox", name="Value").fill("ab ")
            dialog.get_by_text("Places and expiry").click()
        owner.look(button)
        if deed == "Delete secret":
            dialog.get_by_label("Type KEY to confirm").fill("another")
        dialog.get_by_role("button", name=deed).click()
        expect(dialog.locator(".fault").first).to_be_visible()
        owner.look(f"{button}, refused")
        page.keyboard.press("Escape")
        page.get_by_role("alertdialog").get_by_role("button", name="Discard").click()
    page.get_by_label("Search variables").fill("nothing like it")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    owner.look("no match")
    owner.at("/", "/change-password", "/nowhere", f"{base}/variables/new", f"{base}/variables/KEY/delete")


@pytest.mark.slow
def test_axe_finds_nothing_on_the_other_tabs(looking: Callable[..., Looking], furnished: str) -> None:
    owner, base = looking("owner"), f"/workspaces/{furnished}"
    page, dialog = owner.page, owner.page.get_by_role("dialog")
    for tab, buttons in (
        ("members", ("Add member", "Edit edda@example.com", "Delete edda@example.com")),
        ("settings", ("Create token", "Revoke flow-runner", "Delete workspace")),
    ):
        owner.at(f"{base}/{tab}")
        for button in buttons:
            page.get_by_role("button", name=button).click()
            expect(dialog).to_be_visible()
            owner.look(button)
            page.keyboard.press("Escape")
    page.get_by_role("button", name="Create token").click()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_label("The token")).to_be_visible()
    owner.look("token, shown once")
    owner.at(f"{base}/audit", f"{base}/audit?actor=nobody")


@pytest.mark.slow
def test_axe_finds_nothing_where_there_is_nothing_or_no_permission(looking: Callable[..., Looking], acme: str) -> None:
    looking("editor").at(
        f"/workspaces/{acme}/variables", f"/workspaces/{acme}/variables/new", f"/workspaces/{acme}/audit"
    )
    looking("stranger").at("/")


@pytest.mark.slow
def test_axe_finds_nothing_on_a_narrow_screen(looking: Callable[..., Looking], furnished: str) -> None:
    owner, base = looking("owner", viewport=NARROW), f"/workspaces/{furnished}"
    owner.at("/", *(f"{base}/{tab}" for tab in ("variables", "members", "audit", "settings")))
    owner.at(*(f"{base}/{path}" for path in ("variables/new", "variables/KEY/edit", "members/new", "settings/delete")))
