"""The API's pages to read."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import requests
from playwright.sync_api import expect

from app.web.errors import STATUS
from tests.support.browser import Window
from tests.support.service import Service


def test_every_problem_has_its_place_on_the_page(service: Service) -> None:
    answer = requests.get(f"{service.url}/api/docs", timeout=10)
    assert answer.status_code == 200
    anchors = re.findall(r' id="([^"]+)"', answer.text)
    assert len(anchors) == len(set(anchors))
    assert set(anchors) >= STATUS.keys()
    refused = service.ask("GET", "/workspaces/nowhere").json()
    page, _, anchor = refused["type"].partition("#")
    assert (page, anchor) == ("/api/docs", "not_found")


def test_every_operation_is_on_the_page(service: Service) -> None:
    page = html.unescape(requests.get(f"{service.url}/api/docs", timeout=10).text)
    for path, operations in service.ask("GET", "/openapi.json", keep=False).json()["paths"].items():
        assert f"<code>{path}</code>" in page
        assert all(operation["summary"] in page for operation in operations.values() if "summary" in operation)


def test_the_page_fits_on_a_telephone(opened: Callable[..., Window]) -> None:
    page = opened(viewport={"width": 360, "height": 800}).go("/api/docs")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_page_has_no_script_and_asks_nobody_else(opened: Callable[..., Window]) -> None:
    window = opened()
    page = window.go("/api/docs")
    assert page.locator("script").count() == 0
    assert page.locator("article").count() > 30
    page.locator("a[href='#secret_expired']").first.click()
    expect(page).to_have_url(re.compile("#secret_expired$"))
    assert {request.url.split("/")[2] for request in window.requests} == {window.url.split("/")[2]}
    assert "script-src 'self'" in (window.responses[0].headers["content-security-policy"])
