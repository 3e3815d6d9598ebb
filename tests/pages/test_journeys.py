"""The jobs that the pages are for, each from its beginning to its end."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.pages.conftest import make_block, make_secret, make_user, make_variable
from tests.support.browser import Window, axe
from tests.support.service import Service
from tests.support.streams import add_block, events_upstream
from tests.support.upstream import Upstream

CANARY = "canary-8b1f-4c7d-9e2a-pasted"


def message(page: Page, text: str) -> None:
    expect(page.locator("#message")).to_contain_text(text)


def test_a_pasted_curl_command_becomes_a_block_its_credential_a_secret_and_a_program_runs_it(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    window = opened("owner")
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = window.go(f"/workspaces/{acme}/variables")
    steps = page.get_by_role("region", name="First steps")
    expect(steps.get_by_role("listitem")).to_have_count(5)
    steps.get_by_role("link", name="Save an API block").click()
    page.get_by_label("Name", exact=True).fill("open-ticket")
    host = f"127.0.0.1:{upstream.port}"
    command = f"curl http://{host}/tickets \\\n  -H 'Authorization: Bearer {CANARY}' \\\n  --compressed -d subject=hi"
    page.evaluate("text => navigator.clipboard.writeText(text)", command)
    page.get_by_label("URL", exact=True).focus()
    page.keyboard.press("Control+v")
    draft = page.get_by_role("region", name="From your curl command")
    expect(draft).to_contain_text(f"in header Authorization, for {host}")
    expect(page.get_by_label("URL", exact=True)).to_have_value(f"http://{host}/tickets")
    expect(page.get_by_label("Method")).to_have_value("POST")
    assert CANARY not in page.content()
    assert axe(page) == []
    draft.get_by_role("button", name="Create ").click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("textbox", name="Value")).to_have_value(CANARY)
    expect(panel.get_by_label("Allowed hosts")).to_have_value(host)
    panel.get_by_label("Name", exact=True).fill("TICKETS_TOKEN")
    panel.get_by_role("button", name="Save").click()
    expect(draft).to_contain_text("TICKETS_TOKEN was created.")
    expect(page.get_by_label("Value of header Authorization")).to_have_value("Bearer {{secrets.TICKETS_TOKEN}}")
    page.keyboard.press("Control+s")
    message(page, "The API block open-ticket was created.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("200")
    assert upstream.seen[-1].header("Authorization") == f"Bearer {CANARY}"
    runs = page.get_by_role("region", name="Last runs")
    expect(runs.get_by_role("listitem")).to_have_count(1)
    expect(runs).to_contain_text("olga@example.com")
    page.get_by_text("Use it", exact=True).click()
    page.get_by_role("button", name="Copy Python").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert "/blocks/open-ticket/run" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("link", name="Create runtime token").click()
    expect(panel.get_by_label("Label")).to_have_value("open-ticket")
    panel.get_by_role("button", name="Save").click()
    token = panel.get_by_label("The token").inner_text()
    ran = service.ask("POST", f"/workspaces/{acme}/blocks/open-ticket/run", {"variables": {}}, token=token, keep=False)
    assert ran.json()["status"] == 200, ran.text
    page = window.go(f"/workspaces/{acme}/first-steps")
    expect(page.get_by_text("Done:")).to_have_count(5)
    runs_page = window.go(f"/workspaces/{acme}/blocks/open-ticket")
    runs_page.get_by_role("region", name="Last runs").get_by_role("link").first.click()
    expect(runs_page.locator(".events li")).to_contain_text(["ran open-ticket"])
    window.assert_clean()


def test_a_command_pasted_before_the_page_has_its_script_is_read_once_it_has(
    opened: Callable[..., Window], acme: str
) -> None:
    window = opened("editor")
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page, waiting = window.page, list[Route]()
    page.route("**/editor.js*", lambda route: waiting.append(route))
    page.goto(f"{window.url}/workspaces/{acme}/blocks/-/new", wait_until="commit")
    command = "curl https://api.example.com/tickets \\\n  -H 'X-Reason: early' \\\n  -d subject=hi"
    page.evaluate("text => navigator.clipboard.writeText(text)", command)
    page.get_by_label("URL", exact=True).focus()
    page.keyboard.press("Control+v")
    expect(page.get_by_label("URL", exact=True)).to_have_value(re.compile("^curl .* -d subject=hi$"))
    for route in waiting:
        route.continue_()
    expect(page.get_by_label("URL", exact=True)).to_have_value("https://api.example.com/tickets")
    expect(page.get_by_label("Value of header X-Reason")).to_have_value("early")
    window.assert_clean()


def test_a_command_asks_before_it_replaces_what_was_typed(opened: Callable[..., Window], acme: str) -> None:
    window = opened("editor")
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = window.go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("Name of header 1").fill("X-Reason")
    page.get_by_label("Value of header X-Reason").fill("typed")
    page.get_by_label("Body", exact=True).select_option("text")
    page.get_by_role("textbox", name="Text body").fill("a long text")
    url = page.get_by_label("URL", exact=True)
    url.fill("https://api.example.com/typed")
    draft = page.get_by_role("region", name="From your curl command")
    question = page.get_by_role("alertdialog", name="Replace what you typed?")

    def paste(command: str) -> None:
        page.evaluate("text => navigator.clipboard.writeText(text)", command)
        url.focus()
        page.keyboard.press("Control+v")

    for answer in ("Keep what I typed", "Escape"):
        paste("curl https://api.example.com/tickets -H 'X-Reason: pasted' -d subject=hi")
        expect(question).to_contain_text("would replace the URL, headers, the body.")
        assert axe(page) == []
        page.keyboard.press(answer) if answer == "Escape" else question.get_by_role("button", name=answer).click()
        expect(page.locator("#said")).to_have_text("What you typed was kept. The command wasn't read.")
        expect(question).to_have_count(0)
        expect(url).to_have_value("https://api.example.com/typed")
        expect(page.get_by_label("Value of header X-Reason")).to_have_value("typed")
        expect(page.get_by_role("textbox", name="Text body")).to_have_value("a long text")
        expect(draft).to_have_count(0)
    paste("curl -T - https://api.example.com/{a,b}")
    expect(url).to_have_attribute("aria-invalid", "true")
    expect(url).to_have_value("https://api.example.com/typed")
    paste("curl https://api.example.com/tickets -H 'X-Reason: pasted' -d subject=hi")
    question.get_by_role("button", name="Replace").click()
    expect(draft).to_be_visible()
    expect(url).to_have_value("https://api.example.com/tickets")
    expect(page.get_by_label("Value of header X-Reason")).to_have_value("pasted")
    url.press("Control+a")
    paste(
        "curl https://api.example.com/more -H 'X-Reason: pasted' -H 'X-More: 1' -d subject=hi"
    )  # holds all that was there
    expect(url).to_have_value("https://api.example.com/more")
    window.assert_clean(expected_statuses=frozenset({422}))


@pytest.mark.slow
def test_a_header_that_is_typed_while_a_command_is_read_is_asked_about(
    opened: Callable[..., Window], acme: str
) -> None:
    window = opened("editor")
    page, waiting = window.go(f"/workspaces/{acme}/blocks/-/new"), list[Route]()
    page.route("**/from-curl", lambda route: waiting.append(route) if not waiting else route.continue_())
    url = page.get_by_label("URL", exact=True)
    url.fill("curl https://api.example.com/tickets")
    expect(page.locator("#said")).to_have_text("Reading the command …")
    page.get_by_label("Name of header 1").fill("X-Reason")
    waiting[0].continue_()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("would replace headers.")
    question.get_by_role("button", name="Keep what I typed").click()
    expect(page.get_by_label("Name of header 1")).to_have_value("X-Reason")
    expect(url).to_have_value("curl https://api.example.com/tickets")
    page.get_by_role("button", name="Save").click()
    question.get_by_role("button", name="Replace").click()
    expect(url).to_have_value("https://api.example.com/tickets")


@pytest.mark.slow
def test_a_command_asks_before_it_replaces_without_script_too(opened: Callable[..., Window], acme: str) -> None:
    window = opened("editor", java_script_enabled=False)
    page = window.page
    page.goto(f"{window.url}/workspaces/{acme}/blocks/-/new")
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("Name of header 1").fill("X-Reason")
    page.get_by_label("URL", exact=True).fill("curl https://api.example.com/x")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This command would replace what you typed: headers.")).to_be_visible()
    expect(page.get_by_label("Name of header 1")).to_have_value("X-Reason")
    page.get_by_label("Replace headers on Save").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="From your curl command")).to_be_visible()
    expect(page.get_by_label("URL", exact=True)).to_have_value("https://api.example.com/x")


@pytest.mark.slow
def test_a_command_that_cant_be_kept_is_told_beside_the_url_and_stays_without_script_too(
    opened: Callable[..., Window], acme: str
) -> None:
    page = opened("editor").go(f"/workspaces/{acme}/blocks/-/new")
    url = page.get_by_label("URL", exact=True)
    url.fill("curl -T - https://api.example.com/{a,b}")
    expect(url).to_have_attribute("aria-invalid", "true")
    expect(url).to_have_value("curl -T - https://api.example.com/{a,b}")
    window = opened("editor", java_script_enabled=False)
    page = window.page
    page.goto(f"{window.url}/workspaces/{acme}/blocks/-/new")
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_label("URL", exact=True).fill(f"curl https://api.example.com/x -H 'X-Api-Key: {CANARY}'")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="From your curl command")).to_contain_text("Ask an owner or admin")
    expect(page.get_by_label("Name", exact=True)).to_have_value("mine")
    expect(page.get_by_label("URL", exact=True)).to_have_value("https://api.example.com/x")
    assert CANARY not in page.content()


@pytest.mark.slow
def test_whatever_names_a_thing_leads_to_it(opened: Callable[..., Window], service: Service, acme: str) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1", description="of Zendesk")
    make_secret(service, acme, "TOKEN_TWO", "masked-value-2")
    make_block(service, acme, "open-ticket", "TOKEN")
    service.ask("POST", f"/workspaces/{acme}/secrets/TOKEN/reveal", user="edda@example.com", keep=False)
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("link", name="1 block").click()
    expect(page.get_by_role("heading", name="TOKEN")).to_be_visible()
    for region, text in (
        ("About it", "any public host"), ("Where it is used", "open-ticket"), ("Versions", "1 look"),
        ("Who looked at it", "edda@example.com"),
    ):  # fmt: skip
        expect(page.get_by_role("region", name=region)).to_contain_text(text)
    assert axe(page) == []
    page.get_by_role("button", name="Edit TOKEN").click()
    page.get_by_role("dialog").get_by_label("Description").fill("of Zendesk, read and write")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    message(page, "TOKEN was saved.")
    expect(page).to_have_url(f"{window.url}/workspaces/{acme}/variables/TOKEN")
    expect(page.get_by_text("of Zendesk, read and write")).to_be_visible()
    page.get_by_role("region", name="Who looked at it").get_by_role("link", name="edda@example.com").click()
    expect(page.locator(".events li")).to_have_count(1)  # and nothing of TOKEN_TWO
    page.get_by_label("Secret").fill("token")
    page.get_by_label("Who").fill("OLGA")
    page.get_by_label("What").select_option("secret.create")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".events li")).to_have_count(2)  # parts are found, whatever their case
    page.get_by_text("Details").first.click()
    expect(page.locator(".events li").first).to_contain_text("Request")
    page.locator(".events li").nth(1).get_by_role("link", name="TOKEN", exact=True).click()
    page.get_by_role("link", name="open-ticket").click()
    expect(page.get_by_role("heading", name="Open ticket")).to_be_visible()
    window.assert_clean()


@pytest.mark.slow
def test_lists_say_where_one_is_and_are_narrowed(opened: Callable[..., Window], service: Service, acme: str) -> None:
    for number in range(55):
        make_variable(service, acme, f"V{number:02d}", "x")
    make_secret(
        service, acme, "KEY", "sk_live_9f3b2c7e1a5d4860XyQ", visibility="restricted", allowed_hosts=["a.example"]
    )
    make_secret(service, acme, "TOKEN", "masked-value-1")
    make_block(service, acme, "open-ticket", "TOKEN")
    window = opened("owner")
    page = window.go(f"/workspaces/{acme}/variables")
    expect(page.get_by_text("1–25 of 57 entries")).to_be_visible()
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_text("26–50 of 57 entries")).to_be_visible()
    page.get_by_role("link", name="Previous page").click()
    page.get_by_role("link", name="100 rows a page").click()
    expect(page.locator("tbody tr")).to_have_count(57)
    page.get_by_label("Kind").select_option(label="Restricted secrets")
    expect(page.locator("tbody .name")).to_have_text(["KEY"])
    for q, found in (("token", 1), ("zendesk.com", 1), ("TICKETS.JSON open", 1), ("headers", 0)):
        page = window.go(f"/workspaces/{acme}/blocks?q={q}")
        expect(page.locator("tbody tr")).to_have_count(found)
    page = window.go(f"/workspaces/{acme}/members")
    page.get_by_label("Search members").fill("EDDA")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    assert axe(page) == []
    window.assert_clean()


@pytest.mark.slow
def test_a_dotenv_file_is_looked_through_before_it_is_imported(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TAKEN", "masked-value-1")
    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("button", name="Import .env").click()
    page.get_by_label("Contents of the file").fill(
        f"A_TOKEN={CANARY}\nTAKEN=another-value\nSHORT=x\nB_TOKEN='{CANARY}-b '\nREGION=eu-central-1\n"
    )
    page.get_by_role("button", name="Preview").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(5)
    begins = ("new", "exists already", "refused", "new: The value begins or ends with a space", "new")
    for number, text in enumerate(begins):
        expect(rows.nth(number)).to_contain_text(text)
    assert CANARY not in page.content()
    expect(page.get_by_label("Contents of the file")).to_have_value(re.compile("^A_TOKEN="))
    assert axe(page) == []
    page.get_by_label("Import B_TOKEN").uncheck()
    page.get_by_label("Plain, for everybody to read: SHORT").check()
    page.get_by_label("Plain, for everybody to read: REGION").check()
    page.get_by_role("button", name="Import what is ticked").click()
    message(page, "1 secret and 2 variables imported.")
    names = service.ask("GET", f"/workspaces/{acme}/secrets", user="olga@example.com").json()["items"]
    assert [each["name"] for each in names] == ["A_TOKEN", "TAKEN"]
    for name, value in (("SHORT", "x"), ("REGION", "eu-central-1")):
        told = service.ask("GET", f"/workspaces/{acme}/variables/{name}", user="olga@example.com").json()
        assert told["value"] == value
    window.assert_clean()


@pytest.mark.slow
def test_a_dotenv_file_that_is_chosen_is_imported_and_a_name_that_left_it_is_not_missed(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    page = opened("admin").go(f"/workspaces/{acme}/variables/-/import")
    file = {"name": ".env", "mimeType": "text/plain", "buffer": f"A_TOKEN={CANARY}\nB_TOKEN=x\n".encode()}
    page.get_by_label("Or choose the file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    file["buffer"] = f"C_TOKEN={CANARY}\nB_TOKEN=x\n".encode()
    page.get_by_label("Or choose the file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Import what is ticked").click()
    expect(page.locator("tbody tr").nth(0)).to_contain_text("skipped")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Import what is ticked").click()
    expect(page.locator("tbody tr").nth(0)).to_contain_text("created")
    names = service.ask("GET", f"/workspaces/{acme}/secrets", user="olga@example.com").json()["items"]
    assert [each["name"] for each in names] == ["C_TOKEN"]


@pytest.mark.slow
def test_an_account_shows_its_sessions_and_deeds_and_ends_what_it_doesnt_know(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    user = f"two-places-{acme}@example.com"
    make_user(service, user)
    service.ask("PUT", f"/workspaces/{acme}/members/{user}", {"role": "editor"}, user="olga@example.com")
    service.ask("POST", f"/workspaces/{acme}/variables", {"name": "MINE", "value": "x"}, user=user)
    here, there = opened(), opened()
    for window in (here, there):
        window.sign_in(user, "a sentence to sign in with")
    page = here.go("/account")
    expect(page.get_by_role("region", name="Sessions").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("region", name="What you looked at and did")).to_contain_text("created the variable MINE")
    assert axe(page) == []
    page.get_by_role("button", name="End the session").click()
    message(page, "The session has ended.")
    expect(page.get_by_role("region", name="Sessions").locator("tbody tr")).to_have_count(1)
    expect(there.go("/account").get_by_role("button", name="Sign in")).to_be_visible()
    here.assert_clean()


@pytest.mark.slow
def test_a_stream_is_shown_as_it_comes_and_stop_ends_it_upstream(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream, people: dict[str, str]
) -> None:
    go = threading.Event()
    upstream.scripts["/stream"] = events_upstream(go)
    add_block(service, upstream, acme, user=people["owner"])
    window = opened("editor")
    page = window.go(f"/workspaces/{acme}/blocks/s")
    page.get_by_role("button", name="Send", exact=True).click()
    answer = page.get_by_role("region", name="Answer", exact=True)
    expect(answer).to_contain_text("Answered 200, and goes on")
    assert axe(page) == []
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#said")).to_have_text("Stopped: the call was ended.")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    go.set()
    page.get_by_label("Name of header 1").fill("Host")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_label("Name of header 1")).to_have_attribute("aria-invalid", "true")
    window.assert_clean(expected_statuses=frozenset({422}))


@pytest.mark.slow
def test_what_is_ticked_is_changed_and_deleted_at_once(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    for name in ("ONE", "TWO"):
        make_secret(service, acme, name, "masked-value-1")
    make_variable(service, acme, "REGION", "eu-1")
    window = opened("admin")
    page = window.go(f"/workspaces/{acme}/variables")

    def tick(names: str, button: str) -> None:
        for name in names.split():
            page.get_by_label(f"Tick {name}").check()
        page.get_by_role("button", name=button, exact=True).click()

    tick("ONE TWO", "Set allowed hosts")
    page.get_by_label("Allowed hosts").fill("api.example.com")
    page.get_by_role("button", name="Set allowed hosts").click()
    message(page, "2 entries changed.")
    tick("ONE REGION", "Set expiry")
    page.get_by_label("Expires (UTC)").fill("2099-01-01T00:00")
    page.get_by_role("button", name="Set expiry").click()
    expect(page.get_by_role("alert")).to_contain_text("1 entry changed. 1 was refused.")
    page.once("dialog", lambda asks: asks.accept())
    page.get_by_role("link", name="Cancel").click()
    tick("ONE REGION", "Delete")
    page.get_by_label("Type delete 2 to confirm").fill("delete")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".fault")).to_have_text("Type delete 2 to go on.")
    page.get_by_label("Type delete 2 to confirm").fill("delete 2")
    page.get_by_role("button", name="Delete", exact=True).click()
    message(page, "2 entries deleted.")
    left = service.ask("GET", f"/workspaces/{acme}/secrets", user="olga@example.com").json()["items"]
    assert [(each["name"], each["allowed_hosts"]) for each in left] == [("TWO", ["api.example.com"])]
    window.assert_clean(expected_statuses=frozenset({422}))
