"""A new value is tried with a block before it goes live, and the page says how that went."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service
from tests.support.upstream import Upstream


def test_a_new_value_is_tried_with_the_chosen_block_and_the_choice_can_be_kept(
    opened: Callable[..., Window], service: Service, acme: str, people: dict[str, str], upstream: Upstream
) -> None:
    host, owner = f"127.0.0.1:{upstream.port}", people["owner"]
    make_secret(service, acme, "TOKEN", "canary-9f3b2c7e1a5d4860", allowed_hosts=[host])
    call = {"url": f"http://{host}/whoami", "headers": [{"name": "Authorization", "value": "{{secrets.TOKEN}}"}]}
    made = service.ask("POST", f"/workspaces/{acme}/blocks", {"name": "whoami", "call": call}, user=owner)
    assert made.status_code == 201, made.text
    path = f"/workspaces/{acme}/secrets/TOKEN"
    upstream.scripts["/whoami"] = lambda handler: handler.answer(b"{}", 401)
    page = opened("owner").go(f"/workspaces/{acme}/variables/TOKEN/edit")
    page.get_by_label("Value", exact=True).fill("canary-of-a-new-value")
    page.get_by_label("Try it with…").select_option("whoami")
    page.get_by_label("Try every new value so").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("answered 401 with the new value; nothing was changed").first).to_be_visible()
    expect(page.get_by_label("Try it with…")).to_have_value("whoami")
    shown = service.ask("GET", path, user=owner).json()
    assert (shown["version"], shown["check_block"]) == (1, None)

    upstream.scripts.clear()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("TOKEN was saved.")
    shown = service.ask("GET", path, user=owner).json()
    assert (shown["version"], shown["check_block"]) == (2, "whoami")
    assert [seen.header("Authorization") for seen in upstream.seen] == ["canary-of-a-new-value"] * 2
