"""Whatever refuses a form, what was typed into it stays, it is said in plain words, and the next press works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, Route, expect

from app.kernel.errors import (
    Conflict,
    PayloadTooLarge,
    PreconditionFailed,
    RateLimited,
    StrongroomError,
    TooManyCalls,
    VaultUnavailable,
)
from app.pages.errors import error_page
from app.web.errors import problem
from tests.pages.conftest import application
from tests.pages.test_saved import FORMS, Form, contents, type_into
from tests.support.browser import Window
from tests.support.service import Service

NOTHING_LOST = "Nothing that you typed is lost."
PROXY = (
    "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr><center>nginx</center></body></html>"
)
AS_PAGES = {
    "409": Conflict("Somebody else is changing it at this moment."),
    "412": PreconditionFailed("It was changed since this page was opened."),
    "503 of the service": VaultUnavailable("Vault doesn't answer.", retry_after=5),
}
BEFORE_ANY_PAGE = {
    "413": PayloadTooLarge("The request is longer than 2 MiB."),
    "429": RateLimited("Too many requests.", retry_after=5),
    "429 of many calls": TooManyCalls("Too many calls are in flight.", retry_after=1),
}
OF_A_PROXY = {"502": "502 Bad Gateway", "503": "503 Service Temporarily Unavailable"}
# What the browser itself would refuse of those forms.
ACCEPTABLE = {"new signing secret": {"signed-message": "{{$body}}"}, "settings": {"title": "Ours"}}
KINDS = (*AS_PAGES, *BEFORE_ANY_PAGE, *OF_A_PROXY, "connection refused")


@pytest.fixture
def pages(service: Service) -> Iterator[Flask]:
    with application(service) as app:
        yield app


def refusal(app: Flask, kind: str) -> dict[str, Any] | None:
    """Return the answer as the service's own code writes it, or as a proxy's before it; None where nobody answers."""
    if kind in OF_A_PROXY:
        return {"status": int(kind), "content_type": "text/html", "body": PROXY.format(OF_A_PROXY[kind])}
    error: StrongroomError | None = AS_PAGES.get(kind) or BEFORE_ANY_PAGE.get(kind)
    if error is None:
        return None
    with app.test_request_context("/"):
        written = error_page(error) if kind in AS_PAGES else problem(error)
    return {"status": written.status_code, "headers": dict(written.headers), "body": written.get_data(as_text=True)}


def refuse(page: Page, answer: dict[str, Any] | None) -> None:
    """Have what is posted from now on refused."""

    def refused(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif answer is None:
            route.abort("connectionrefused")
        else:
            route.fulfill(**answer)

    page.unroute_all()
    page.route("**", refused)


def open_form(window: Window, ws: str, form: Form) -> Locator:
    page = window.go(form.path if form.path[0] == "/" else f"/workspaces/{ws}/{form.path}")
    if form.opener is None:
        return page.locator("main")
    page.get_by_role("button", name=form.opener, exact=True).click()
    return page.locator("dialog[open]")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_refuses_a_form_what_was_typed_stays_and_the_next_press_works(
    opened: Callable[..., Window], pages: Flask, furnished: str, kind: str
) -> None:
    owner, stranger = opened("owner"), opened()
    answer = refusal(pages, kind)
    for what, form in FORMS.items():
        window = stranger if what == "sign-in" else owner
        page = window.page
        where = open_form(window, furnished, form)
        typed = {**form.typed, **ACCEPTABLE.get(what, {})}
        type_into(where, typed)
        url = page.url
        refuse(page, answer)
        press = where.get_by_role("button", name=form.button, exact=True)
        press.click()
        told = page.locator(".problem").first
        expect(told).to_be_visible()
        if kind not in AS_PAGES:
            expect(told).to_contain_text(NOTHING_LOST)
        assert (contents(where, typed), page.url) == (typed, url), what
        page.unroute_all()
        if what != "settings":  # which the service would take
            press.click()
            expect(where.locator(".fault, .problem").first).not_to_contain_text(NOTHING_LOST)
            assert contents(where, typed) == typed, what
        page.evaluate("document.querySelectorAll('form').forEach((each) => each.reset())")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_refuses_send_the_block_stays_as_it_was_typed(
    opened: Callable[..., Window], pages: Flask, furnished: str, kind: str
) -> None:
    page = opened("owner").go(f"/workspaces/{furnished}/blocks/call")
    typed = {"title": "Mine", "url": "https://127.0.0.1:9/{{id}}", "test-id": "7"}
    type_into(page.locator("main"), typed)
    refuse(page, refusal(pages, kind))
    page.get_by_role("button", name="Send").click()
    told = page.get_by_role("status").filter(has_text="is lost" if kind not in AS_PAGES else AS_PAGES[kind].detail)
    expect(told.first).to_be_visible()
    assert contents(page.locator("main"), typed) == typed
    page.unroute_all()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text("127.0.0.1")


@pytest.mark.slow
def test_what_is_refused_before_any_page_was_asked_is_said_in_its_own_words(
    opened: Callable[..., Window], pages: Flask, furnished: str
) -> None:
    window = opened("owner")
    page = window.page
    where = open_form(window, furnished, FORMS["edit secret"])
    typed = {"value": "rotated-once", "allowed_hosts": "api.example.com"}
    for kind, error in BEFORE_ANY_PAGE.items():
        type_into(where, typed)
        refuse(page, refusal(pages, kind))
        where.get_by_role("button", name="Save").click()
        expect(where.locator(".problem")).to_have_text(f"{error.detail} {NOTHING_LOST}")
        assert contents(where, typed) == typed
    page.unroute_all()
    where.locator("#description").evaluate(
        "(field) => { field.removeAttribute('maxlength'); field.value = 'x'.repeat(3e6) }"
    )
    where.get_by_role("button", name="Save").click()  # which the service itself refuses, before it reads a word
    expect(where.locator(".problem")).to_contain_text(NOTHING_LOST)
    expect(where.locator(".problem")).not_to_contain_text("Too many")
    assert contents(where, typed) == typed
