"""Pages for everybody: by keyboard, without JavaScript, and with hostile text in every field."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import PASSWORD, make_secret, make_user, make_variable, make_workspace
from tests.support.browser import Window
from tests.support.service import Service

HOSTILE = '"><img src=x onerror="window.__hit=1"><script>window.__hit=1</script>{{1327*1381}}\'`'
# What a template would make of it: a number that stands in no name, id or moment by chance.
EVALUATED = str(1327 * 1381)


def tab_to(page: Page, name: str, presses: int = 60) -> None:
    """Press Tab until the control with this name has the focus, which has to be seen."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        here = page.evaluate(
            """() => {
                const element = document.activeElement;
                const label = element.labels?.[0]?.textContent.trim();
                const style = getComputedStyle(element.closest('.choice') ?? element);
                return [element.getAttribute("aria-label") || label || element.textContent.trim(), style.outlineStyle];
            }"""
        )
        if here[0] == name:
            assert here[1] != "none", f"the focus on {name} isn't seen"
            return
    raise AssertionError(f"{name} is not reached by Tab")


@pytest.mark.slow
def test_a_day_by_keyboard_alone(
    opened: Callable[..., Window], service: Service, people: dict[str, str], acme: str
) -> None:
    make_user(service, f"keys-{acme}@example.com")
    role = {"role": "admin"}
    for workspace in (acme, make_workspace(service, people, title="Another")):  # one alone would be the start page
        service.ask("PUT", f"/workspaces/{workspace}/members/keys-{acme}@example.com", role, user="olga@example.com")
    window = opened()
    page = window.go("/sign-in")
    expect(page.get_by_label("User")).to_be_focused()
    page.keyboard.type(f"keys-{acme}@example.com")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Variables", exact=True)).to_be_visible()
    tab_to(page, "Create new")
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("TOKEN")
    page.keyboard.press("Tab")
    page.keyboard.type("masked-value-1")
    page.keyboard.press("Escape")
    asks = page.get_by_role("alertdialog")
    expect(asks.get_by_role("button", name="Keep editing")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Create new")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("TOKEN")
    page.keyboard.press("Tab")
    page.keyboard.type("masked-value-1")
    tab_to(page, "Masked")
    page.keyboard.press("ArrowDown")
    expect(panel.get_by_label("Restricted", exact=True)).to_be_checked()
    page.keyboard.press("ArrowUp")
    tab_to(page, "Save")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("TOKEN was created")
    tab_to(page, "Show value of TOKEN")
    page.keyboard.press("Enter")
    expect(page.get_by_text("masked-value-1")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("masked-value-1")).to_have_count(0)
    tab_to(page, "Delete TOKEN")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button", name="Cancel")).to_be_focused()
    tab_to(page, "Delete secret")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("TOKEN was deleted")
    window.assert_clean()


@pytest.mark.slow
def test_without_javascript_everything_but_the_eye_works(opened: Callable[..., Window], acme: str) -> None:
    window = opened("owner", own_session=True, java_script_enabled=False)
    page = window.page
    page.goto(f"{window.url}/workspaces/{acme}/variables")
    page.get_by_role("button", name="Create new").click()
    page.get_by_label("Name", exact=True).fill("9 IS NO NAME")
    page.get_by_role("textbox", name="Value").fill("canary-without-script")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("9 IS NO NAME")
    assert "canary-without-script" not in page.content()
    page.get_by_label("Name", exact=True).fill("TOKEN")
    page.get_by_role("textbox", name="Value").fill("canary-without-script")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("Secret TOKEN was created.")
    expect(page.get_by_role("button", name="Show value of TOKEN")).to_be_hidden()
    page.get_by_role("button", name="Create new").click()
    page.get_by_label("Variable", exact=True).check()
    page.get_by_label("Name", exact=True).fill("REGION")
    page.get_by_role("textbox", name="Value").fill("eu-1")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Search variables").fill("REG")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Edit REGION").click()
    page.get_by_role("textbox", name="Value").fill("eu-2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="REGION")).to_contain_text("eu-2")
    page.get_by_role("button", name="Edit TOKEN").click()
    page.get_by_role("textbox", name="Value").fill("another-value")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TOKEN was saved.")
    for name, what in (("TOKEN", "secret"), ("REGION", "variable")):
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_role("button", name=f"Delete {what}").click()
        expect(page.locator("#message")).to_contain_text(f"{name} was deleted.")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()


@pytest.mark.slow
def test_hostile_text_is_only_ever_text(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_variable(service, acme, "PLAIN", HOSTILE, description=HOSTILE)
    make_secret(service, acme, "TOKEN", HOSTILE, description=HOSTILE)
    service.ask(
        "PATCH", f"/workspaces/{acme}", {"title": HOSTILE[:100]}, user="olga@example.com", headers={"If-Match": "*"}
    )
    token = {"role": "runtime", "label": HOSTILE[:120]}
    assert service.ask("POST", f"/workspaces/{acme}/tokens", token, user="olga@example.com", keep=False).ok
    window = opened("owner")
    base = f"/workspaces/{acme}"
    quoted = "%22%3E%3Cscript%3Ewindow.__hit%3D1%3C%2Fscript%3E"
    paths = ["/", *(f"{base}/{tab}" for tab in ("variables", "members", "audit", "settings"))]
    paths += [f"{base}/variables/{name}/{deed}" for name in ("PLAIN", "TOKEN") for deed in ("edit", "delete")]
    paths += [
        f"{base}/variables?q={quoted}",
        f"{base}/audit?actor={quoted}&secret={quoted}",
        f"/sign-in?next={quoted}",
        f"{base}/variables/new?name={quoted}",
        f"/{quoted}",
    ]
    for path in paths:
        page = window.go(path)
        assert page.evaluate("window.__hit") is None, path
        assert page.locator("img").count() == 0, path
        assert EVALUATED not in page.locator("main").inner_text(), path
    page = window.go(f"{base}/variables")
    expect(page.get_by_role("row", name="PLAIN")).to_contain_text(HOSTILE[:40])
    page.get_by_role("button", name="Show value of TOKEN").click()
    expect(page.locator(".value")).to_have_text(HOSTILE)
    page.get_by_role("button", name="Hide value of TOKEN").click()
    page.get_by_role("button", name="Create new").click()
    panel = page.get_by_role("dialog")
    for label in ("Name", "Description", "Allowed hosts"):
        panel.get_by_label(label, exact=label == "Name").fill(HOSTILE)
    panel.get_by_role("textbox", name="Value").fill(HOSTILE)
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator(".fault").first).to_be_visible()
    assert page.evaluate("window.__hit") is None
    window.assert_clean(expected_statuses=frozenset({404, 422}))


@pytest.mark.slow
def test_hostile_text_typed_into_any_field_comes_back_as_text(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_variable(service, acme, "PLAIN", "x")
    make_secret(service, acme, "TOKEN", "masked-value-1")
    window = opened("owner")
    page, base = window.page, f"/workspaces/{acme}"
    forms = {
        "variables": "Search", "variables/new": "Save", "variables/PLAIN/edit": "Save", "variables/TOKEN/edit": "Save",
        "members/new": "Save", "settings": "Save", "settings/tokens/new": "Save", "settings/delete": "Delete workspace",
        "audit": "Filter",
    }  # fmt: skip
    typed = 0
    for path, button in forms.items():
        window.go(f"{base}/{path}")
        for field in page.locator("main :is(input[type=text], input:not([type]), input[type=search], textarea)").all():
            if field.is_visible():
                field.fill(HOSTILE)
                typed += 1
        if button == "Search":
            expect(page.get_by_text("Nothing matches")).to_be_visible()
        else:
            page.locator("main").get_by_role("button", name=button, exact=True).click()
            # What was refused says why, what was saved goes on to its list, and a token is shown once.
            told = "main :is(.fault, .problem, .token), #message .message"
            expect(page.locator("main .empty" if button == "Filter" else told).first).to_be_visible()
        assert page.evaluate("window.__hit") is None, path
        assert page.locator("img").count() == 0, path
    assert typed > 14
    for tab in ("variables", "members", "settings", "audit"):
        window.go(f"{base}/{tab}")
        assert page.evaluate("window.__hit") is None, tab
        assert page.locator("img").count() == 0, tab
    window.assert_clean(expected_statuses=frozenset({404, 422}))


def test_no_page_is_large_and_none_asks_another_host(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    hosts = [f"a-rather-long-name-of-a-host-number-{number}.subdomain.example.com" for number in range(40)]
    for number in range(25):
        make_secret(
            service, acme, f"A_RATHER_LONG_NAME_FOR_A_SECRET_{number:03d}", "masked-value-1",
            description="word " * 300, allowed_hosts=hosts,
        )  # fmt: skip
    window = opened("owner")
    for tab in ("variables", "members", "audit", "settings"):
        answer = window.context.request.get(f"{window.url}/workspaces/{acme}/{tab}")
        assert len(answer.body()) < 100 * 1024, tab
    window.go(f"/workspaces/{acme}/variables")
    window.assert_clean()
