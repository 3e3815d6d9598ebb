"""What the pages tell of how secrets are used: a badge where an upstream refuses one, and the ones that nobody uses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service
from tests.support.upstream import Upstream


def test_a_secret_that_its_upstream_refuses_is_marked_and_the_unused_ones_can_be_listed(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    host = f"127.0.0.1:{upstream.port}"
    for name, visibility in (("REFUSED", "masked"), ("WORKS", "restricted"), ("IDLE", "masked")):
        value = f"canary-{name.lower()}-9f3b2c7e1a5d4860"
        make_secret(service, acme, name, value, visibility=visibility, allowed_hosts=[host])
    upstream.scripts["/401"] = lambda handler: handler.answer(b"{}", 401)
    for name, path, status in (("REFUSED", "/401", 401), ("WORKS", "/", 200)):
        call = {
            "url": f"http://{host}{path}",
            "headers": [{"name": "Authorization", "value": f"Bearer {{{{secrets.{name}}}}}"}],
        }
        answer = service.ask("POST", f"/workspaces/{acme}/calls", call, user="olga@example.com")
        assert answer.json()["status"] == status, answer.text
    _await_count(service, acme)
    window = opened("editor", viewport={"width": 1217, "height": 800})
    page = window.go(f"/workspaces/{acme}/variables")
    row = page.get_by_role("row", name=re.compile("REFUSED"))
    expect(row.get_by_text("probably expired or revoked")).to_be_visible()
    expect(page.get_by_text("probably expired or revoked")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the mark makes room for itself"
    page.get_by_label("Kind").select_option(label="Secrets never used")
    expect(page.locator("tbody .name")).to_have_text(["IDLE"])
    for name, told in (("WORKS", "Carried by 1 call, the last "), ("IDLE", "No call has carried it yet.")):
        page = window.go(f"/workspaces/{acme}/variables/{name}")
        expect(page.get_by_role("region", name="Where it is used")).to_contain_text(told)
    window.assert_clean()


def _await_count(service: Service, workspace: str) -> None:
    """Wait until the chores have counted what was used, for the list."""
    end = time.monotonic() + 60
    while True:
        listed = service.ask("GET", f"/workspaces/{workspace}/secrets?unused=true", user="olga@example.com").json()
        names = [each["name"] for each in listed["items"]]
        if names == ["IDLE"]:
            return
        assert time.monotonic() < end, names
        time.sleep(0.2)
