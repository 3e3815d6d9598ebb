"""What there is to read where the service runs: the API's pages and the guides."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from playwright.sync_api import expect

from app.web.errors import STATUS
from tests.support.browser import Window, axe
from tests.support.service import Service

DOCS = Path(__file__).parents[2] / "docs"


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


def test_every_guide_is_reached_from_the_first_and_no_link_leads_nowhere(service: Service) -> None:
    first = f"{service.url}/docs/"
    seen: dict[str, str] = {}
    waiting = [first]
    while waiting:
        url = waiting.pop()
        answer = requests.get(url, timeout=10)
        assert answer.status_code == 200, url
        seen[url] = answer.text if "html" in answer.headers["Content-Type"] else ""
        for target in re.findall(r' (?:href|src)="([^"#]*)"', seen[url]):
            there = urljoin(url, html.unescape(target))
            if there.startswith(first) and there not in seen and there not in waiting:
                waiting.append(there)
    pages = {urlsplit(url).path.removeprefix("/docs/") for url, text in seen.items() if text}
    guides = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert pages == guides - {"index"} | {""}
    for url, text in seen.items():
        for target, anchor in re.findall(r' href="([^"#:]*)#([^"]+)"', text):
            assert f' id="{anchor}"' in seen[urljoin(url, target) if target else url], (url, target, anchor)


def test_a_guide_is_a_page_as_any_and_stays_in_its_folder(opened: Callable[..., Window], service: Service) -> None:
    window = opened(viewport={"width": 360, "height": 800})
    page = window.go("/sign-in")
    page.get_by_role("link", name="Docs", exact=True).click()
    page.get_by_role("link", name="admins.md").click()
    expect(page.get_by_role("img", name="The Variables tab", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert axe(page) == []
    window.assert_clean()
    for name in ("nothing", "../README", "%2e%2e/README", "screenshots/../../README.md", "screenshots/%2e%2e/index.md"):
        assert requests.get(f"{service.url}/docs/{name}", timeout=10).status_code == 404, name
