"""Plain variables on the pages: where they are used, what their end means, and their names while one types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import make_secret, make_variable
from tests.pages.test_blocks import answer, get_block, save_block
from tests.support.browser import Window, axe
from tests.support.service import Service
from tests.support.upstream import Upstream


@pytest.mark.slow
def test_a_variable_that_blocks_use_is_hard_to_delete_and_its_block_says_so(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_variable(service, acme, "region", "eu-central-1")
    save_block(service, acme, "by-region", {"url": "https://api.example.com/{{region}}"})
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/variables")
    row = page.get_by_role("row").filter(has_text="region")
    row.get_by_role("link", name="1 block", exact=True).click()
    expect(page.get_by_role("region", name="Where it is used").get_by_role("link", name="by-region")).to_be_visible()
    page.get_by_role("button", name="Delete region").click()
    modal = page.get_by_role("dialog")
    expect(modal.get_by_text("1 API block uses it, and will fail until a run brings it")).to_be_visible()
    modal.get_by_role("button", name="Delete variable").click()
    expect(modal.get_by_text("Type region to confirm.", exact=True)).to_be_visible()
    modal.get_by_label("Type region to confirm").fill("region")
    modal.get_by_role("button", name="Delete variable").click()
    expect(page.get_by_text("Variable region was deleted.")).to_be_visible()
    page = window.go(f"/workspaces/{acme}/blocks")
    expect(page.get_by_role("row").filter(has_text="by-region")).to_contain_text("needs region")
    page.get_by_role("link", name="by-region").click()
    lacking = page.locator("#lacking")
    expect(lacking).to_contain_text("The variable region is missing")
    assert axe(page) == []
    lacking.get_by_role("link", name="Create region").click()
    panel = page.get_by_role("dialog", name="Create new")
    expect(panel.get_by_label("Name", exact=True)).to_have_value("region")
    panel.get_by_label("Value", exact=True).fill("us-east-1")
    panel.get_by_role("button", name="Save").click()
    expect(lacking).to_be_empty()
    expect(page.get_by_label("Test value of region")).to_have_attribute("placeholder", "default: us-east-1")
    expect(page.get_by_text("From the workspace variable region.")).to_be_visible()


def test_a_variables_value_is_what_a_block_is_tried_with(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    make_variable(service, acme, "region", "eu-central-1")
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("URL", exact=True).fill(f"http://127.0.0.1:{upstream.port}/echo/{{{{+region}}}}")
    test = page.get_by_label("Test value of region")
    expect(test).to_have_attribute("placeholder", "default: eu-central-1")
    page.get_by_role("button", name="Add default").click()
    page.get_by_label("Name of variable 1").fill("region")
    page.get_by_label("Default of variable region").fill("own")
    expect(test).to_have_attribute("placeholder", "default: own")
    expect(page.get_by_text("From the workspace variable region.")).to_be_hidden()
    page.get_by_role("button", name="Remove variable region").click()
    expect(test).to_have_attribute("placeholder", "default: eu-central-1")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(answer(page)).to_contain_text("/echo/eu-central-1")


@pytest.mark.slow
def test_names_are_offered_while_one_types_and_taken_by_keyboard(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    for name in ("region", "account_id", "other"):
        make_variable(service, acme, name, f"value-of-{name}")
    make_secret(service, acme, "REGION_KEY", "masked-value-1")
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    field = page.get_by_label("URL", exact=True)
    names = page.get_by_role("listbox", name="Variables")
    field.fill("https://api.example.com/")
    field.press("End")
    page.keyboard.type("{{")
    expect(names.get_by_role("option")).to_have_count(6)  # three of the workspace's, and what each call makes anew
    assert axe(page) == []
    page.keyboard.type("reg")
    expect(names.get_by_role("option")).to_have_count(1)  # no secret's name
    expect(names.get_by_role("option", name="region value-of-region")).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", "names-option-0")
    page.keyboard.press("Enter")
    expect(field).to_have_value("https://api.example.com/{{region}}")
    expect(names).to_be_hidden()
    page.keyboard.type("/{{")
    expect(names).to_be_visible()
    page.keyboard.press("Escape")
    expect(names).to_be_hidden()
    expect(field).to_be_focused()
    page.keyboard.type("o")
    expect(names.get_by_role("option")).to_have_count(3)
    page.keyboard.press("ArrowUp")
    expect(names.get_by_role("option").last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(names.get_by_role("option", name="other")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    expect(field).to_have_value("https://api.example.com/{{region}}/{{other}}")
    expect(field).to_be_focused()
    page.keyboard.type("?a={{zzz")
    expect(names).to_be_hidden()
    page.keyboard.type("}}")
    page.get_by_role("textbox", name="Name", exact=True).fill("typed")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#lacking")).to_contain_text("The variable zzz is missing")
    assert get_block(service, acme, "typed")["call"]["url"] == "https://api.example.com/{{region}}/{{other}}?a={{zzz}}"
    field = page.get_by_label("URL", exact=True)
    field.fill("https://api.example.com/{{region}}")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#lacking")).to_be_empty()


@pytest.mark.slow
def test_a_variable_called_new_has_a_page(opened: Callable[..., Window], service: Service, acme: str) -> None:
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/variables/new")
    expect(page.get_by_role("heading", name="Create new")).to_be_visible()
    make_variable(service, acme, "new", "something")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("link", name="new", exact=True).click()
    expect(page.get_by_role("heading", name="new", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Value")).to_have_text("something")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("button", name="Create new").click()
    expect(page.get_by_role("dialog", name="Create new")).to_be_visible()
