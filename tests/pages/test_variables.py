"""The Variables tab in a real browser: making, finding, changing and deleting."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert, update

from app.db import Sessions, open_engine
from app.kernel.clock import system_clock
from app.variables.models import VariableRow
from tests.pages.conftest import PASSWORD, make_block, make_secret, make_variable
from tests.support.browser import Window
from tests.support.caller import Caller
from tests.support.service import Service

CANARY = "canary-7Kq2mZx9-in-the-coal-mine"


def open_panel(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_an_owner_makes_a_secret_in_the_panel_and_nothing_of_its_value_stays(
    opened: Callable[..., Window], acme: str
) -> None:
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    expect(page.get_by_text("No variables yet")).to_be_visible()
    open_panel(page, "Create new")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_label("Name", exact=True)).to_be_focused()
    expect(panel.get_by_text("can't be changed later")).to_be_visible()
    panel.get_by_label("Secret", exact=True).check()
    panel.get_by_label("Name", exact=True).fill("ZENDESK_TOKEN")
    panel.get_by_role("textbox", name="Value").fill(CANARY)
    panel.get_by_label("Masked", exact=True).check()
    panel.get_by_label("Allowed hosts").fill("api.zendesk.com")
    panel.get_by_label("Description").fill("Opens tickets")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("Secret ZENDESK_TOKEN was created.")
    row = page.get_by_role("row", name="ZENDESK_TOKEN")
    for text in ("Secret", "Masked", "••••••••", "api.zendesk.com", "0 blocks", "never", "olga@example.com"):
        expect(row).to_contain_text(text)
    assert CANARY not in page.content()
    window.assert_clean()


def test_a_plain_variable_is_made_shown_changed_and_deleted(opened: Callable[..., Window], acme: str) -> None:
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/variables")
    open_panel(page, "Create new")
    expect(page.get_by_role("dialog").get_by_role("radio")).to_have_count(1)  # nothing but a plain variable
    expect(page.get_by_role("dialog").get_by_role("radio", name="Variable")).to_be_checked()
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill("REGION")
    page.get_by_role("dialog").get_by_role("textbox", name="Value").fill("eu-1")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="REGION")).to_contain_text("eu-1")
    open_panel(page, "Edit REGION")
    value = page.get_by_role("dialog").get_by_role("textbox", name="Value")
    expect(value).to_have_value("eu-1")
    value.fill("eu-2")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="REGION")).to_contain_text("eu-2")
    open_panel(page, "Delete REGION")
    page.get_by_role("dialog").get_by_role("button", name="Delete variable").click()
    expect(page.locator("#message")).to_contain_text("Variable REGION was deleted.")
    window.assert_clean()


def test_a_fault_stands_by_its_field_and_what_was_typed_is_kept_but_never_the_value(
    opened: Callable[..., Window], acme: str
) -> None:
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    open_panel(page, "Create new")
    panel = page.get_by_role("dialog")
    panel.get_by_label("Name", exact=True).fill("NOT A NAME")
    panel.get_by_role("textbox", name="Value").fill(CANARY)
    panel.get_by_label("Description").fill("kept")
    panel.get_by_role("button", name="Save").click()
    name = panel.get_by_label("Name", exact=True)
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_value("NOT A NAME")
    expect(name).to_be_focused()
    described = name.get_attribute("aria-describedby") or ""
    told = " ".join(page.locator(f"#{part}").inner_text() for part in described.split())
    assert "Use letters, digits and _, and begin with a letter or _." in told
    expect(panel.get_by_label("Description")).to_have_value("kept")
    expect(panel.get_by_role("textbox", name="Value")).to_have_value(CANARY)
    assert CANARY not in page.content()  # what is typed stays where it was typed, and comes from no answer

    name.fill("FINE")
    panel.get_by_role("textbox", name="Value").fill("password1")
    panel.get_by_label("Restricted", exact=True).check()
    panel.get_by_label("Allowed hosts").fill("api.example.com")
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_text("hard to guess").first).to_be_visible()
    expect(panel.get_by_label("Restricted", exact=True)).to_be_checked()
    window.assert_clean(expected_statuses=frozenset({422}))


@pytest.mark.slow
def test_slips_of_copying_are_warned_of_and_not_refused(opened: Callable[..., Window], acme: str) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/variables")
    open_panel(page, "Create new")
    panel = page.get_by_role("dialog")
    value = panel.get_by_role("textbox", name="Value")
    for text, told in (
        ("abc ", "space at the end"),
        ("abc\n", "line break at the end"),
        ('"abc"', "quotes around"),
        ("Bearer abc", "begins with"),
        (" Token abc", "begins with a word"),
        ("abc\ndef", "several lines"),
    ):
        value.fill(text)
        expect(panel.get_by_text(told)).to_be_visible()
    value.fill("abc-and-more")
    expect(panel.locator(".warning")).to_have_count(0)
    value.fill("Bearer abc-and-more")
    panel.get_by_label("Name", exact=True).fill("WARNED")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("WARNED was created. The value begins with a word")


def test_editing_keeps_the_value_where_none_is_typed_and_never_shows_it(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/variables")
    open_panel(page, "Edit TOKEN")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("textbox", name="Value")).to_have_value("")
    expect(panel.get_by_label("Name", exact=True)).to_have_count(0)
    expect(panel.get_by_text("Leave empty to keep")).to_be_visible()
    panel.get_by_label("Description").fill("new words")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TOKEN was saved")
    assert CANARY not in page.content()
    secret = service.ask("GET", f"/workspaces/{acme}/secrets/TOKEN", user="olga@example.com").json()
    assert (secret["version"], secret["description"]) == (1, "new words")

    open_panel(page, "Edit TOKEN")
    panel.get_by_role("textbox", name="Value").fill("another-value")
    with page.expect_navigation():
        panel.get_by_role("button", name="Save").click()
    newest = service.ask("GET", f"/workspaces/{acme}/audit", user="olga@example.com").json()["items"][0]
    assert (newest["action"], newest["outcome"]) == ("secret.set_value", "done")
    window.assert_clean()


@pytest.mark.slow
def test_a_change_by_somebody_else_is_told_and_not_overwritten_unseen(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_variable(service, acme, "REGION", "eu-1")
    page = opened("owner").go(f"/workspaces/{acme}/variables")
    open_panel(page, "Edit REGION")
    path = f"/workspaces/{acme}/variables/REGION"
    assert service.ask("PATCH", path, {"value": "theirs"}, user="adam@example.com", headers={"If-Match": "*"}).ok
    panel = page.get_by_role("dialog")
    panel.get_by_role("textbox", name="Value").fill("mine")
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_text("changed it since")).to_be_visible()
    panel.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="REGION")).to_contain_text("mine")


def test_a_restricted_secret_asks_for_its_name_and_the_server_insists(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(
        service, acme, "KEY", "sk_live_9f3b2c7e1a5d4860XyQ", visibility="restricted", allowed_hosts=["api.example.com"]
    )
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    expect(page.get_by_role("row", name="KEY")).to_contain_text("Never shown")
    expect(page.get_by_role("button", name="Show value of KEY")).to_have_count(0)
    open_panel(page, "Delete KEY")
    modal = page.get_by_role("dialog")
    expect(modal.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(modal).to_be_hidden()
    expect(page.get_by_role("button", name="Delete KEY")).to_be_focused()
    open_panel(page, "Delete KEY")
    modal.get_by_label("Type KEY to confirm").fill("KEE")
    modal.get_by_role("button", name="Delete secret").click()
    expect(modal.get_by_label("Type KEY to confirm")).to_have_attribute("aria-invalid", "true")
    expect(modal.locator(".fault")).to_have_text("This can't be undone. Type the name to go on.")
    modal.get_by_label("Type KEY to confirm").fill("KEY")
    modal.get_by_role("button", name="Delete secret").click()
    expect(page.locator("#message")).to_contain_text("Secret KEY was deleted.")
    window.assert_clean(expected_statuses=frozenset({422}))


def test_a_secret_in_use_names_its_blocks_and_asks_for_its_name_on_the_server_too(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", CANARY)
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    open_panel(page, "Delete TOKEN")
    modal = page.get_by_role("dialog")
    expect(modal).to_contain_text("No API block uses it.")
    make_block(service, acme, "open-ticket", "TOKEN")  # while the modal is open
    modal.get_by_role("button", name="Delete secret").click()
    expect(modal).to_contain_text("1 API block uses it")
    expect(modal.get_by_role("listitem")).to_have_text("open-ticket")
    field = modal.get_by_label("Type TOKEN to confirm")
    field.fill("token")
    modal.get_by_role("button", name="Delete secret").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    modal.get_by_role("button", name="Cancel").click()
    page.reload()
    expect(page.get_by_role("row", name="TOKEN")).to_contain_text("1 block")
    open_panel(page, "Delete TOKEN")
    field.fill("TOKEN")
    modal.get_by_role("button", name="Delete secret").click()
    expect(page.locator("#message")).to_contain_text("Secret TOKEN was deleted.")
    window.assert_clean(expected_statuses=frozenset({422}))


def fill_up(service: Service, workspace: str, number: int) -> None:
    """Put plain variables into the database, which by the API would take minutes."""
    dates = dict.fromkeys(("touched_at", "created_at", "updated_at"), system_clock() - timedelta(days=1))
    people = dict.fromkeys(("touched_by", "created_by", "updated_by"), "olga@example.com")
    rows = [
        {"id": f"{workspace}-{each:05d}", "workspace": workspace, "name": f"HAY_{each:05d}", "kind": "plain",
         "folded_name": f"hay_{each:05d}", "value": "x", "description": "in the hay", **dates, **people}
        for each in range(1, number + 1)
    ]  # fmt: skip
    sessions = Sessions(open_engine(service.database_url))
    with sessions.begin() as session:
        session.execute(insert(VariableRow), rows)
    sessions.close()


@pytest.mark.slow
def test_ten_thousand_variables_are_searched_sorted_and_paged_in_small_pages(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_variable(service, acme, "NEEDLE_ONE", "x", description="in the hay")
    fill_up(service, acme, 9_999)
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    expect(page.get_by_text("10,000 entries")).to_be_visible()
    assert len(page.content().encode()) < 100 * 1024
    seen = [page.locator("tbody .name").all_inner_texts()]
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    seen.append(page.locator("tbody .name").all_inner_texts())
    names = [*seen[0], *seen[1]]
    assert names[0] == "HAY_00001"
    assert names == sorted(set(names))
    assert len(names) == 50
    page.get_by_label("Search variables").press_sequentially("in the h", delay=20)
    expect(page.locator("#found")).to_have_text("10,000 matches")
    page.get_by_label("Search variables").fill("NEEDLE")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#found")).to_have_text("1 match")
    expect(page).to_have_url(re.compile("q=NEEDLE"))
    page.get_by_label("Search variables").fill("nothing like it")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Show everything").click()
    page.get_by_role("link", name="Updated").click()
    expect(page.get_by_role("columnheader", name="Updated")).to_have_attribute("aria-sort", "descending")
    expect(page.locator("tbody .name").first).to_have_text("NEEDLE_ONE")
    page.get_by_role("link", name="Name").click()
    page.get_by_role("link", name="Name").click()
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
    expect(page.locator("tbody .name").first).to_have_text("NEEDLE_ONE")
    page.get_by_label("Kind").select_option("secret")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    window.assert_clean()


@pytest.mark.slow
def test_moments_are_told_from_now_with_the_exact_one_beside(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_variable(service, acme, "REGION", "eu-1")
    changed = datetime(2026, 1, 31, 12, tzinfo=UTC)
    sessions = Sessions(open_engine(service.database_url))
    with sessions.begin() as session:
        session.execute(update(VariableRow).where(VariableRow.workspace == acme).values(updated_at=changed))
    sessions.close()
    window = opened("owner", timezone_id="UTC")
    page = window.page
    page.clock.set_fixed_time(changed + timedelta(hours=3, minutes=5))
    window.go(f"/workspaces/{acme}/variables")
    moment = page.get_by_role("row", name="REGION").locator("time")
    expect(moment).to_have_text("3 hours ago")
    assert "UTC" in (moment.get_attribute("title") or "")
    page.clock.set_fixed_time(changed + timedelta(days=40))
    page.get_by_label("Search variables").fill("REG")
    expect(page.locator("#found")).to_have_text("1 match")
    expect(moment).to_have_text("31 Jan 2026, 12:00")


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_told_of_and_what_was_typed_stays(
    opened: Callable[..., Window], acme: str
) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/variables")
    open_panel(page, "Create new")
    panel = page.get_by_role("dialog")
    panel.get_by_label("Name", exact=True).fill("TOKEN")
    panel.get_by_role("textbox", name="Value").fill("masked-value-1")
    page.context.set_offline(True)
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_role("alert")).to_contain_text("doesn't answer")
    expect(panel.get_by_label("Name", exact=True)).to_have_value("TOKEN")
    page.context.set_offline(False)
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TOKEN was created")


@pytest.mark.slow
def test_what_moves_stands_still_where_somebody_asks_for_that(opened: Callable[..., Window], acme: str) -> None:
    moves = {}
    for motion in ("reduce", "no-preference"):
        page = opened("owner", reduced_motion=motion).go(f"/workspaces/{acme}/variables")
        open_panel(page, "Create new")
        moves[motion] = page.get_by_role("dialog").evaluate("element => getComputedStyle(element).animationName")
    assert moves == {"reduce": "none", "no-preference": "slide"}


def test_a_restricted_secret_has_wildcard_hosts_only_where_that_is_ticked(
    caller: Callable[[], Caller], service: Service, acme: str
) -> None:
    me, root = caller(), f"/workspaces/{acme}/variables"
    me.sign_in("olga@example.com", PASSWORD)
    form = {"kind": "secret", "name": "WIDE", "value": CANARY, "visibility": "restricted", "description": ""}
    hosts = {"allowed_hosts": "*.example.com"}
    assert me.post(f"{root}/new", form | hosts, form=f"{root}/new").status_code == 422
    assert me.post(f"{root}/new", form | hosts | {"wide": "on"}, form=f"{root}/new").status_code == 303
    made = service.ask("GET", f"/workspaces/{acme}/secrets/WIDE", user="olga@example.com").json()
    assert (made["allowed_hosts"], made["wide"]) == (["*.example.com"], True)
    assert 'name="wide" checked' in me.get(f"{root}/WIDE/edit").text

    edit = {"revision": "1", "value": CANARY, "allowed_hosts": "api.example.com"}
    assert me.post(f"{root}/WIDE/edit", edit, form=f"{root}/WIDE/edit").status_code == 303
    now = service.ask("GET", f"/workspaces/{acme}/secrets/WIDE", user="olga@example.com").json()
    assert (now["allowed_hosts"], now["wide"]) == (["api.example.com"], False)


def test_a_url_pasted_among_allowed_hosts_becomes_its_host(
    caller: Callable[[], Caller], service: Service, acme: str
) -> None:
    me, root = caller(), f"/workspaces/{acme}/variables"
    me.sign_in("olga@example.com", PASSWORD)
    form = {"kind": "secret", "name": "PASTED", "value": CANARY, "visibility": "restricted", "description": ""}
    pasted = "https://api.example.com/v2/tickets?page=1\nhttps://example.org:8443/, plain.example.net"
    assert me.post(f"{root}/new", form | {"allowed_hosts": pasted}, form=f"{root}/new").status_code == 303
    stored = service.ask("GET", f"/workspaces/{acme}/secrets/PASTED", user="olga@example.com").json()
    assert sorted(stored["allowed_hosts"]) == ["api.example.com", "example.org:8443", "plain.example.net"]
