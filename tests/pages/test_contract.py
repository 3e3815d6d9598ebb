"""Paths and names of controls that people who listen to the pages, and other people's checks, rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import make_secret, make_variable, make_workspace
from tests.support.browser import Window
from tests.support.service import Service

KEY = "sk_live_9f3b2c7e1a5d4860XyQ"


def named(place: Page | Locator, role: Any, *names: str) -> None:
    """Insist that each name is the whole name of exactly one control of that role, and of that label."""
    for name in names:
        expect(place.get_by_role(role, name=name, exact=True)).to_have_count(1)
        if role in ("textbox", "radio", "searchbox"):
            expect(place.get_by_label(name, exact=True)).to_have_count(1)


def test_the_door_has_its_fields_and_its_button(opened: Callable[..., Window]) -> None:
    page = opened().go("/sign-in")
    named(page, "textbox", "User")
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "password")
    named(page, "button", "Sign in")


def test_every_tab_has_its_path_and_says_which_it_is(
    opened: Callable[..., Window], acme: str, service: Service, people: dict[str, str]
) -> None:
    make_workspace(service, people)  # with one workspace alone its page is the start page
    window = opened("owner")
    page = window.go("/")
    page.get_by_role("link", name="Acme Support").first.wait_for()
    named(page, "button", "Sign out")
    named(page, "heading", "Workspaces")
    for name in ("Variables", "Members", "Audit", "Settings"):
        path = name.lower()
        window.go(f"/workspaces/{acme}/{path}")
        named(page, "heading", name)
        tab = page.get_by_role("navigation", name="Workspace").get_by_role("link", name=name, exact=True)
        expect(tab).to_have_attribute("aria-current", "page")
        expect(tab).to_have_attribute("href", f"/workspaces/{acme}/{path}")
        expect(page.get_by_role("status").first).to_be_attached()
    window.go(f"/workspaces/{acme}")
    assert page.url.endswith(f"/workspaces/{acme}/variables")


def test_the_variables_tab_its_panel_and_its_modal_have_theirs(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_variable(service, acme, "REGION", "eu-1")
    make_secret(service, acme, "TOKEN", "masked-value-1")
    make_secret(service, acme, "KEY", KEY, visibility="restricted", allowed_hosts=["api.example.com"])
    page = opened("admin").go(f"/workspaces/{acme}/variables")
    named(page, "searchbox", "Search variables")
    named(page, "table", "Variables and secrets of Acme Support")
    for name in ("REGION", "TOKEN", "KEY"):
        named(page, "button", f"Edit {name}", f"Delete {name}")
        expect(page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))).to_have_count(1)
    named(page, "button", "Create new", "Show value of TOKEN")
    expect(page.get_by_role("button", name="Show value of")).to_have_count(1)
    page.get_by_role("button", name="Show value of TOKEN", exact=True).click()
    named(page, "button", "Hide value of TOKEN")
    page.get_by_role("button", name="Hide value of TOKEN", exact=True).click()

    page.get_by_role("button", name="Create new", exact=True).click()
    panel = page.get_by_role("dialog", name="Create new")
    named(panel, "radio", "Variable", "Secret", "Masked", "Restricted")
    named(panel, "textbox", "Name", "Value", "Description", "Allowed hosts")
    named(panel, "button", "Save", "Cancel")
    panel.get_by_label("Variable", exact=True).check()
    named(panel, "textbox", "Name", "Value", "Description")
    for name in ("Masked", "Restricted"):
        expect(panel.get_by_role("radio", name=name)).to_have_count(0)
    panel.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Create new")).to_be_focused()

    page.get_by_role("button", name="Edit KEY", exact=True).click()
    panel = page.get_by_role("dialog", name="Edit KEY")
    named(panel, "textbox", "Value", "Description", "Allowed hosts")
    for fixed in ("KEY", "Restricted", "can't be changed"):
        expect(panel.get_by_text(fixed).last).to_be_visible()
    named(panel, "button", "Save", "Cancel")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Delete TOKEN", exact=True).click()
    modal = page.get_by_role("dialog", name="Delete TOKEN?")
    named(modal, "button", "Delete secret", "Cancel")
    expect(modal.get_by_role("button", name="Cancel")).to_be_focused()


def test_without_script_the_pages_that_stand_in_have_the_same_names(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    window = opened("owner", java_script_enabled=False)
    page = window.page
    page.goto(f"{window.url}/workspaces/{acme}/variables/new")
    named(page, "radio", "Variable", "Secret", "Masked", "Restricted")
    named(page, "textbox", "Name", "Value", "Description", "Allowed hosts")
    named(page, "button", "Save")
    named(page, "link", "Cancel")
    page.goto(f"{window.url}/workspaces/{acme}/variables")
    for button in ("Create new", "Edit TOKEN", "Delete TOKEN"):
        named(page, "button", button)
    page.get_by_role("button", name="Delete TOKEN", exact=True).click()
    named(page, "button", "Delete secret")
    named(page, "link", "Cancel")
