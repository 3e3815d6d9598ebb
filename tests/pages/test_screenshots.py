"""Pictures of every page, in both themes, narrow and wide: for the docs, and to be looked at."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pages.conftest import PASSWORD, in_three_days, make_block, make_secret, make_variable, make_workspace
from tests.support.browser import Window
from tests.support.service import Service

DOCS = Path(__file__).parents[2] / "docs" / "screenshots"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where pictures go: into the docs where somebody asks for that, since they change with every font."""
    if "STRONGROOM_SCREENSHOTS" not in os.environ:
        return tmp_path
    DOCS.mkdir(parents=True, exist_ok=True)
    return DOCS


@pytest.fixture(scope="module")
def furnished(service: Service, people: dict[str, str]) -> str:
    """A workspace as one finds it after some weeks."""
    name = make_workspace(service, people)
    make_workspace(service, people, "Acme Sales")  # so that there is a list to begin with
    make_variable(service, name, "REGION", "eu-central-1", description="Where our data lives")
    make_variable(service, name, "SUPPORT_EMAIL", "support@example.com")
    make_secret(
        service, name, "ZENDESK_TOKEN", "zd-9f3b2c7e1a5d4860", allowed_hosts=["api.zendesk.com", "*.zendesk.com"],
        description="Opens and reads tickets",
    )  # fmt: skip
    make_secret(
        service, name, "STRIPE_SECRET_KEY", "sk_live_9f3b2c7e1a5d4860XyQ", visibility="restricted",
        allowed_hosts=["api.stripe.com"], description="Payments; ask finance before a change",
    )  # fmt: skip
    make_secret(service, name, "SLACK_WEBHOOK", "T0001/B0001/x8Fq2Lw9", expires_at=in_three_days())
    make_secret(service, name, "GITHUB_TOKEN", "ghp_4f8a1c7d9e2b6035", allowed_hosts=["api.github.com"])
    make_block(service, name, "open-ticket", "ZENDESK_TOKEN")
    call = {
        "method": "POST",
        "url": "https://api.zendesk.com/api/v2/tickets/{{ticket_id}}.json",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.ZENDESK_TOKEN}}"}],
        "body": {"type": "json", "content": {"ticket": {"comment": "{{comment}}", "status": "open"}}},
        "captures": [{"name": "status", "path": "$.ticket.status"}],
        "variables": {"ticket_id": "42"},
    }
    block = {"name": "comment-ticket", "title": "Comment on a ticket", "call": call, "answer": "captures"}
    assert service.ask("POST", f"/workspaces/{name}/blocks", block, user=people["editor"]).status_code == 201
    service.ask("POST", f"/workspaces/{name}/secrets/GITHUB_TOKEN/reveal", user=people["editor"], keep=False)
    service.ask("POST", f"/workspaces/{name}/secrets/STRIPE_SECRET_KEY/reveal", user=people["editor"], keep=False)
    service.ask("POST", f"/workspaces/{name}/tokens", {"role": "runtime", "label": "flow-runner"}, user=people["owner"])
    return name


# What the docs also show on a narrow screen; the rest is only looked at there, as it is without anybody's asking.
NARROW = {"variables", "create-new"}


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pictures_of_every_page_are_made_and_none_scrolls_sideways(
    opened: Callable[..., Window], furnished: str, folder: Path, tmp_path: Path, theme: str, width: int
) -> None:
    window = opened(color_scheme=theme, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page, base = window.page, f"/workspaces/{furnished}"

    def picture(name: str, *, whole: bool = True) -> None:
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} scrolls sideways"
        where = folder if width > 360 or name in NARROW else tmp_path
        whole = whole and page.locator("dialog[open]").count() == 0
        page.screenshot(path=where / f"{name}-{theme}-{width}.png", full_page=whole)

    window.go("/sign-in")
    picture("sign-in")
    window.sign_in("olga@example.com", PASSWORD)
    page.get_by_role("link", name="Acme Sales").first.wait_for()
    picture("workspaces")
    window.go(f"{base}/variables")
    picture("variables")
    page.get_by_role("button", name="Show value of ZENDESK_TOKEN").click()
    page.get_by_text("Showing this value is recorded.").wait_for()
    picture("variables-eye")
    page.get_by_role("button", name="Create new").click()
    page.get_by_role("dialog").get_by_label("Name", exact=True).wait_for()
    picture("create-new")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit STRIPE_SECRET_KEY").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").wait_for()
    picture("edit")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete ZENDESK_TOKEN").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete secret").wait_for()
    picture("delete")
    page.keyboard.press("Escape")
    for tab in ("blocks", "members", "audit", "settings"):
        window.go(f"{base}/{tab}")
        picture(tab)
    window.go(f"{base}/blocks/comment-ticket")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    page.locator("li[role=option]").first.wait_for()
    page.keyboard.press("ArrowDown")
    picture("add-secret", whole=False)
    window.go("/workspaces/nowhere/variables")
    picture("not-found")


def test_every_picture_that_the_docs_show_is_there_and_every_one_there_is_shown() -> None:
    pages = [DOCS.parents[1] / "README.md", *DOCS.parent.glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"screenshots/([\w-]+\.png)", page.read_text())}
    assert shown == {path.name for path in DOCS.glob("*.png")}
