"""Whatever is as long as it may be fits, on a telephone and on a wide screen, and is reached by keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import make_block, make_secret, make_variable, make_workspace
from tests.support.browser import Window, axe, broken_words
from tests.support.service import Service

NAME, SLUG = "L" * 64, "b" * 63
PHONE, DESK = {"width": 360, "height": 800}, {"width": 1280, "height": 800}
WIDTHS = (360, 1100, 1217, 1280)  # a telephone; cards and table, each where it is tightest; a usual screen


@pytest.fixture(scope="module")
def long(service: Service, people: dict[str, str]) -> str:
    workspace = make_workspace(service, people, title="W" * 128)
    hosts = ["a" * 60 + ".example.com", "b.example.com"]
    make_secret(service, workspace, NAME, "long-value-" * 90, description="d" * 2000, allowed_hosts=hosts)
    make_variable(service, workspace, "v" * 64, "value" * 1000)
    call = {"method": "GET", "url": f"https://{'h' * 60}.example.com/{'p' * 300}"}
    using = {
        "method": "GET",
        "url": f"https://{hosts[0]}/",
        "headers": [{"name": "Authorization", "value": f"{{{{secrets.{NAME}}}}}"}],
    }
    tokens = {"role": "runtime", "label": "l" * 128, "expires_at": "2099-01-01T00:00:00Z"}
    for path, body in [
        ("blocks", {"name": SLUG, "title": "T" * 128, "call": call}),
        ("blocks", {"name": "c" * 63, "call": using}),
        ("tokens", tokens),
    ]:
        made = service.ask("POST", f"/workspaces/{workspace}/{path}", body, user=people["owner"], keep=False)
        assert made.ok, made.text
    added = service.ask("PUT", f"/workspaces/{workspace}/members/{'m' * 128}", {"role": "editor"}, user=people["owner"])
    assert added.ok, added.text
    return workspace


def overlap(page: Page, one: str, other: str) -> bool:
    """Tell whether two elements share a place on the page."""
    a, b = page.locator(one).first.bounding_box(), page.locator(other).first.bounding_box()
    assert a
    assert b
    beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
    return not beside and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_and_no_name_lies_under_a_button(
    opened: Callable[..., Window], long: str, width: int
) -> None:
    window = opened("owner", viewport={"width": width, "height": 800})
    for path in ("variables", "blocks", f"blocks/{SLUG}", "members", "audit", "settings"):
        page = window.go(f"/workspaces/{long}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        if path in ("variables", "blocks", "members", "settings"):
            assert not overlap(page, "tbody tr .name", "tbody tr .actions button"), path


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_what_an_editor_may_look_at_fits_too(opened: Callable[..., Window], long: str, width: int) -> None:
    window = opened("editor", viewport={"width": width, "height": 800})
    for path in ("variables", f"variables/{NAME}"):
        page = window.go(f"/workspaces/{long}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


def test_what_a_token_is_stands_beside_its_label_on_a_telephone(opened: Callable[..., Window], long: str) -> None:
    page = opened("owner", viewport=PHONE).go(f"/workspaces/{long}/settings")
    state, time = page.locator("td[data-label=State]"), page.locator("td[data-label=State] time")
    expect(state).to_contain_text("expires ")
    left, inner = state.bounding_box(), time.bounding_box()
    assert left
    assert inner
    assert inner["x"] > left["x"] + 90, "in the column of the values, not under the labels"


@pytest.mark.slow
def test_a_long_value_is_scrolled_by_keyboard_and_hides_as_ever(opened: Callable[..., Window], long: str) -> None:
    page = opened("owner", viewport=DESK).go(f"/workspaces/{long}/variables")
    page.get_by_role("button", name=f"Show value of {NAME}").click()
    page.get_by_role("button", name="Show longer").click()  # than axe-core takes on a busy machine
    value = page.get_by_role("group", name=f"Value of {NAME}")
    value.focus()
    page.keyboard.press("End")
    expect(value).not_to_have_js_property("scrollTop", 0)
    assert axe(page) == []
    eye = page.get_by_role("button", name=f"Hide value of {NAME}")
    eye.click()
    expect(value).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1024, 1280, 1920])
def test_names_as_people_give_them_are_broken_between_their_words_alone(
    opened: Callable[..., Window], service: Service, acme: str, width: int
) -> None:
    names = [f"SALESFORCE_CLIENT_SECRET_{place}_{number}" for number in range(26) for place in ("PROD", "STAGING_EU")]
    for number, name in enumerate(names):
        make_secret(service, acme, name, f"masked-value-{number}", description="Ask the platform team")
    used = names[0]
    make_block(service, acme, "synchronise-accounts-with-salesforce-staging", used)
    value = {"value": "masked-value-again"}
    assert service.ask("PUT", f"/workspaces/{acme}/secrets/{used}/value", value, user="olga@example.com", keep=False).ok
    window = opened("owner", viewport={"width": width, "height": 900}, reduced_motion="reduce")
    broken: dict[str, list[str]] = {}

    def look(state: str) -> None:
        page = window.page
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), state
        if found := broken_words(page):
            broken[state] = found

    for path in ("variables?page=2", "blocks", "members", "audit", f"variables/{used}", "settings"):
        page = window.go(f"/workspaces/{acme}/{path}")
        look(path)
        if path.startswith("variables?"):
            page.locator("tbody").get_by_role("button", name="Edit").first.click()
            page.get_by_role("dialog").get_by_role("button", name="Save").wait_for()
            look("edit")
            page.keyboard.press("Escape")
    page = window.go(f"/workspaces/{acme}/variables/{used}")
    back = page.get_by_role("button", name="Roll back to version 1")
    button, version = back.bounding_box(), page.get_by_text("Version 1", exact=True).bounding_box()
    assert button
    assert version
    assert width > 896 or button["y"] > version["y"] + 80, "below what is said of the version"
    back.click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").wait_for()
    look("roll back")
    page = window.go(f"/workspaces/{acme}/variables/{used}/delete")
    look("delete")
    page = window.go(f"/workspaces/{acme}/blocks/synchronise-accounts-with-salesforce-staging")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    page.locator(".picker-secret").first.wait_for()
    look("menu")
    assert broken == {}
