"""The whole day of each role, from signing in to signing out, with what it isn't offered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import PASSWORD, make_secret, make_user
from tests.support.browser import Window
from tests.support.service import Service

pytestmark = pytest.mark.slow
KEY = "sk_live_9f3b2c7e1a5d4860XyQ"


def press(page: Page, button: str) -> Locator:
    """Press a button that opens a dialog, and return the dialog."""
    page.get_by_role("button", name=button, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def save(dialog: Locator, button: str = "Save") -> None:
    dialog.get_by_role("button", name=button, exact=True).click()


def told(page: Page, text: str) -> None:
    """Insist on a message, said where a screen reader hears it."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def tab(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Workspace").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def arrive(window: Window, user: str, workspace: str) -> Page:
    page = window.sign_in(user, PASSWORD)
    page.locator(f'a[href="/workspaces/{workspace}/variables"]').first.click()  # first steps lead there too
    expect(page.get_by_role("heading", name="Variables", exact=True)).to_be_visible()
    return page


def leave(window: Window) -> None:
    window.page.get_by_role("button", name="Sign out").click()
    told(window.page, "You have signed out.")
    window.assert_clean(expected_statuses=frozenset({422, 409}))


def make_secrets(page: Page) -> None:
    panel = press(page, "Create new")
    panel.get_by_label("Name", exact=True).fill("MASKED_ONE")
    panel.get_by_label("Value", exact=True).fill("masked-value-1")
    panel.get_by_label("Allowed hosts", exact=True).fill("api.example.com, *.example.org")
    save(panel)
    told(page, "Secret MASKED_ONE was created.")
    expect(page.get_by_role("row", name="MASKED_ONE")).to_contain_text("*.example.org")
    panel = press(page, "Create new")
    panel.get_by_label("Name", exact=True).fill("RESTRICTED_ONE")
    panel.get_by_label("Value", exact=True).fill(KEY)
    panel.get_by_label("Restricted", exact=True).check()
    save(panel)
    hosts = panel.get_by_label("Allowed hosts", exact=True)
    expect(hosts).to_have_attribute("aria-invalid", "true")
    expect(hosts).to_be_focused()
    hosts.fill("api.example.com")
    panel.get_by_label("Value", exact=True).fill(KEY)
    save(panel)
    told(page, "Secret RESTRICTED_ONE was created.")


