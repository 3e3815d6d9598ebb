"""How the pages stand on screens of every width: one grid, names in one piece, and what goes first for want of room."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import in_three_days, make_block, make_secret
from tests.support.browser import Window
from tests.support.service import Service

pytestmark = pytest.mark.slow
NAME = "DATADOG_CLIENT_SECRET_STAGING_EU"


@pytest.fixture
def furnished(service: Service, acme: str) -> str:
    make_secret(service, acme, NAME, "masked-value-1", allowed_hosts=["api.datadoghq.eu"], expires_at=in_three_days())
    make_block(service, acme, "open-ticket", NAME)
    return acme


def left(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["x"]


def lines_of(element: Locator) -> int:
    return int(element.evaluate("(element) => element.getClientRects().length"))


def show(opened: Callable[..., Window], workspace: str, tab: str, width: int) -> Page:
    page = opened("owner", viewport={"width": width, "height": 900}).go(f"/workspaces/{workspace}/{tab}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return page


def test_everything_begins_at_one_line_on_a_wide_screen(opened: Callable[..., Window], furnished: str) -> None:
    for tab in ("variables", "blocks", "audit", "variables/-/new"):
        page = show(opened, furnished, tab, 1920)
        places = (".brand", ".workspace .title", "h1", ".foot-links a")
        edges = {round(left(page.locator(place).first)) for place in places}
        assert len(edges) == 1, (tab, edges)


@pytest.mark.parametrize(("width", "gone"), [(1920, ()), (1280, ()), (1024, ("Last used", "Updated"))])
def test_columns_go_before_names_break(
    opened: Callable[..., Window], furnished: str, width: int, gone: tuple[str, ...]
) -> None:
    page = show(opened, furnished, "variables", width)
    assert lines_of(page.get_by_role("link", name=NAME, exact=True)) == 1
    heads = page.get_by_role("columnheader")
    for name in ("Name", "Kind", "Value", "Hosts", "Used in", "Last used", "Updated"):
        expect(heads.filter(has_text=name)).to_have_count(0 if name in gone else 1)


def test_on_a_telephone_tabs_scroll_and_filters_fold(opened: Callable[..., Window], furnished: str) -> None:
    for tab in ("variables", "audit"):
        page = show(opened, furnished, tab, 390)
        assert page.locator(".tabs").evaluate("(tabs) => tabs.scrollWidth > tabs.clientWidth")
        filters = page.locator("[data-fold]")
        expect(filters).to_have_js_property("open", False)
        page.get_by_text("Filters", exact=True).click()
        expect(filters.locator("select").first).to_be_visible()
    page = show(opened, furnished, "variables?kind=secret", 390)
    expect(page.get_by_label("Kind")).to_be_visible()  # what is in use isn't hidden


def test_deleting_stands_quiet_and_an_expiry_has_its_date(opened: Callable[..., Window], furnished: str) -> None:
    page = show(opened, furnished, "variables", 1280)
    delete, edit = (page.get_by_role("button", name=f"{what} {NAME}") for what in ("Delete", "Edit"))
    assert left(delete) > left(edit)

    def colour(button: Locator) -> str:
        return str(button.evaluate("(button) => getComputedStyle(button).color"))

    assert colour(delete) == colour(edit)
    delete.hover()
    assert colour(delete) != colour(edit)
    page.get_by_role("link", name=NAME, exact=True).click()
    day = page.get_by_text("Expires", exact=True).locator("xpath=following-sibling::dd")
    expect(day.locator("time").first).to_have_text(re.compile(r"^\d{1,2} [A-Z][a-z]{2} 20\d\d, \d\d:\d\d UTC$"))


@pytest.mark.parametrize("width", [1024, 1280, 1920])
def test_the_audit_tab_s_button_stands_beside_its_last_field(
    opened: Callable[..., Window], furnished: str, width: int
) -> None:
    page = show(opened, furnished, "audit", width)
    button = page.get_by_role("button", name="Filter").bounding_box()
    for field in ("From", "Through", *(["Who"] if width > 1024 else [])):
        box = page.get_by_label(field, exact=True).bounding_box()
        assert button is not None
        assert box is not None
        assert abs(box["y"] - button["y"]) < 2, field
