"""A secret whose value Vault's operators manage, on the pages: what is told of it, to whom, and what can be edited."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.attacks.test_grants import operators
from tests.support.browser import Window, axe
from tests.support.service import Service


@pytest.fixture
def path(service: Service, acme: str, tmp_path: Path) -> Iterator[str]:
    """A path of the operators' that they grant to the workspace, and its secret ZENDESK, which points there."""
    mount = f"two-{uuid.uuid4().hex[:8]}"
    granted = {"workspace": acme, "path": f"{mount}/team-a", "fields": ["token"], "hosts": ["*.example.com"]}
    file = tmp_path / "grants.toml"
    file.write_text("\n".join(["[[grant]]", *(f"{name} = {json.dumps(fact)}" for name, fact in granted.items())]))
    with operators(service) as ask:
        ask("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    applied = service.command("vault", "apply", "--yes", STRONGROOM_GRANTS_FILE=str(file))
    assert applied.returncode == 0, applied.stderr
    body: dict[str, Any] = {"name": "ZENDESK", "visibility": "restricted", "allowed_hosts": ["eu.example.com"]}
    body |= {"from": {"path": granted["path"], "field": "token"}}
    made = service.ask("POST", f"/workspaces/{acme}/secrets", body, user="olga@example.com", keep=False)
    assert made.status_code == 201, made.text
    yield f"{mount}/team-a"
    assert service.command("vault", "apply", "--yes").returncode == 0


@pytest.mark.slow
def test_what_operators_manage_is_told_and_only_what_is_ours_can_be_edited(
    opened: Callable[..., Window], service: Service, acme: str, path: str
) -> None:
    for role, is_told in (("owner", True), ("admin", True), ("editor", False)):
        window = opened(role)
        page = window.go(f"/workspaces/{acme}/variables")
        expect(page.get_by_role("row", name="ZENDESK").get_by_text("managed", exact=True)).to_be_visible()
        page = window.go(f"/workspaces/{acme}/variables/ZENDESK")
        expect(page.get_by_role("region", name="About it")).to_contain_text("Managed in Vault by its operators")
        assert (path in page.locator("main").inner_text()) == (path in page.content().replace("<wbr>", "")) == is_told
        expect(page.get_by_role("button", name="Roll back")).to_have_count(0)
        window.assert_clean()

    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/variables/ZENDESK/edit")
    assert axe(page) == []
    main = page.get_by_role("main")
    expect(main.get_by_text("Managed in Vault by its operators")).to_be_visible()
    fields = main.locator("form.editor, form").locator("input:not([type=hidden]), textarea, select")
    names = {fields.nth(number).get_attribute("name") for number in range(fields.count())}
    assert names == {"description", "allowed_hosts", "wide", "expires_at"}
    page.get_by_label("Description").fill("of team A")
    page.get_by_label("Allowed hosts").fill("us.example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("ZENDESK was saved.")
    saved = service.ask("GET", f"/workspaces/{acme}/secrets/ZENDESK", user="olga@example.com").json()
    assert (saved["description"], saved["allowed_hosts"]) == ("of team A", ["us.example.com"])

    page = window.go(f"/workspaces/{acme}/variables/ZENDESK/edit")
    page.get_by_label("Allowed hosts").fill("api.example.org")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("grant")
    expect(page.get_by_label("Allowed hosts")).to_have_value("api.example.org")
