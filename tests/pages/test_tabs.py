"""Members, Audit, Settings, and what each role finds there."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from playwright.sync_api import Locator, Page, expect

from app.access import GRANTS, Permission, Role
from app.audit import actions as audit_actions
from app.pages.filters import RIGHTS
from app.pages.messages import ACTIONS, DEEDS
from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service

TABS = {
    "owner": ["Variables", "API blocks", "Members", "Audit", "Settings"],
    "admin": ["Variables", "API blocks", "Members", "Audit", "Settings"],
    "editor": ["Variables", "API blocks", "Members"],
}


def tabs(page: Page) -> list[str]:
    return page.get_by_role("navigation", name="Workspace").get_by_role("link").all_inner_texts()


def dialog(page: Page, button: str) -> Page:
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    return page


@pytest.mark.parametrize("role", ["owner", "admin", "editor"])
def test_each_role_is_offered_what_it_may_do_and_refused_the_rest(
    opened: Callable[..., Window], service: Service, acme: str, role: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    window = opened(role)
    page = window.go(f"/workspaces/{acme}/variables")
    assert tabs(page) == TABS[role]
    writes = Permission.SECRET_WRITE in GRANTS[Role(role)]
    for button in ("Edit TOKEN", "Delete TOKEN"):
        assert page.get_by_role("button", name=button).count() == int(writes)
    assert page.get_by_role("button", name="Show value of TOKEN").count() == 1
    allowed = {
        "variables/new": True,
        "variables/TOKEN/edit": writes,
        "variables/TOKEN/delete": writes,
        "members/new": writes,
        "audit": writes,
        "settings": writes,
        "settings/tokens/new": writes,
        "settings/delete": role == "owner",
    }
    for path, allows in allowed.items():
        answer = window.context.request.get(f"{service.url}/workspaces/{acme}/{path}")
        assert answer.status == (200 if allows else 403), path
        assert allows or "Your role in this workspace" in answer.text()
    page = window.go(f"/workspaces/{acme}/members")
    expect(page.get_by_role("columnheader", name=f"{role.capitalize()} yours")).to_be_visible()
    expect(page.locator("td.mine").get_by_text("yes")).to_have_count(len(GRANTS[Role(role)]))
    window.assert_clean()


def test_an_admin_adds_changes_and_removes_members_but_never_an_owner(opened: Callable[..., Window], acme: str) -> None:
    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/members")
    expect(page.get_by_role("button", name="Edit olga@example.com")).to_have_count(0)
    panel = dialog(page, "Add member").get_by_role("dialog")
    expect(panel.get_by_label("Owner", exact=True)).to_have_count(0)
    panel.get_by_label("User").fill("not a user id!")
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_label("User")).to_have_attribute("aria-invalid", "true")
    expect(panel.get_by_label("User")).to_have_value("not a user id!")
    panel.get_by_label("User").fill("nils@example.com")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("nils@example.com is a member now.")
    dialog(page, "Edit nils@example.com")
    panel.get_by_label("Admin", exact=True).check()
    panel.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="nils@example.com")).to_contain_text("Admin")
    dialog(page, "Delete nils@example.com")
    expect(panel.get_by_role("button", name="Cancel")).to_be_focused()
    panel.get_by_role("button", name="Remove member").click()
    expect(page.locator("#message")).to_contain_text("nils@example.com is no longer a member.")
    window.assert_clean(expected_statuses=frozenset({422}))


@pytest.mark.slow
def test_the_last_owner_stays(opened: Callable[..., Window], acme: str) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/members")
    dialog(page, "Delete olga@example.com")
    page.get_by_role("dialog").get_by_role("button", name="Remove member").click()
    expect(page.get_by_role("dialog").get_by_text("always keeps at least one owner")).to_be_visible()


@pytest.mark.slow
def test_who_removes_themselves_is_led_out(opened: Callable[..., Window], acme: str) -> None:
    page = opened("admin").go(f"/workspaces/{acme}/members")
    modal = dialog(page, "Delete adam@example.com").get_by_role("dialog")
    expect(modal).to_contain_text("(you)")
    modal.get_by_role("button", name="Remove member").click()
    expect(page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
    expect(page.locator("#message")).to_contain_text(f"You are no longer a member of {acme}.")


def test_the_audit_trail_tells_each_deed_once_as_a_sentence_and_can_be_narrowed(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    service.ask("POST", f"/workspaces/{acme}/secrets/TOKEN/reveal", user="edda@example.com", keep=False)
    body = {"name": "NO", "value": "masked-value-2", "visibility": "masked"}
    service.ask("POST", f"/workspaces/{acme}/secrets", body, user="edda@example.com")
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/audit")
    told = page.locator(".events li").all_inner_texts()
    assert len(told) == 6
    expect(page.locator(".events li").nth(0)).to_contain_text("wasn't allowed to create the secret NO")
    expect(page.locator(".events li").nth(1)).to_contain_text(
        "edda@example.com (through the platform) looked at the value of TOKEN"
    )
    page.get_by_label("Outcome").select_option("refused")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".events li")).to_have_count(1)
    page.get_by_label("Who").fill("nobody")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Show everything").click()
    page.get_by_label("From").fill("2030-01-01")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    window.assert_clean()


@pytest.mark.slow
def test_a_call_that_was_mistaken_is_not_told_as_one_that_was_not_allowed(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    call = {"method": "GET", "url": "https://api.example.com/{{nobody_gave_it}}"}
    assert service.ask("POST", f"/workspaces/{acme}/calls", call, user="edda@example.com").status_code == 422
    page = opened("owner").go(f"/workspaces/{acme}/audit?outcome=refused")
    expect(page.locator(".events li")).to_contain_text(["tried to run a call that wasn't saved"])
    expect(page.locator(".events li")).to_contain_text(["missing variable"])


@pytest.mark.slow
def test_a_long_audit_trail_is_paged(opened: Callable[..., Window], service: Service, acme: str) -> None:
    for number in range(51):
        body = {"name": f"V{number}", "value": "x"}
        assert service.ask("POST", f"/workspaces/{acme}/variables", body, user="olga@example.com").ok
    page = opened("owner").go(f"/workspaces/{acme}/audit?action=variable.create")
    first = page.locator(".events code").all_inner_texts()
    assert len(first) == 50
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".events code")).to_have_text(["V0"])


def _told_beside(page: Page, label: str) -> Locator:
    """Return what is said to be wrong with a field, which is marked as invalid."""
    field = page.get_by_label(label)
    expect(field).to_have_attribute("aria-invalid", "true")
    return page.locator(f"#{field.get_attribute('aria-describedby')}")


def test_a_day_that_is_none_is_told_beside_its_field(opened: Callable[..., Window], acme: str) -> None:
    window = opened("owner", java_script_enabled=False)
    page = window.page
    page.goto(f"{window.url}/workspaces/{acme}/audit?actor=olga&from=yesterday")
    expect(_told_beside(page, "From")).to_contain_text("Invalid day.")
    expect(page.get_by_label("Who")).to_have_value("olga")


@pytest.mark.slow
def test_days_the_wrong_way_round_are_told_beside_their_field(opened: Callable[..., Window], acme: str) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/audit?actor=olga&from=2026-11-27&to=2026-11-26")
    expect(_told_beside(page, "Through")).to_have_text("The last day is before the first.")
    expect(page.get_by_label("Who")).to_have_value("olga")


@pytest.mark.slow
def test_a_refusal_names_who_may_do_it(opened: Callable[..., Window], acme: str) -> None:
    page = opened("admin").go(f"/workspaces/{acme}/settings/delete")
    expect(page.locator("main")).to_contain_text("An owner can do it")
    page = opened("editor").go(f"/workspaces/{acme}/audit")
    expect(page.locator("main")).to_contain_text("An owner or admin can do it")


def test_an_owner_changes_settings_makes_a_token_once_shown_and_revokes_it(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/settings")
    page.get_by_label("Title").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Title")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Title")).to_be_focused()
    page.get_by_label("Title").fill("Acme & Sons")
    page.get_by_label("Refuse expired secrets").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("saved")
    expect(page.get_by_label("Refuse expired secrets")).to_be_checked()
    expect(page.locator(".place .title")).to_have_text("Acme & Sons")

    panel = dialog(page, "Create token").get_by_role("dialog")
    panel.get_by_label("Label").fill("flow-runner")
    panel.get_by_label("Editor", exact=True).check()
    panel.get_by_label("May make ad-hoc calls").check()
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_text("Only with the role runtime.")).to_be_visible()
    panel.get_by_label("Runtime", exact=True).check()
    panel.get_by_role("button", name="Save").click()
    token = panel.get_by_label("The token").inner_text()
    assert token.startswith("srm_")
    assert service.ask("GET", "/me", token=token, keep=False).json()["workspaces"][0]["role"] == "runtime"
    panel.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_role("row", name="flow-runner")).to_contain_text("valid")
    assert token not in page.content()
    dialog(page, "Revoke flow-runner")
    page.get_by_role("dialog").get_by_role("button", name="Revoke token").click()
    expect(page.get_by_role("row", name="flow-runner")).to_contain_text("revoked")
    assert service.ask("GET", "/me", token=token, keep=False).status_code == 401
    window.assert_clean(expected_statuses=frozenset({422}))


def test_a_workspace_is_deleted_only_by_its_name(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/settings")
    modal = dialog(page, "Delete workspace").get_by_role("dialog")
    expect(modal.get_by_role("button", name="Cancel")).to_be_focused()
    modal.get_by_role("button", name="Delete workspace").click()
    expect(modal.get_by_label(f"Type {acme} to confirm")).to_have_attribute("aria-invalid", "true")
    modal.get_by_label(f"Type {acme} to confirm").fill(acme)
    modal.get_by_role("button", name="Delete workspace").click()
    expect(page.locator("#message")).to_contain_text(f"The workspace {acme} was deleted.")
    assert service.ask("GET", f"/workspaces/{acme}", user="olga@example.com").status_code == 404
    window.assert_clean(expected_statuses=frozenset({422}))


def test_every_permission_and_every_action_has_its_words() -> None:
    assert set(RIGHTS) == set(Permission)
    actions = set(get_args(audit_actions.Action))
    assert set(DEEDS) == actions
    # A workspace's record holds nothing of sessions and users, so its filter doesn't offer them.
    assert set(ACTIONS) == {action for action in actions if not action.startswith(("session.", "user."))}
