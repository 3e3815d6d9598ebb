"""A day with values that sing: nothing of them stays in the browser, in its profile on the disk, or on the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.conftest import PASSWORD, make_secret
from tests.support.browser import CHROMIUM, FLAGS, WATCH, Window, listen
from tests.support.service import Service

pytestmark = pytest.mark.slow

CANARIES = tuple(f"canary-{bird}-9xQ4mTz7-never-to-be-found" for bird in ("wren", "rook", "lark", "jay"))
TYPED, REFUSED, EDITED, SHOWN = CANARIES
# What every page holds as it comes, out of the back-forward cache too.
TELL = """
for (const type of ["pageshow", "DOMContentLoaded"]) {
  window.addEventListener(type, () => window.__tell(document.documentElement.outerHTML), true);
}
"""
EVERYTHING = """async () => JSON.stringify({
  html: document.documentElement.outerHTML,
  fields: [...document.querySelectorAll("input, textarea, select")].map((field) => field.value),
  local: {...localStorage}, session: {...sessionStorage}, cookie: document.cookie, state: history.state,
  url: location.href, title: document.title, window: window.name,
  databases: (await indexedDB.databases()).map((each) => each.name), caches: await caches.keys(),
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""


class Watched:
    """A window in a browser whose profile lies on the disk and whose back-forward cache is on."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page: Page = window.page
        self.told: list[str] = []

    def assert_nothing(self, where: str) -> None:
        end = time.monotonic() + 10  # a dialog's fields are emptied by an event that comes after it is hidden
        while (found := self._found()) and time.monotonic() < end:
            self.page.wait_for_timeout(100)
        assert not found, where

    def _found(self) -> list[str]:
        kept = self.page.evaluate(EVERYTHING) + self.page.content()
        return [canary for canary in CANARIES if canary in kept]


@pytest.fixture
def watched(browser: Browser, service: Service, people: dict[str, str], tmp_path: Path) -> Iterator[Watched]:
    profile = tmp_path / "profile"
    context = browser.browser_type.launch_persistent_context(
        profile,
        executable_path=CHROMIUM,
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context.set_default_timeout(30_000)
    watched = Watched(listen(Window(context, context.pages[0], service.url)))
    context.expose_binding("__tell", lambda _source, told: watched.told.append(told))
    context.add_init_script(WATCH + TELL)
    yield watched
    context.close()
    files = [path for path in profile.rglob("*") if path.is_file()]
    assert files
    for path in files:
        with suppress(FileNotFoundError):  # the last of the browser's processes cleans up after it
            content = path.read_bytes()
            for canary in CANARIES:
                assert canary.encode() not in content, path.name
                assert canary.encode("utf-16-le") not in content, path.name


def test_no_value_stays_anywhere_after_a_day_of_typing_and_looking(
    watched: Watched, service: Service, acme: str
) -> None:
    window, page = watched.window, watched.page
    make_secret(service, acme, "SHOWN", SHOWN)
    window.sign_in("adam@example.com", PASSWORD)
    window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("button", name="Create new").click()
    panel = page.get_by_role("dialog")
    panel.get_by_role("textbox", name="Value").fill(TYPED)
    page.keyboard.press("Escape")
    page.get_by_role("alertdialog").get_by_role("button", name="Discard").click()
    expect(panel).to_be_hidden()
    watched.assert_nothing("a panel that was given up")

    page.get_by_role("button", name="Create new").click()
    panel.get_by_label("Name", exact=True).fill("NO NAME")
    panel.get_by_role("textbox", name="Value").fill(REFUSED)
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    watched.assert_nothing("a form that was refused")
    panel.get_by_label("Name", exact=True).fill("TYPED")
    panel.get_by_role("textbox", name="Value").fill(TYPED)
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TYPED was created")
    watched.assert_nothing("after a create")

    page.get_by_role("button", name="Edit TYPED").click()
    panel.get_by_role("textbox", name="Value").fill(EDITED)
    page.once("dialog", lambda asks: asks.accept())
    window.go(f"/workspaces/{acme}/members")  # away, with the value typed and not saved
    page.go_back()
    expect(page.get_by_role("heading", name="Variables", exact=True)).to_be_visible()
    watched.assert_nothing("back again to a form that was left")
    window.go(f"/workspaces/{acme}/variables/TYPED/edit")
    page.get_by_role("textbox", name="Value").fill(EDITED)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TYPED was saved")
    page.go_back()
    page.get_by_role("heading", name="Edit TYPED").wait_for()
    watched.assert_nothing("back again to a form that was sent")
    page.go_forward()

    window.go(f"/workspaces/{acme}/variables?q=SHOWN")
    page.get_by_role("button", name="Show value of SHOWN").click()
    expect(page.get_by_text(SHOWN)).to_be_visible()
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    watched.assert_nothing("on to another page")
    page.go_back()
    expect(page.get_by_role("button", name="Show value of SHOWN")).to_be_visible()
    watched.assert_nothing("back again to where it was shown")
    page.get_by_role("button", name="Show value of SHOWN").click()
    expect(page.get_by_text(SHOWN)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    watched.assert_nothing("back again after signing out")

    assert len(watched.told) > 10
    for told in watched.told:
        assert not any(canary in told for canary in CANARIES), told[:60]
    window.note_violations()
    assert window.violations == []
    assert not any(canary in line for canary in CANARIES for line in window.console)
    assert_network_is_silent(window)


def assert_network_is_silent(window: Window) -> None:
    """A value goes out in the form that carries it, and comes back for the eye alone, which nobody may store."""
    for request in window.requests:
        assert not any(canary in request.url for canary in CANARIES)
        assert not any(canary in str(request.headers) for canary in CANARIES)
        if any(canary in (request.post_data or "") for canary in CANARIES):
            assert request.method == "POST"
            assert request.url.endswith(("/variables/new", "/variables/TYPED/edit"))
    for response in window.responses:
        if not response.request.url.startswith("http") or response.status in (204, 303):
            continue
        assert response.headers.get("cache-control") == "no-store" or "/static/" in response.url
        if response.url.endswith("/reveal"):
            continue  # the body of these holds the value: the page before has thrown it away
        assert not any(canary in str(response.headers) for canary in CANARIES)


def test_a_value_stands_in_no_answer_but_the_eyes(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_secret(service, acme, "SHOWN", SHOWN, description="canary of mine")
    window = opened("owner")
    for path in ("variables", "variables/SHOWN/edit", "variables/SHOWN/delete", "audit", "members", "settings"):
        answer = window.context.request.get(f"{service.url}/workspaces/{acme}/{path}")
        assert answer.ok
        assert SHOWN not in answer.text(), path
