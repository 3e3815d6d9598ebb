"""The eye: a masked value is shown briefly, recorded, and leaves no trace in the browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from app.kernel.clock import system_clock
from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service

CANARY = "canary-5Tq8wRz3-sings-once"


@pytest.fixture
def page(opened: Callable[..., Window], service: Service, acme: str) -> Iterator[Page]:
    """An editor in front of one masked secret."""
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened("editor")
    page = window.context.pages[0]
    page.clock.install()
    window.go(f"/workspaces/{acme}/variables")
    yield page
    window.assert_clean()


def show(page: Page) -> None:
    page.get_by_role("button", name="Show value of TOKEN").click()
    expect(page.get_by_text(CANARY)).to_be_visible()
    expect(page.get_by_text("Showing this value is recorded")).to_be_visible()


def assert_hidden(page: Page) -> None:
    expect(page.get_by_role("button", name="Show value of TOKEN")).to_be_visible()
    assert CANARY not in page.content()
    expect(page.get_by_role("row", name="TOKEN")).to_contain_text("••••••••")


def test_it_shows_the_value_and_hides_it_on_a_second_press(page: Page) -> None:
    assert_hidden(page)
    show(page)
    page.get_by_role("button", name="Hide value of TOKEN").click()
    assert_hidden(page)


def test_it_counts_down_and_hides_by_itself_unless_that_is_put_off(page: Page) -> None:
    page.clock.pause_at(system_clock() + timedelta(hours=1))  # from here on a second lasts as long as the test wants
    show(page)
    expect(page.get_by_text("Hides in 30 s")).to_be_visible()
    page.clock.run_for(20_000)
    expect(page.get_by_text("Hides in 10 s")).to_be_visible()
    page.get_by_role("button", name="Show longer").click()
    expect(page.get_by_text("Hides in 40 s")).to_be_visible()
    page.clock.run_for(39_000)
    expect(page.get_by_text(CANARY)).to_be_visible()
    page.clock.run_for(1_500)
    assert_hidden(page)


@pytest.mark.slow
@pytest.mark.parametrize("event", ["blur", "pagehide", "beforeprint"])
def test_it_hides_when_the_window_is_left(page: Page, event: str) -> None:
    show(page)
    page.evaluate("name => window.dispatchEvent(new Event(name))", event)
    assert_hidden(page)


@pytest.mark.slow
def test_it_hides_when_another_tab_is_looked_at(page: Page) -> None:
    show(page)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert_hidden(page)


@pytest.mark.slow
def test_it_hides_for_a_dialog_that_opens(page: Page) -> None:
    show(page)
    page.get_by_role("button", name="Create new").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert CANARY not in page.content()


def test_the_value_can_neither_be_selected_nor_copied(page: Page) -> None:
    show(page)
    assert page.locator(".value").evaluate("element => getComputedStyle(element).userSelect") == "none"
    page.get_by_text(CANARY).dblclick()
    page.keyboard.press("Control+a")
    copied = page.evaluate(
        """() => {
            const event = new ClipboardEvent("copy", {bubbles: true, cancelable: true});
            document.querySelector(".value").dispatchEvent(event);
            return [event.defaultPrevented, document.getSelection().toString()];
        }"""
    )
    assert copied[0] is True
    assert CANARY not in copied[1]
    page.get_by_role("button", name="Hide value of TOKEN").click()


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_told_of_beside_the_eye(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    page = opened("owner").go(f"/workspaces/{acme}/variables")
    page.route("**/reveal", lambda route: route.abort())
    page.get_by_role("button", name="Show value of TOKEN").click()
    expect(page.get_by_role("row", name="TOKEN").get_by_role("alert")).to_have_text("The service doesn't answer.")
    page.unroute("**/reveal")
    show(page)
    expect(page.get_by_role("row", name="TOKEN").get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Hide value of TOKEN").click()


@pytest.mark.slow
def test_going_on_and_back_and_signing_out_leave_nothing_of_it_anywhere(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    page = opened("editor", own_session=True).go(f"/workspaces/{acme}/variables")
    show(page)
    page.get_by_role("link", name="Members").click()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    page.go_back()
    assert_hidden(page)
    show(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])")
    assert CANARY not in kept + page.content() + json.dumps(page.context.storage_state())


def test_the_network_carried_the_value_in_one_answer_only_that_nobody_may_store(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/variables")
    show(page)
    page.get_by_role("button", name="Hide value of TOKEN").click()
    page.wait_for_load_state("networkidle")
    carrying = [each for each in window.responses if each.ok and CANARY in each.text()]
    assert [each.request.method for each in carrying] == ["POST"]
    assert carrying[0].headers["cache-control"] == "no-store"
    assert not any(CANARY in request.url + (request.post_data or "") for request in window.requests)
    assert CANARY not in "".join(window.console)
    events = service.ask("GET", f"/workspaces/{acme}/audit?action=secret.reveal", user="olga@example.com").json()[
        "items"
    ]
    assert [(each["outcome"], each["actor"]["id"]) for each in events] == [
        ("done", "adam@example.com"),
        ("intended", "adam@example.com"),
    ]


@pytest.mark.slow
def test_a_value_that_comes_after_the_window_was_left_is_not_shown(page: Page) -> None:
    page.route("**/reveal", lambda route: (page.evaluate("window.dispatchEvent(new Event('blur'))"), route.continue_()))
    page.get_by_role("button", name="Show value of TOKEN").click()
    page.wait_for_timeout(300)
    assert_hidden(page)
