"""Real Chromium, and a window in it that writes down whatever a page shouldn't do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

AXE = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]
# Every way a page can say that the policy was broken; told before any script of the page runs.
WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (e) => {
  window.__violations.push(e.violatedDirective + " " + e.blockedURI);
});
"""


@contextmanager
def chromium(**more: Any) -> Iterator[Browser]:
    """A browser, for as long as the block runs."""
    assert CHROMIUM, "The tests need Chromium: make setup-dev installs it."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, **more)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """A browser context of its own (cookies, storage, history) with one page, and everything that it told."""

    context: BrowserContext
    page: Page
    url: str
    console: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open one of the service's pages."""
        self.note_violations()
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, user: str, password: str) -> Page:
        """Sign in as somebody who can."""
        page = self.go("/sign-in")
        page.get_by_label("User").fill(user)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    def note_violations(self) -> None:
        """Take down what the page at hand has to say about the policy, before it goes."""
        if not self.page.url.startswith("http"):
            return
        self.violations += self.page.evaluate("window.__violations ?? []")

    def assert_clean(self, *, expected_statuses: frozenset[int] = frozenset()) -> None:
        """No broken policy, no script error, nothing on the console, no request to another host."""
        self.note_violations()
        assert self.violations == []
        assert self.errors == []
        noise = [
            line for line in self.console if not any(f"status of {status}" in line for status in expected_statuses)
        ]
        assert noise == []
        hosts = {request.url.split("/")[2] for request in self.requests if request.url.startswith("http")}
        assert hosts <= {self.url.split("/")[2]}


@contextmanager
def window(browser: Browser, url: str, **options: Any) -> Iterator[Window]:
    """Open a window that watches; ``options`` are Playwright's for a browser context."""
    context = browser.new_context(**options)
    context.set_default_timeout(30_000)
    if options.get("java_script_enabled", True):
        context.add_init_script(WATCH)
    try:
        yield listen(Window(context, context.new_page(), url))
    finally:
        context.close()


def listen(opened: Window) -> Window:
    """Take down from now on what the window's page says, asks for and gets."""

    def _console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            opened.console.append(message.text)

    opened.page.on("console", _console)
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on("request", lambda request: opened.requests.append(request))
    opened.page.on("response", lambda response: opened.responses.append(response))
    return opened


# What of axe-core's rules a theme can break.
_OF_COLOUR = ["color-contrast", "link-in-text-block"]


def axe(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now, in both themes, a line for each rule and place."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())  # by the debugger, which the page's own policy doesn't bind
    page.emulate_media(color_scheme="light")
    found = _violations(page, {})
    page.emulate_media(color_scheme="dark")
    return found + [f"dark: {line}" for line in _violations(page, {"runOnly": _OF_COLOUR})]


def _violations(page: Page, options: dict[str, Any]) -> list[str]:
    found = page.evaluate("options => axe.run(document, {resultTypes: ['violations'], ...options})", options)
    return [
        f"{rule['id']}: {node['target']} {json.dumps(node.get('any', [{}])[:1])[:300]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


# A word that stands in two lines, but for a hyphen, slash or the like at which it may be broken.
_BROKEN_WORDS = """() => {
  const found = new Set();
  const range = document.createRange();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const holder = text.parentElement;
    if (!holder.checkVisibility() || holder.closest(".unseen, .face, pre, script, textarea, option")) continue;
    for (const word of text.data.matchAll(/[^\\s/?&=.,@-]+/g)) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const pieces = [...range.getClientRects()].filter((each) => each.width);
      if (new Set(pieces.map((each) => Math.round(each.top))).size > 1) found.add(word[0]);
    }
  }
  return [...found];
}"""


def broken_words(page: Page) -> list[str]:
    """Return the words that a page shows broken in their middle for want of room."""
    words: list[str] = page.evaluate(_BROKEN_WORDS)
    return words
