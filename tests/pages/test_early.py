"""Whoever is faster than the page's scripts, or types on while something is under way, loses nothing by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, Request, Route, expect

from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service

pytestmark = pytest.mark.slow


class Gate:
    """Holds back what is asked for, as a slow network or service does, until it is opened."""

    def __init__(self, page: Page, holds: Callable[[Request], bool]) -> None:
        self._waiting: list[Route] = []
        self._holds = holds
        self._is_open = False
        page.route("**", self._pass)

    def _pass(self, route: Route) -> None:
        if self._is_open or not self._holds(route.request):
            route.continue_()
        else:
            self._waiting.append(route)

    def open(self) -> None:
        self._is_open = True
        for route in self._waiting:
            route.continue_()


def open_before_scripts(window: Window, path: str) -> Gate:
    """Open a page whose scripts are on their way, all but the one that stands before everything is drawn."""
    gate = Gate(window.page, lambda asked: asked.url.endswith(".js") and not asked.url.endswith("/js.js"))
    window.page.goto(window.url + path, wait_until="commit")
    window.page.locator(".foot-links").wait_for()
    return gate


def asks_before_it_goes(page: Page) -> bool:
    """Tell whether the page asks whether it may be left, and stay."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Members").click()
    page.wait_for_timeout(300)
    return asked == ["beforeunload"]


def test_what_was_typed_into_a_block_before_its_script_was_there_counts_as_typed(
    opened: Callable[..., Window], furnished: str
) -> None:
    window = opened("owner")
    page = window.page
    gate = open_before_scripts(window, f"/workspaces/{furnished}/blocks/call")
    page.get_by_label("Title").fill("Typed early")
    page.get_by_label("Value of header Authorization").fill("Bearer sk_live_9f3b2c7e1a5d4860")
    gate.open()
    expect(page.get_by_label("Title")).to_have_value("Typed early")
    expect(page.get_by_role("button", name="Make it a secret")).to_be_visible()
    assert asks_before_it_goes(page)
    expect(page.get_by_label("Title")).to_have_value("Typed early")


def test_a_button_that_was_pressed_before_the_scripts_were_there_does_its_work_when_they_are(
    opened: Callable[..., Window], furnished: str
) -> None:
    window = opened("owner")
    page = window.page
    gate = open_before_scripts(window, f"/workspaces/{furnished}/variables")
    page.get_by_role("button", name="Show value of TAKEN").click()
    gate.open()
    expect(page.get_by_text("masked-value-1")).to_be_visible()
    gate = open_before_scripts(window, f"/workspaces/{furnished}/blocks/call")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    gate.open()
    expect(page.get_by_role("combobox", name="Secret for header Authorization")).to_be_focused()
    window.assert_clean()


@pytest.mark.parametrize(
    ("tab", "label", "typed"), [("variables", "Search variables", "take"), ("blocks", "Search API blocks", "nothing")]
)
def test_a_search_typed_before_the_scripts_were_there_is_made(
    opened: Callable[..., Window], furnished: str, tab: str, label: str, typed: str
) -> None:
    window = opened("editor")
    page = window.page
    gate = open_before_scripts(window, f"/workspaces/{furnished}/{tab}")
    page.get_by_label(label).focus()
    page.keyboard.type(typed)
    gate.open()
    expect(page.locator("#found")).to_have_text("1 match" if tab == "variables" else "No match")
    expect(page.get_by_label(label)).to_be_focused()
    expect(page.get_by_label(label)).to_have_value(typed)


def test_a_form_sent_before_the_scripts_were_there_is_sent_without_a_question(
    opened: Callable[..., Window], furnished: str
) -> None:
    window = opened("owner")
    page = window.page
    gate = open_before_scripts(window, f"/workspaces/{furnished}/variables/-/new")
    page.get_by_label("Name", exact=True).fill("EARLY")
    page.get_by_label("Value", exact=True).fill("early-value-1")
    page.get_by_label("Show what I type").check()
    expect(page.get_by_label("Value", exact=True)).to_have_css("-webkit-text-security", "none")
    page.get_by_role("button", name="Save").click(no_wait_after=True)
    gate.open()
    expect(page.get_by_text("Secret EARLY was created.")).to_be_visible()


def is_post(asked: Request) -> bool:
    return asked.method == "POST"


def test_what_is_typed_while_a_new_block_is_being_saved_stays_and_is_saved_next(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("Name", exact=True).fill("slow-save")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/{{id}}")
    gate = Gate(page, is_post)
    with page.expect_request("**/blocks/-/new"):
        page.keyboard.press("Control+s")
    page.get_by_label("Title").focus()
    page.keyboard.type("Typed on")
    page.get_by_role("button", name="Add header").click()
    page.get_by_label("Name of header 1").fill("X-Late")
    page.get_by_label("Value of header X-Late").fill("later")
    gate.open()
    expect(page.locator("#message")).to_have_text("The API block slow-save was created.")
    expect(page.get_by_label("Title")).to_have_value("Typed on")
    expect(page.get_by_label("Value of header X-Late")).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_count(0)
    page.get_by_label("Test value of id").fill("7")
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_have_text("The API block slow-save was saved.")
    saved = service.ask("GET", f"/workspaces/{acme}/blocks/slow-save", user="olga@example.com").json()
    assert (saved["title"], saved["call"]["headers"]) == ("Typed on", [{"name": "X-Late", "value": "later"}])
    gate = Gate(page, is_post)
    with page.expect_request("**/blocks/slow-save"):
        page.keyboard.press("Control+s")
    page.get_by_label("Title").fill("Typed on again")
    gate.open()
    expect(page.locator("#message")).to_have_text("slow-save was not changed.")
    assert asks_before_it_goes(page)
    window.assert_clean()


def test_what_is_typed_while_a_command_is_read_stays(opened: Callable[..., Window], acme: str) -> None:
    page = opened("editor").go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_role("button", name="Add capture").click()
    page.get_by_label("Name of capture 1").fill("id")
    page.get_by_label("Path of capture id").fill("$.id")
    gate = Gate(page, is_post)
    page.get_by_label("URL", exact=True).fill("curl https://api.example.com/x -H 'X-Api-Key: sk_live_9f3b2c7e1a5d'")
    page.get_by_label("Title").focus()
    page.keyboard.type("Typed me")
    gate.open()
    expect(page.get_by_label("URL", exact=True)).to_have_value("https://api.example.com/x")
    page.keyboard.type("anwhile")
    expect(page.get_by_label("Title")).to_have_value("Typed meanwhile")
    expect(page.get_by_label("Path of capture id")).to_have_value("$.id")


def test_a_test_value_comes_back_with_its_variable(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    page = opened("editor").go(f"/workspaces/{acme}/blocks/-/new")
    url = page.get_by_label("URL", exact=True)
    url.fill("https://api.example.com/{{id}}")
    page.get_by_label("Test value of id").fill("42")
    url.fill("https://api.example.com/{{id")
    expect(page.get_by_label("Test value of id")).to_have_count(0)
    url.fill("https://api.example.com/v2/{{id}}")
    expect(page.get_by_label("Test value of id")).to_have_value("42")
