"""The API blocks tab: a day with blocks, for each role, by keyboard, without JavaScript, and with others about."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from tests.pages.conftest import make_secret, make_variable
from tests.pages.test_everybody import HOSTILE, tab_to
from tests.support.browser import Window, axe
from tests.support.service import Service
from tests.support.upstream import Upstream

CANARY = "canary-4f8a1c7d9e2b-value"


def save_block(service: Service, workspace: str, name: str, call: dict[str, Any], **more: Any) -> None:
    body = {"name": name, "call": {"method": "GET"} | call} | more
    answer = service.ask("POST", f"/workspaces/{workspace}/blocks", body, user="olga@example.com")
    assert answer.status_code == 201, answer.text


def get_block(service: Service, workspace: str, name: str) -> dict[str, Any]:
    answer = service.ask("GET", f"/workspaces/{workspace}/blocks/{name}", user="olga@example.com")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(secret: str) -> list[dict[str, str]]:
    return [{"name": "Authorization", "value": f"Bearer {{{{secrets.{secret}}}}}"}]


def pick(page: Page, field: str, typed: str, option: str | re.Pattern[str]) -> None:
    """Choose from the combobox of a field, by keyboard but for the button."""
    page.get_by_role("button", name=f"Add secret to {field}").click()
    box = page.get_by_role("combobox", name=f"Secret for {field}")
    expect(box).to_be_focused()
    page.keyboard.type(typed)
    wanted = page.get_by_role("listbox", name="Secrets").get_by_role("option", name=option)
    expect(wanted.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")


def said(page: Page) -> Locator:
    return page.locator("#said")


def answer(page: Page) -> Locator:
    return page.get_by_role("region", name="Answer")


@pytest.mark.slow
@pytest.mark.parametrize("role", ["owner", pytest.param("admin", marks=pytest.mark.slow), "editor"])
def test_a_day_with_blocks(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream, role: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened(role)
    page = window.go(f"/workspaces/{acme}/blocks")
    expect(page.get_by_role("heading", name="No API blocks yet")).to_be_visible()
    page.get_by_role("button", name="Create new").click()
    page.get_by_label("Name", exact=True).fill("echo-it")
    page.get_by_label("Title").fill("Echo it")
    page.get_by_label("URL", exact=True).fill(f"http://127.0.0.1:{upstream.port}/echo/{{{{item}}}}")
    page.get_by_label("Name of header 1").fill("Authorization")
    page.get_by_label("Value of header Authorization").fill("Bearer ")
    pick(page, "header Authorization", "tok", "TOKEN Masked")
    expect(page.get_by_label("Value of header Authorization")).to_have_value("Bearer {{secrets.TOKEN}}")
    expect(said(page)).to_have_text("Added TOKEN to header Authorization.")
    page.get_by_role("button", name="Add capture").click()
    page.get_by_label("Name of capture 1").fill("path")
    page.get_by_label("Path of capture path").fill("$.path")
    page.get_by_label("Test value of item").fill("a b")
    page.get_by_role("button", name="Send").click()
    # A masked secret goes to public hosts unless it names others, and this one is none.
    refusal = page.get_by_role("region", name="Destination not allowed")
    expect(refusal).to_contain_text("An owner or admin can allow it" if role == "editor" else "Allow this host")
    hosts = {"allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    patched = service.ask(
        "PATCH", f"/workspaces/{acme}/secrets/TOKEN", hosts, user="olga@example.com", headers={"If-Match": "*"}
    )
    assert patched.ok, patched.text
    page.get_by_role("button", name="Send").click()
    expect(said(page)).to_contain_text("Answered 200")
    expect(answer(page).get_by_role("term").filter(has_text="path")).to_be_visible()
    expect(answer(page)).to_contain_text("/echo/a%20b")
    expect(answer(page).locator("mark")).to_have_text(["[redacted:TOKEN]"])
    expect(answer(page)).to_contain_text("1 place (TOKEN)")
    assert upstream.seen[-1].header("Authorization") == f"Bearer {CANARY}"
    assert CANARY not in page.content()
    sent = len(upstream.seen)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Preview").locator("mark")).to_have_text(["[secret:TOKEN]"])
    assert len(upstream.seen) == sent
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_have_text("The API block echo-it was created.")
    assert get_block(service, acme, "echo-it")["uses"] == ["TOKEN"]

    page.get_by_label("Title").fill("Echo it back")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_have_text("The API block echo-it was saved.")
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("echo-it-copy")
    page.get_by_label("Name", exact=True).fill("echo-two")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_have_text("The API block echo-two was created.")
    page.get_by_role("link", name="API blocks").click()
    row = page.get_by_role("row", name="echo-two")
    expect(row).to_contain_text("TOKEN")
    expect(row).to_contain_text("by " + {"owner": "olga", "admin": "adam", "editor": "edda"}[role])
    page.get_by_role("button", name="Delete echo-two").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    expect(dialog).to_contain_text("echo-two")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete echo-two")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Delete API block").click()
    expect(page.locator("#message")).to_have_text("The API block echo-two was deleted.")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="echo-it").click()
    page.get_by_role("button", name="Delete echo-it").click()
    dialog.get_by_role("button", name="Delete API block").click()
    expect(page.get_by_role("heading", name="No API blocks yet")).to_be_visible()
    window.assert_clean(expected_statuses=frozenset({403}))


@pytest.mark.slow
def test_the_record_names_the_block_where_nothing_was_changed(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    save_block(service, acme, "plain-one", {"url": f"http://127.0.0.1:{upstream.port}/"})
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/plain-one")
    page.get_by_role("button", name="Send").click()
    expect(said(page)).to_contain_text("Answered 200")
    page.get_by_label("Method").select_option("POST")
    page.get_by_role("button", name="Send").click()
    expect(answer(page)).to_contain_text('"method": "POST"')
    events = service.ask("GET", f"/workspaces/{acme}/audit?action=call.run", user="olga@example.com").json()["items"]
    names = [(each["target"]["type"], each["outcome"]) for each in events if each["outcome"] == "done"]
    assert names == [("call", "done"), ("block", "done")]


def test_a_secret_is_one_thing_in_its_field(opened: Callable[..., Window], service: Service, acme: str) -> None:
    for name in ("OLD", "NEW"):
        make_secret(service, acme, name, f"value-of-{name}")
    save_block(service, acme, "a", {"url": "https://api.example.com/x", "headers": bearer("OLD")})
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/a")
    field = page.get_by_label("Value of header Authorization")
    caret = "e => [e.selectionStart, e.selectionEnd]"
    expect(page.locator(".chip")).to_have_text(["{{secrets.OLD}}OLD"])
    field.focus()
    page.keyboard.press("End")
    page.keyboard.type("!")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert field.evaluate(caret) == [7, 7], "one arrow steps over the chip"
    page.keyboard.press("ArrowRight")
    assert field.evaluate(caret) == [22, 22]
    field.evaluate("e => e.setSelectionRange(12, 12)")  # as a click into the middle would
    expect(field).to_have_js_property("selectionStart", 7)
    page.keyboard.press("Shift+ArrowRight")
    assert field.evaluate(caret) == [7, 22]
    expect(page.locator(".chip.selected")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Backspace")
    expect(field).to_have_value("Bearer !")
    expect(page.locator(".chip")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(field).to_have_value("Bearer {{secrets.OLD}}!")
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Delete")
    expect(field).to_have_value("Bearer !")
    page.keyboard.press("Control+z")
    pick(page, "header Authorization", "new", "NEW Masked")
    expect(said(page)).to_have_text("Replaced OLD by NEW.")
    expect(field).to_have_value("Bearer {{secrets.NEW}}!")
    expect(field).to_be_focused()
    assert field.evaluate(caret) == [22, 22]
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove NEW from header Authorization")).to_be_focused()
    page.keyboard.press("Enter")
    expect(field).to_have_value("Bearer !")
    expect(field).to_be_focused()
    window.assert_clean()


@pytest.mark.slow
def test_the_combobox_does_as_the_authoring_practices_say(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    for name in ("ALPHA", "BETA", "GAMMA", "DELTA_BETA", "EPSILON"):
        make_secret(service, acme, name, f"value-of-{name}")
    strict = {"visibility": "restricted", "allowed_hosts": ["a.example"]}
    make_secret(service, acme, "STRICT", "sk_live_9f3b2c7e1a5d4860XyQ", **strict)
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    button = page.get_by_role("button", name="Add secret to URL")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("combobox", name="Secret for URL")
    expect(box).to_be_focused()
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(button).to_have_attribute("aria-expanded", "true")
    list_ = page.get_by_role("listbox", name="Secrets")
    expect(list_.get_by_role("option")).to_have_count(6)
    status = page.locator(".picker-count")
    expect(status).to_have_text("6 secrets. Ask an admin to create one or to set a new value.")
    assert status.get_attribute("role") == "status"
    active = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.dataset.name"
    assert page.evaluate(active) is None
    for key, name in [
        ("ArrowDown", "ALPHA"), ("ArrowDown", "BETA"), ("End", "STRICT"), ("ArrowDown", "ALPHA"),
        ("ArrowUp", "STRICT"), ("Home", "ALPHA"), ("PageDown", "STRICT"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(active) == name, key
    expect(list_.get_by_role("option", selected=True)).to_have_count(1)
    disabled = list_.get_by_role("option", name="STRICT")
    expect(disabled).to_have_attribute("aria-disabled", "true")
    expect(disabled).to_contain_text("only for header Authorization, user and password")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("STRICT can't be put in URL")
    page.keyboard.type("beta")
    expect(status).to_contain_text("2 secrets.")
    assert page.evaluate(active) == "BETA", "what is exactly meant comes first"
    page.keyboard.type("zzz")
    expect(status).to_contain_text("No secret matches.")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/blocks/-/new$"))
    page.keyboard.press("Escape")
    expect(list_).to_have_count(0)
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_label("URL", exact=True)).to_have_value("")
    page.keyboard.press("Enter")
    expect(box).to_be_focused()
    page.keyboard.press("Tab")
    expect(list_).to_have_count(0)
    button.click()
    expect(list_.get_by_role("option")).to_have_count(6)
    list_.get_by_role("option", name="GAMMA").click()
    expect(page.get_by_label("URL", exact=True)).to_have_value("/{{secrets.GAMMA}}")
    window.assert_clean()


@pytest.mark.slow
def test_keys_that_are_faster_than_the_list_choose_what_was_typed(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    for name in ("ALPHA", "BETA", "BETA_TWO", "GAMMA"):
        make_secret(service, acme, name, f"value-of-{name}")
    page = opened("owner").go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("URL", exact=True).fill("https://a.example/")
    for typed, keys, name in [
        ("gamma", ["Enter"], "GAMMA"),
        ("gam", ["ArrowDown", "Enter"], "GAMMA"),
        ("beta", ["ArrowDown", "Enter"], "BETA"),
        ("beta", ["ArrowDown", "ArrowDown", "Enter"], "BETA_TWO"),
        ("", ["ArrowDown", "ArrowDown", "ArrowDown", "Enter"], "ALPHA"),  # past the field's own, and its new value
    ]:
        page.get_by_role("button", name="Add secret to URL").click()
        for key in [*typed, *keys]:
            page.keyboard.press(key)
        expect(page.locator("#picker")).to_have_count(0)
        expect(page.get_by_label("URL", exact=True)).to_have_value(f"https://a.example/{{{{secrets.{name}}}}}")
        assert page.locator("dialog[open]").count() == 0


@pytest.mark.slow
def test_an_answer_for_an_earlier_text_takes_no_keys(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    for name in ("BETA", "BETA_TWO"):
        make_secret(service, acme, name, f"value-of-{name}")
    page, held = opened("owner").go(f"/workspaces/{acme}/blocks/-/new"), list[Route]()
    page.route("**/secrets?q=bet&*", lambda route: held.append(route))
    page.get_by_role("button", name="Add secret to URL").click()
    page.keyboard.type("bet")
    while not held:
        page.wait_for_timeout(10)
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))  # so that the next text isn't asked for yet
    for key in ["a", "ArrowDown", "ArrowDown"]:
        page.keyboard.press(key)
    with page.expect_response("**/secrets?q=bet&*"):
        held[0].continue_()
    page.wait_for_timeout(200)  # for the script to see it
    with page.expect_response("**/secrets?q=beta&*"):
        page.clock.run_for(1000)
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")
    expect(page.get_by_label("URL", exact=True)).to_have_value("/{{secrets.BETA_TWO}}")


@pytest.mark.slow
def test_each_part_of_a_url_and_each_string_of_json_holds_its_own(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    for name in ("ONE", "TWO"):
        make_secret(service, acme, name, f"value-of-{name}")
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    url = page.get_by_label("URL", exact=True)
    url.fill("https://a.example/x/?k=&l=2")
    url.evaluate("e => e.setSelectionRange(23, 23)")
    pick(page, "URL", "one", "ONE Masked")
    expect(url).to_have_value("https://a.example/x/?k={{secrets.ONE}}&l=2")
    url.evaluate("e => e.setSelectionRange(20, 20)")
    pick(page, "URL", "two", "TWO Masked")
    expect(url).to_have_value("https://a.example/x/{{secrets.TWO}}?k={{secrets.ONE}}&l=2")
    url.evaluate("e => e.setSelectionRange(3, 3)")  # a host holds none: the path has it
    pick(page, "URL", "one", "ONE Masked")
    expect(said(page)).to_have_text("Replaced TWO by ONE.")
    page.get_by_label("Body", exact=True).select_option("json")
    body = page.get_by_label("JSON body", exact=True)
    body.fill('{"a": "x", "b": }')
    body.evaluate("e => e.setSelectionRange(8, 8)")
    pick(page, "JSON body", "one", "ONE Masked")
    body.evaluate("e => e.setSelectionRange(e.value.length - 1, e.value.length - 1)")
    pick(page, "JSON body", "two", "TWO Masked")
    expect(body).to_have_value('{"a": "x{{secrets.ONE}}", "b": "{{secrets.TWO}}"}')
    body.evaluate("e => e.setSelectionRange(7, 7)")
    pick(page, "JSON body", "two", "TWO Masked")
    expect(body).to_have_value('{"a": "x{{secrets.TWO}}", "b": "{{secrets.TWO}}"}')
    window.assert_clean()


@pytest.mark.slow
def test_owners_and_admins_create_and_edit_from_the_list_and_lose_nothing(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("Name", exact=True).fill("half-typed")
    page.get_by_label("Name of header 1").fill("Authorization")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    page.keyboard.type("FRESH")
    expect(page.locator(".picker-count")).to_have_text("No secret matches.")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_label("Name", exact=True)).to_have_value("FRESH")
    panel.get_by_role("textbox", name="Value").fill("canary-fresh-value")
    panel.get_by_role("button", name="Save").click()
    expect(panel).to_be_hidden()
    expect(page.get_by_label("Value of header Authorization")).to_have_value("{{secrets.FRESH}}")
    expect(page.locator("#message")).to_contain_text("FRESH was created")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    page.get_by_role("option", name="Edit value of FRESH").click()
    expect(panel.get_by_role("heading", name="Edit FRESH")).to_be_visible()
    panel.get_by_role("textbox", name="Value").fill("canary-fresh-value-2")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("FRESH was saved.")
    expect(page.get_by_label("Value of header Authorization")).to_have_value("{{secrets.FRESH}}")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    page.get_by_role("option", name="Create new").click()
    expect(panel.get_by_label("Name", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add secret to header Authorization")).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("half-typed")
    assert "canary" not in page.content()
    window.assert_clean()


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_is_kept(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("Name", exact=True).fill("No Name")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/{{id}}")
    page.get_by_label("Body", exact=True).select_option("json")
    page.get_by_label("JSON body", exact=True).fill('{"a": }')
    page.get_by_role("button", name="Send").click()
    body = page.get_by_label("JSON body", exact=True)
    expect(body).to_have_attribute("aria-invalid", "true")
    expect(body).to_have_accessible_description(re.compile(r"Invalid JSON: look at line 1, character 7\."))
    expect(page.get_by_role("link", name="body")).to_have_attribute("href", "#json")
    body.press_sequentially(" ")
    expect(body).not_to_have_attribute("aria-invalid", "true")
    body.fill('{"a": "{{secrets.GONE}}"}')
    page.get_by_role("button", name="Send").click()
    expect(body).to_have_accessible_description(re.compile("No usable secret GONE"))
    body.fill('{"a": 1}')
    page.get_by_role("button", name="Send").click()
    test = page.get_by_label("Test value of id")
    expect(test).to_have_attribute("aria-invalid", "true")
    expect(test).to_have_accessible_description(re.compile("no value"))
    page.get_by_role("button", name="Save").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_value("No Name")
    expect(page.get_by_label("JSON body", exact=True)).to_have_value('{"a": 1}')
    page.get_by_role("button", name="Add header").click()
    expect(page.get_by_label("Name of header 1")).to_be_focused()
    page.get_by_label("Name of header 1").fill("Host")
    page.get_by_label("Value of header Host").fill("x")
    name.fill("a-name")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Name of header 1")).to_have_accessible_description(re.compile("Can't be set"))
    page.get_by_role("button", name="Remove header Host", exact=True).click()
    expect(page.get_by_role("button", name="Add header")).to_be_focused()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_have_text("The API block a-name was created.")
    window.assert_clean(expected_statuses=frozenset({422}))


def test_the_page_asks_before_what_was_typed_is_lost(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_label("Title").fill("Half typed")
    with page.expect_event("dialog"):
        page.get_by_role("link", name="Members").click()
    expect(page.get_by_label("Title")).to_have_value("Half typed")
    assert asked == ["beforeunload"]
    page.get_by_label("Name", exact=True).fill("typed")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("was created")
    page.get_by_role("link", name="Members").click()
    expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()
    assert asked == ["beforeunload"]
    window.assert_clean()


@pytest.mark.slow
def test_a_lost_race_keeps_what_was_typed_and_says_who_was_faster(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    save_block(service, acme, "raced", {"url": "https://api.example.com/"})
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/raced")
    page.get_by_label("Title").fill("Mine")
    theirs = service.ask(
        "PATCH", f"/workspaces/{acme}/blocks/raced", {"title": "Theirs"}, user="adam@example.com",
        headers={"If-Match": "*"},
    )  # fmt: skip
    assert theirs.ok, theirs.text
    page.get_by_role("button", name="Save").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(re.compile(r"changed by adam@example\.com at \d{1,2} [A-Z]"))  # as people read it
    expect(alert.get_by_role("link")).to_have_attribute("href", f"/workspaces/{acme}/blocks/raced")
    expect(page.get_by_label("Title")).to_have_value("Mine")
    assert get_block(service, acme, "raced")["title"] == "Theirs"
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("was saved")
    assert get_block(service, acme, "raced")["title"] == "Mine"
    window.assert_clean(expected_statuses=frozenset({412}))


@pytest.mark.slow
def test_a_field_whose_secret_is_gone_is_marked_in_the_list_and_in_the_editor(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    make_secret(service, acme, "OTHER", CANARY + "2")
    save_block(service, acme, "a", {"url": "https://api.example.com/", "headers": bearer("TOKEN")})
    gone = service.ask("DELETE", f"/workspaces/{acme}/secrets/TOKEN?confirm=TOKEN&force=true", user="olga@example.com")
    assert gone.status_code == 204
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks")
    expect(page.get_by_role("row", name="a 1 problem")).to_contain_text("There is no usable secret TOKEN.")
    page.get_by_role("button", name="Edit a").click()
    field = page.get_by_label("Value of header Authorization")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("no usable secret TOKEN"))
    expect(page.locator(".chip.missing")).to_have_count(1)
    page.get_by_label("Title").fill("Can be changed all the same")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("was saved")
    pick(page, "header Authorization", "other", "OTHER Masked")
    expect(page.locator(".chip.missing")).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("was saved")
    expect(page.get_by_label("Value of header Authorization")).not_to_have_attribute("aria-invalid", "true")
    window.assert_clean()


@pytest.mark.slow
def test_many_blocks_are_searched_and_paged(opened: Callable[..., Window], service: Service, acme: str) -> None:
    for number in range(27):
        save_block(service, acme, f"block-{number:02d}", {"url": "https://api.example.com/"}, title=f"Number {number}")
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks")
    expect(page.locator("tbody tr")).to_have_count(25)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="First page").click()
    page.get_by_label("Search API blocks").fill("number 26")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#found")).to_have_text("1 match")
    page.get_by_label("Search API blocks").fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    window.assert_clean()


@pytest.mark.slow
def test_blocks_by_keyboard_alone(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    make_secret(service, acme, "TOKEN", CANARY, allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks")
    tab_to(page, "Create new")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("by-keys")
    tab_to(page, "URL")
    page.keyboard.type(f"http://127.0.0.1:{upstream.port}/")
    tab_to(page, "Name of header 1")
    page.keyboard.type("Authorization")
    tab_to(page, "Add secret to header Authorization")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Secret for header Authorization")).to_be_focused()
    expect(page.get_by_role("option", name="TOKEN")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Value of header Authorization")).to_have_value("{{secrets.TOKEN}}")
    tab_to(page, "Send")
    page.keyboard.press("Enter")
    expect(answer(page)).to_contain_text("1 place (TOKEN)")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_focused()
    page.get_by_label("Title").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("by-keys was created")
    tab_to(page, "Delete by-keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("by-keys was deleted")
    window.assert_clean()


@pytest.mark.slow
def test_without_javascript_blocks_are_made_changed_sent_and_deleted(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    make_secret(service, acme, "TOKEN", CANARY, allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    window = opened("editor", java_script_enabled=False)
    page = window.page
    page.goto(f"{window.url}/workspaces/{acme}/blocks")
    page.get_by_role("button", name="Create new").click()
    expect(page.get_by_role("button", name="Add secret to URL")).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("plain-page")
    page.get_by_label("URL", exact=True).fill(f"http://127.0.0.1:{upstream.port}/{{{{id}}}}")
    page.get_by_label("Name of header 1").fill("Authorization")
    page.get_by_label("Value of header 1").fill("Bearer {{secrets.TOKEN}}")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Test value of id")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Test value of id").fill("7")
    page.get_by_role("button", name="Send").click()
    expect(answer(page)).to_contain_text("Bearer [redacted:TOKEN]")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Preview")).to_contain_text("[secret:TOKEN]")
    page.get_by_label("Body", exact=True).select_option("form")
    page.get_by_label("Name of form field 1").fill("a")
    page.get_by_label("Value of form field 1").fill("b")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_have_text("The API block plain-page was created.")
    call = get_block(service, acme, "plain-page")["call"]
    assert call["body"] == {"type": "form", "content": [{"name": "a", "value": "b"}]}
    assert call["headers"] == bearer("TOKEN")
    page.get_by_label("Name of header 1").fill("")
    page.get_by_label("Value of header Authorization").fill("")
    page.get_by_label("Name of query parameter 1").fill("q")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_have_text("The API block plain-page was saved.")
    call = get_block(service, acme, "plain-page")["call"]
    assert (call["headers"], call["query"]) == ([], [{"name": "q", "value": ""}])
    page.get_by_role("button", name="Delete plain-page").click()
    page.get_by_role("button", name="Delete API block").click()
    expect(page.locator("#message")).to_have_text("The API block plain-page was deleted.")
    assert CANARY not in page.content()


def test_the_server_insists_on_a_confirmed_deletion(opened: Callable[..., Window], service: Service, acme: str) -> None:
    save_block(service, acme, "stays", {"url": "https://api.example.com/"})
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/stays/delete")
    page.evaluate("document.querySelector('[name=confirm]').value = 'other'")
    page.get_by_role("button", name="Delete API block").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert get_block(service, acme, "stays")["name"] == "stays"


@pytest.mark.slow
def test_axe_finds_nothing_on_any_state_of_the_blocks(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    found: dict[str, list[str]] = {}
    window = opened("owner", reduced_motion="reduce")

    def look(state: str) -> None:
        if told := axe(window.page):
            found[state] = told

    base = f"/workspaces/{acme}/blocks"
    page = window.go(base)
    look("none yet")
    make_secret(service, acme, "TOKEN", CANARY, allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    make_secret(service, acme, "GONE", CANARY + "2")
    make_secret(service, acme, "STRICT", "sk_live_9f3b2c7e1a5d4860XyQ", visibility="restricted", allowed_hosts=["a.de"])
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/{{{{id}}}}",
        "headers": bearer("TOKEN"),
        "query": [{"name": "q", "value": "{{secrets.GONE}}"}],
        "auth": {"type": "none"},
        "body": {"type": "json", "content": {"a": "{{x}}"}},
        "captures": [{"name": "path", "path": "$.path"}],
        "variables": {"id": "1", "x": "2"},
    }
    hosts = {"allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    service.ask("PATCH", f"/workspaces/{acme}/secrets/GONE", hosts, user="olga@example.com", headers={"If-Match": "*"})
    save_block(service, acme, "a", call)
    gone = service.ask("DELETE", f"/workspaces/{acme}/secrets/GONE?confirm=GONE&force=true", user="olga@example.com")
    assert gone.status_code == 204
    for path in (base, f"{base}?q=zzz", f"{base}/-/new", f"{base}/a/delete", f"{base}/a"):
        window.go(path)
        look(path)
    for kind in ("form", "multipart", "text"):
        page.get_by_label("Body", exact=True).select_option(kind)
        if kind != "text":
            page.get_by_role("button", name={"form": "Add form field", "multipart": "Add part"}[kind]).click()
        look(kind)
    page.get_by_label("Sign-in").select_option("basic")
    look("basic")
    page.get_by_role("button", name="Add secret to URL").click()
    expect(page.get_by_role("option", name="STRICT").first).to_be_visible()
    page.keyboard.press("End")
    look("combobox")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert").or_(page.locator(".refused-fields"))).to_be_visible()
    look("refused")
    window.go(f"{base}/a")
    page.get_by_role("button", name="Remove query parameter q", exact=True).click()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Preview")).to_be_visible()
    look("preview")
    page.get_by_role("button", name="Send").click()
    expect(answer(page)).to_be_visible()
    answer(page).get_by_text(re.compile("headers?$")).click()
    look("answer")
    page.get_by_role("button", name="Delete a", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look("delete")
    assert found == {}


@pytest.mark.slow
def test_hostile_text_in_a_block_is_only_ever_text(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    hostile = HOSTILE.replace("{{", "").replace("}}", "")
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/x?{{{{id}}}}=1",
        "headers": [{"name": "X-A", "value": hostile}],
        "query": [{"name": hostile, "value": hostile}],
        "auth": {"type": "basic", "username": hostile.replace(":", ""), "password": hostile},
        "body": {"type": "json", "content": {hostile: hostile + "{{id}}"}},
        "captures": [{"name": "everything", "path": "$"}],
        "variables": {"id": hostile},
    }
    call["url"] = f"http://127.0.0.1:{upstream.port}/x"
    save_block(service, acme, "hostile", call, title=hostile[:120])
    make_variable(service, acme, "V", hostile)
    window = opened("owner")
    base = f"/workspaces/{acme}/blocks"
    quoted = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.__hit%3D1%3E"
    for path in (base, f"{base}?q={quoted}", f"{base}/hostile", f"{base}/-/new?from=hostile", f"{base}/hostile/delete"):
        page = window.go(path)
        assert page.evaluate("window.__hit") is None, path
        assert page.locator("img").count() == 0, path
    page = window.go(f"{base}/hostile")
    for button in ("Preview", "Send"):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("region", name={"Send": "Answer"}.get(button, button))).to_be_visible()
    expect(answer(page)).to_contain_text("<script>")
    page.get_by_label("Name of header 1").fill(hostile)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".answer .problem")).to_be_visible()
    page.get_by_role("button", name="Add secret to URL").click()
    page.keyboard.type(hostile[:60])
    expect(page.locator(".picker-count")).to_contain_text("No secret matches.")
    assert page.evaluate("window.__hit") is None
    assert page.locator("img").count() == 0
    window.assert_clean(expected_statuses=frozenset({422}))


def test_a_stranger_and_a_forged_form_get_nowhere(opened: Callable[..., Window], service: Service, acme: str) -> None:
    save_block(service, acme, "mine", {"url": "https://api.example.com/"})
    window = opened("stranger")
    for path in ("", "/-/new", "/-/secrets", "/mine", "/mine/delete"):
        told = window.context.request.get(f"{service.url}/workspaces/{acme}/blocks{path}")
        assert told.status == 404, path
        assert "mine" not in told.text().replace("/mine", "")
    window = opened("editor")
    for path in ("/-/new", "/mine", "/mine/delete"):
        told = window.context.request.post(f"{service.url}/workspaces/{acme}/blocks{path}", form={"do": "save"})
        assert told.status == 400, path
