"""Saved means saved: what was typed stays in a form that is refused, and no form saves less than it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import PASSWORD, application, make_secret
from tests.support.browser import Window
from tests.support.caller import Caller
from tests.support.service import Service


@dataclass(frozen=True)
class Form:
    """A form: the page it stands on, the button that opens it (none: the page is the form), and what is typed."""

    path: str
    opener: str | None
    typed: Mapping[str, str]
    button: str = "Save"


# Of every form with something to type in: values that are refused, mostly by the service, past what a browser can tell.
FORMS = {
    "new secret": Form("variables", "Create new", {"name": "TAKEN", "value": "pasted-once", "description": "mine"}),
    "new variable": Form("variables", "Create new", {"kind-plain": "", "name": "TAKEN", "value": "eu-1"}),
    "new signing secret": Form(
        "variables/-/types/hmac",
        None,
        {"name": "TAKEN", "key": "8f1c0b7a6d5e4f3928170655", "allowed_hosts": "a.example", "description": "mine"},
    ),
    "edit secret": Form("variables", "Edit TAKEN", {"value": "rotated-once", "allowed_hosts": "*.com"}),
    "edit variable": Form("variables", "Edit REGION", {"value": "x" * 70_000, "description": "where"}),
    "delete secret": Form("variables", "Delete KEY", {"typed": "KEYS"}, "Delete secret"),
    "new block": Form("blocks/-/new", None, {"block_name": "call", "title": "Mine", "url": "https://a.example/{{x}}"}),
    "edit block": Form("blocks/call", None, {"title": "Mine", "url": "https://{{host}}/", "test-host": "h"}),
    "ticked": Form("variables/-/selected?names=TAKEN&do=hosts", None, {"allowed_hosts": "*.com"}, "Set allowed hosts"),
    "ticked expiry": Form(
        "variables/-/selected?names=TAKEN&names=REGION&do=expiry",
        None,
        {"expires_at": "2031-01-31T10:00"},
        "Set expiry",
    ),
    "import": Form(
        "variables/-/import",
        None,
        {"content": "A_KEY=short-but-long-enough", "visibility-restricted": "", "allowed_hosts": "*.com"},
        "Preview",
    ),
    "add member": Form("members", "Add member", {"user": "olga@example.com"}),
    "settings": Form("settings", None, {"title": " "}),
    "new token": Form("settings", "Create token", {"label": "mine", "role-editor": "", "ad_hoc": ""}),
    "delete workspace": Form("settings", "Delete workspace", {"typed": "something else"}, "Delete workspace"),
    "password": Form("/change-password", None, {"current": "not my password", "password": "a longer sentence"}),
    "sign-in": Form("/sign-in", None, {"user": "nobody@example.com", "password": "something"}, "Sign in"),
}


# What each of them is sent to; beside it, forms in which there is nothing to type, and what no form is sent to.
SENT_TO = {
    "new_variable", "new_typed_secret", "edit_variable", "delete_variable",
    "new_block", "change_block", "change_selected", "import_file",
    "add_member", "change_settings", "new_token", "delete_workspace", "change_password", "sign_in",
}  # fmt: skip
WITHOUT_TYPING = {
    "edit_member", "remove_member", "delete_block", "revoke_token", "roll_back", "renew_secret", "end_session",
    "end_other_sessions", "sign_out",
}  # fmt: skip
NO_FORM = {"reveal_variable", "still_here", "block_from_curl", "end_provider_sessions"}


def control(form: Locator, name: str) -> Locator:
    return form.locator(f'[id="{name}"]')


def type_into(form: Locator, typed: Mapping[str, str]) -> None:
    for name, text in typed.items():
        if text:
            control(form, name).fill(text)
        else:
            control(form, name).check()


def contents(form: Locator, typed: Mapping[str, str]) -> dict[str, str]:
    """Return what stands in the controls that were typed into."""
    return {
        name: control(form, name).input_value() if text else "" if control(form, name).is_checked() else "unticked"
        for name, text in typed.items()
    }


@pytest.mark.slow
def test_what_was_typed_into_any_form_stays_when_it_is_refused(opened: Callable[..., Window], furnished: str) -> None:
    owner, stranger = opened("owner"), opened()
    for what, form in FORMS.items():
        window = stranger if what == "sign-in" else owner
        page = window.go(form.path if form.path[0] == "/" else f"/workspaces/{furnished}/{form.path}")
        where = page.locator("main")
        if form.opener:
            page.get_by_role("button", name=form.opener, exact=True).click()
            where = page.locator("dialog[open]")
        type_into(where, form.typed)
        where.get_by_role("button", name=form.button, exact=True).click()
        expect(where.locator(".fault, .problem").first).to_be_visible()
        assert contents(where, form.typed) == form.typed, what
        page.evaluate("document.querySelectorAll('form').forEach((each) => each.reset())")  # so that no page asks
    owner.note_violations()
    assert owner.violations == owner.errors == []


def test_there_is_no_form_beside_those(service: Service) -> None:
    with application(service) as app:
        routes = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    taken = {rule.endpoint.removeprefix("pages.") for rule in routes if rule.endpoint.startswith("pages.")}
    assert taken == SENT_TO | WITHOUT_TYPING | NO_FORM
    assert not (SENT_TO & WITHOUT_TYPING)


def test_a_refused_edit_is_saved_by_the_second_press_with_the_value_that_was_typed(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "LEAKED", "the-leaked-value")
    page = opened("owner").go(f"/workspaces/{acme}/variables")
    page.get_by_role("button", name="Edit LEAKED").click()
    panel = page.locator("#panel")
    panel.get_by_label("Value", exact=True).fill("the-rotated-value")
    etag = service.ask("GET", f"/workspaces/{acme}/secrets/LEAKED", user="olga@example.com").headers["ETag"]
    service.ask(
        "PATCH", f"/workspaces/{acme}/secrets/LEAKED", {"description": "somebody else's"}, user="adam@example.com",
        headers={"If-Match": etag},
    )  # fmt: skip
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_text("adam@example.com changed it since")).to_contain_text("description")
    panel.get_by_role("button", name="Save").click()
    expect(page.get_by_text("LEAKED was saved.")).to_be_visible()
    shown = service.ask("POST", f"/workspaces/{acme}/secrets/LEAKED/reveal", user="olga@example.com", keep=False)
    assert shown.json()["value"] == "the-rotated-value"


@pytest.mark.slow
def test_without_script_a_value_that_was_refused_has_to_be_given_again(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "LEAKED", "the-leaked-value")
    page = opened("owner", java_script_enabled=False).go(f"/workspaces/{acme}/variables/LEAKED/edit")
    page.get_by_label("Value", exact=True).fill("abc")
    page.get_by_label("Description").fill("kept")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Description")).to_have_value("kept")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Give the new value again, or say below")).to_be_visible()
    page.get_by_label("Keep the value that it has").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("LEAKED was saved.")).to_be_visible()


@pytest.mark.slow
def test_every_fault_of_a_new_secret_is_told_at_once(opened: Callable[..., Window], furnished: str) -> None:
    page = opened("owner").go(f"/workspaces/{furnished}/variables")
    page.get_by_role("button", name="Create new").click()
    panel = page.locator("#panel")
    panel.get_by_label("Restricted", exact=True).check()
    with_nothing_sent: list[str] = []
    page.on("request", lambda request: with_nothing_sent.append(request.method))
    panel.get_by_label("Value", exact=True).fill("abc")
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator(".fault")).to_have_text(
        ["Enter a name.", "Enter at least 8 characters.", "Enter at least one host, such as api.example.com."]
    )
    assert with_nothing_sent == []
    type_into(panel, {"name": "TAKEN", "value": "abcabcabc", "allowed_hosts": "*.com"})
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator(".fault")).to_have_count(3)
    for words in ("is taken", "hard to guess", "*.com"):
        expect(panel.locator(".fault").filter(has_text=words)).to_have_count(1)


def end_session(window: Window, page: Page) -> None:
    """End the session where it is kept: a cookie that is taken away comes back with what the page asked for before."""
    token = page.locator("[name=csrf_token]").first.input_value()
    answer = window.context.request.post(f"{window.url}/sign-out", form={"csrf_token": token}, max_redirects=0)
    assert answer.status == 303, answer.text()


def renew(page: Page, password: str = PASSWORD) -> None:
    again = page.get_by_role("dialog", name="Sign in again")
    again.get_by_label("Password").fill(password)
    again.get_by_role("button", name="Sign in").click()


@pytest.mark.slow
def test_a_session_that_ended_is_renewed_over_the_page_and_save_and_send_go_on(
    opened: Callable[..., Window], furnished: str
) -> None:
    window = opened("owner", own_session=True)
    page = window.go(f"/workspaces/{furnished}/blocks/-/new")
    type_into(page.locator("main"), {"block_name": "long-work", "url": "https://127.0.0.1:9/{{id}}", "test-id": "7"})
    end_session(window, page)
    page.keyboard.press("Control+s")
    renew(page, "not my password")
    expect(page.get_by_text("User or password is wrong.")).to_be_visible()
    renew(page)
    expect(page).to_have_url(f"{window.url}/workspaces/{furnished}/blocks/long-work")
    expect(page.get_by_label("Test value of id")).to_have_value("7")
    page.get_by_label("Title").fill("Long work")
    end_session(window, page)
    page.keyboard.press("Control+Enter")
    renew(page)
    expect(page.locator("#answer")).to_contain_text("upstream", ignore_case=True)
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_have_text("The API block long-work was saved.")
    expect(page.get_by_role("heading", name="Long work")).to_be_visible()
    expect(page.locator("#answer")).to_contain_text("upstream", ignore_case=True)


def test_a_page_that_needs_a_sign_in_says_so_and_leads_back(caller: Callable[[], Caller], acme: str) -> None:
    stranger = caller()
    answer = stranger.get(f"/workspaces/{acme}/variables", allow_redirects=False)
    assert answer.headers["Location"].endswith(f"/sign-in?next=%2Fworkspaces%2F{acme}%2Fvariables")
    assert "your session has ended" in stranger.get(answer.headers["Location"]).text


@pytest.mark.slow
def test_a_half_filled_panel_and_a_token_shown_once_ask_before_they_go(
    opened: Callable[..., Window], acme: str
) -> None:
    window = opened("owner")
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = window.go(f"/workspaces/{acme}/settings")
    panel, asks = page.locator("#panel"), page.get_by_role("alertdialog")
    page.get_by_role("button", name="Create token").click()
    panel.get_by_role("button", name="Cancel").click()
    expect(panel).to_be_hidden()  # nothing was typed, so nothing is asked
    page.get_by_role("button", name="Create token").click()
    panel.get_by_label("Label").fill("flow-runner")
    for leave in (lambda: page.keyboard.press("Escape"), lambda: panel.get_by_role("button", name="Close").click()):
        leave()
        asks.get_by_role("button", name="Keep editing").click()
        expect(panel.get_by_label("Label")).to_have_value("flow-runner")
    panel.get_by_role("button", name="Save").click()
    token = panel.get_by_label("The token").text_content()
    panel.get_by_role("button", name="Copy").click()
    expect(panel.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    page.keyboard.press("Escape")
    expect(asks).to_contain_text("shown only now")
    asks.get_by_role("button", name="Discard").click()
    expect(panel).to_be_hidden()


@pytest.mark.slow
def test_a_link_inside_a_half_filled_panel_asks_before_another_form_takes_its_place(
    opened: Callable[..., Window], acme: str
) -> None:
    page = opened("owner").go(f"/workspaces/{acme}/variables")
    panel, asks = page.locator("#panel"), page.get_by_role("alertdialog")
    page.get_by_role("button", name="Create new").click()
    typed = {"name": "FRESH", "value": "pasted-once"}
    type_into(panel, typed)
    panel.get_by_role("link", name="Choose another type").click()
    asks.get_by_role("button", name="Keep editing").click()
    assert contents(panel, typed) == typed
    panel.get_by_role("link", name="Choose another type").click()
    asks.get_by_role("button", name="Discard").click()
    expect(panel.get_by_role("link", name="An API token, a password or the like")).to_be_visible()


@pytest.mark.slow
def test_a_secret_goes_into_a_string_of_the_body_and_never_behind_it(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "TOKEN", "masked-value-1")
    page = opened("owner").go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/v2/tickets")
    page.get_by_label("Body", exact=True).select_option("json")
    page.get_by_label("JSON body", exact=True).evaluate(
        '(field) => { field.value = \'{"who": "me", "tags": ["a", ""], "n": 1}\';'
        " field.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    page.get_by_role("button", name="Add secret to JSON body").click()
    page.locator(".picker [role=option]").first.click()
    expect(page.locator(".picker [role=option]")).to_have_text(["whome", "tags[0]a", "tags[1]empty"])
    page.locator(".picker [role=option]").nth(2).click()
    body = '{"who": "me", "tags": ["a", "{{secrets.TOKEN}}"], "n": 1}'
    expect(page.get_by_label("JSON body", exact=True)).to_have_value(body)
    page.reload()
    page.get_by_role("button", name="Add secret to URL").wait_for()
    page.locator("#url").evaluate("(field) => { field.value = 'https://api.example.com/v2/tickets' }")
    choose_for_url(page)
    expect(page.locator("#url")).to_have_value("https://api.example.com/v2/tickets/{{secrets.TOKEN}}")
    url = page.get_by_label("URL", exact=True)
    for typed, then in (
        ("https://api.example.com/v2/tickets", "https://api.example.com/v2/tickets/{{secrets.TOKEN}}"),
        ("https://api.example.com/v2?key=", "https://api.example.com/v2?key={{secrets.TOKEN}}"),
        ("https://api.example.com/v2?limit=10", "https://api.example.com/v2?limit=10"),  # says where to click
    ):
        url.fill(typed)
        choose_for_url(page)
        expect(url).to_have_value(then)
    expect(page.locator(".picker-count")).to_contain_text("Click in the URL where it goes")
    page.keyboard.press("Escape")
    url.fill("https://api.example.com/bot")
    url.press("End")  # the caret is put there: Telegram wants it so
    choose_for_url(page)
    expect(url).to_have_value("https://api.example.com/bot{{secrets.TOKEN}}")


def choose_for_url(page: Page) -> None:
    page.get_by_role("button", name="Add secret to URL").click()
    page.locator(".picker [role=option]").first.click()


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["network", "session"])
def test_what_was_typed_into_any_form_stays_where_the_network_or_the_session_is_gone(
    opened: Callable[..., Window], furnished: str, gone: str
) -> None:
    window = opened("owner")
    cookies = window.context.cookies()
    for what, form in FORMS.items():
        if what == "sign-in":
            continue
        page = window.go(form.path if form.path[0] == "/" else f"/workspaces/{furnished}/{form.path}")
        where = page.locator("main")
        if form.opener:
            page.get_by_role("button", name=form.opener, exact=True).click()
            where = page.locator("dialog[open]:not(#again)")
        type_into(where, form.typed)
        url = page.url
        if gone == "network":
            window.context.set_offline(True)
        else:
            window.context.clear_cookies()
        where.get_by_role("button", name=form.button, exact=True).click()
        expect(page.locator(".fault, .problem, #again [name=user]").first).to_be_visible()
        assert (contents(where, form.typed), page.url) == (form.typed, url), what
        window.context.set_offline(False)
        window.context.add_cookies(cookies)  # type: ignore[arg-type]
        page.evaluate("document.querySelectorAll('form').forEach((each) => each.reset())")
    window.note_violations()
    assert window.violations == window.errors == []


def test_what_is_refused_for_no_field_of_the_form_is_told_above_it_and_never_swallowed(
    opened: Callable[..., Window], service: Service, furnished: str
) -> None:
    page = opened("owner").go(f"/workspaces/{furnished}/variables")
    page.get_by_role("button", name="Create new").click()
    panel = page.locator("#panel")
    type_into(panel, {"name": "FRESH", "value": "pasted-once"})
    panel.locator("[name=kind][value=secret]").evaluate(
        "(radio) => radio.form.insertAdjacentHTML('beforeend', '<input type=radio name=visibility value=loud checked>')"
    )
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator(".fault, .problem").first).to_contain_text("masked")
    assert contents(panel, {"name": "FRESH", "value": "pasted-once"}) == {"name": "FRESH", "value": "pasted-once"}