def change_and_delete_secrets(page: Page) -> None:
    panel = press(page, "Edit RESTRICTED_ONE")
    panel.get_by_label("Allowed hosts", exact=True).fill("api.example.com\napi.example.net")
    save(panel)
    expect(panel.get_by_label("Value", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(panel.get_by_label("Allowed hosts", exact=True)).to_have_value("api.example.com\napi.example.net")
    panel.get_by_label("Value", exact=True).fill(KEY[::-1])
    save(panel)
    told(page, "RESTRICTED_ONE was saved.")
    modal = press(page, "Delete RESTRICTED_ONE")
    modal.get_by_label("Type RESTRICTED_ONE to confirm").fill("RESTRICTED_ONE")
    save(modal, "Delete secret")
    told(page, "Secret RESTRICTED_ONE was deleted.")
    save(press(page, "Delete MASKED_ONE"), "Delete secret")
    told(page, "Secret MASKED_ONE was deleted.")


def look_briefly(page: Page, name: str, value: str) -> None:
    page.get_by_role("button", name=f"Show value of {name}").click()
    expect(page.get_by_text(value)).to_be_visible()
    page.get_by_role("button", name=f"Hide value of {name}").click()
    expect(page.get_by_text(value)).to_have_count(0)


def run_a_household(page: Page) -> None:
    """What owners and admins do alike: secrets, members, tokens, the record."""
    make_secrets(page)
    look_briefly(page, "MASKED_ONE", "masked-value-1")
    change_and_delete_secrets(page)
    tab(page, "Members")
    panel = press(page, "Add member")
    panel.get_by_label("User").fill("nils@example.com")
    save(panel)
    told(page, "nils@example.com is a member now.")
    panel = press(page, "Edit nils@example.com")
    panel.get_by_role("radio", name="Admin").check()
    save(panel)
    told(page, "nils@example.com has another role now.")
    save(press(page, "Delete nils@example.com"), "Remove member")
    told(page, "nils@example.com is no longer a member.")
    tab(page, "Settings")
    panel = press(page, "Create token")
    panel.get_by_label("Label").fill("flow-runner")
    save(panel)
    expect(panel.get_by_label("The token")).to_contain_text("srm_")
    panel.get_by_role("link", name="I have kept it").click()
    save(press(page, "Revoke flow-runner"), "Revoke token")
    told(page, "The token was revoked.")
    tab(page, "Audit")
    for sentence in (
        "revoked the service token flow-runner", "removed the member nils@example.com", "deleted the secret MASKED_ONE",
        "looked at the value of MASKED_ONE", "created the secret RESTRICTED_ONE",
    ):  # fmt: skip
        expect(page.get_by_role("listitem").filter(has_text=sentence)).to_have_count(1)


def test_an_owners_day(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_user(service, f"owner-of-{acme}@example.com")
    service.ask(
        "PUT", f"/workspaces/{acme}/members/owner-of-{acme}@example.com", {"role": "owner"}, user="olga@example.com"
    )
    window = opened()
    page = arrive(window, f"owner-of-{acme}@example.com", acme)
    run_a_household(page)
    tab(page, "Members")
    panel = press(page, "Edit adam@example.com")
    panel.get_by_role("radio", name="Owner").check()
    save(panel)
    told(page, "adam@example.com has another role now.")
    tab(page, "Settings")
    page.get_by_label("Title").fill("Acme & Sons")
    page.get_by_label("Refuse expired secrets").check()
    page.get_by_role("button", name="Save").click()
    told(page, "The settings were saved.")
    modal = press(page, "Delete workspace")
    modal.get_by_label(f"Type {acme} to confirm").fill(acme)
    save(modal, "Delete workspace")
    told(page, f"The workspace {acme} was deleted.")
    expect(page.get_by_text("No workspaces yet")).to_be_visible()
    leave(window)


def test_an_admins_day(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_user(service, f"admin-of-{acme}@example.com")
    service.ask(
        "PUT", f"/workspaces/{acme}/members/admin-of-{acme}@example.com", {"role": "admin"}, user="olga@example.com"
    )
    window = opened()
    page = arrive(window, f"admin-of-{acme}@example.com", acme)
    run_a_household(page)
    tab(page, "Members")
    expect(page.get_by_role("button", name="Delete olga@example.com")).to_have_count(0)
    tab(page, "Settings")
    expect(page.get_by_label("Title")).to_have_count(0)
    expect(page.get_by_role("button", name="Delete workspace")).to_have_count(0)
    leave(window)


def test_an_editors_day(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    make_secret(service, acme, "KEY", KEY, visibility="restricted", allowed_hosts=["api.example.com"])
    user = f"editor-of-{acme}@example.com"
    make_user(service, user)
    service.ask("PUT", f"/workspaces/{acme}/members/{user}", {"role": "editor"}, user="olga@example.com")
    window = opened()
    page = arrive(window, user, acme)
    look_briefly(page, "TOKEN", "masked-value-1")
    for button in ("Show value of KEY", "Edit TOKEN", "Delete TOKEN", "Edit KEY", "Delete KEY"):
        expect(page.get_by_role("button", name=button)).to_have_count(0)
    expect(page.get_by_role("row", name="KEY")).to_contain_text("Never shown")
    panel = press(page, "Create new")
    panel.get_by_label("Variable", exact=True).check()
    expect(panel.get_by_role("radio", name="Secret")).to_have_count(0)
    panel.get_by_label("Name", exact=True).fill("TOKEN")
    panel.get_by_label("Value", exact=True).fill("eu-1")
    save(panel)
    expect(panel.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(panel.get_by_label("Value", exact=True)).to_have_value("eu-1")
    panel.get_by_label("Name", exact=True).fill("REGION")
    save(panel)
    told(page, "Variable REGION was created.")
    panel = press(page, "Edit REGION")
    panel.get_by_label("Value", exact=True).fill("eu-2")
    save(panel)
    told(page, "REGION was saved.")
    save(press(page, "Delete REGION"), "Delete variable")
    told(page, "Variable REGION was deleted.")
    tab(page, "Members")
    expect(page.get_by_role("button", name="Add member")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Editor yours")).to_be_visible()
    for name in ("Audit", "Settings"):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Change password").click()
    page.get_by_label("Current password").fill("not it")
    page.get_by_label("New password").fill("another good sentence")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("another good sentence")
    page.get_by_role("button", name="Save").click()
    told(page, "The new password is set.")
    leave(window)
    window.sign_in(user, "another good sentence")
