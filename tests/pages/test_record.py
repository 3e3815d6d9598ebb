"""What the Audit tab says of the chain, and the files it hands out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from sqlalchemy import Connection, text

from tests.pages.conftest import make_variable
from tests.support import databases
from tests.support.browser import Window
from tests.support.chains import cut_back, remove
from tests.support.service import Service


def test_the_audit_tab_says_that_the_chain_is_verified_or_what_was_done_to_it(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/audit")
    expect(page.locator("main")).to_contain_text("Chain verified: ")
    with databases.connected(service.database_url) as connection:
        change = text("UPDATE events SET actor_id = 'eve' WHERE chain = :ws AND seq = 2")
        connection.execute(change, {"ws": acme})
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The record was tampered with: event 2 isn't what was recorded")


@pytest.mark.slow
@pytest.mark.parametrize("hurt", [cut_back, remove])
def test_the_audit_tab_says_what_is_missing_of_a_chain_that_vault_knows_of(
    opened: Callable[..., Window],
    service: Service,
    acme: str,
    people: dict[str, str],
    hurt: Callable[[Connection, str], None],
) -> None:
    for name in ("FIRST", "SECOND"):
        make_variable(service, acme, name, "x")
        ndjson = {"Accept": "application/x-ndjson"}
        assert service.ask("GET", f"/workspaces/{acme}/audit", headers=ndjson, user=people["owner"]).ok  # signed first
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/audit")
    expect(page.locator("main")).to_contain_text("Signed by Vault up to")
    with databases.connected(service.database_url) as connection:
        hurt(connection, acme)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The record was tampered with: ")


@pytest.mark.slow
def test_the_record_is_exported_from_the_page_as_it_was_narrowed(opened: Callable[..., Window], acme: str) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/audit?action=member.add")
    with page.expect_download() as started:
        page.get_by_role("link", name="Export", exact=True).click()
    lines = [json.loads(line) for line in started.value.path().read_text().splitlines()]
    assert {line["action"] for line in lines} == {"member.add"}
    assert started.value.suggested_filename == f"{acme}-audit.ndjson"
