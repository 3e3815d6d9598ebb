"""Which requests a secret may ride, on the page: written a line each, and reading alone with one click."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service


def test_reading_alone_is_one_click_and_a_wrong_pattern_stays_in_the_form(
    opened: Callable[..., Window], service: Service, acme: str, people: dict[str, str]
) -> None:
    make_secret(service, acme, "TOKEN", "value-9f3b2c7e1a5d4860")
    path = f"/workspaces/{acme}/secrets/TOKEN"
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables/TOKEN/edit")
    page.locator("summary").click()
    page.get_by_label("Read only").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TOKEN was saved.")
    assert service.ask("GET", path, user=people["owner"]).json()["allowed_requests"] == [{"methods": ["GET", "HEAD"]}]

    page = window.go(f"/workspaces/{acme}/variables/TOKEN/edit")
    page.locator("summary").click()
    requests = page.get_by_label("Allowed requests")
    expect(requests).to_have_value("GET,HEAD")
    requests.fill("GET /api/**/x")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("** stands only at the end").first).to_be_attached()
    expect(page.get_by_label("Allowed requests")).to_have_value("GET /api/**/x")
    page.get_by_label("Allowed requests").fill("GET /api/**\nPOST /search")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TOKEN was saved.")
    patterns = [{"methods": ["GET"], "path": "/api/**"}, {"methods": ["POST"], "path": "/search"}]
    assert service.ask("GET", path, user=people["owner"]).json()["allowed_requests"] == patterns
