"""The menu of secrets: what the field has is on top, then what fits; of the others it says where they go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import make_secret
from tests.support.browser import Window
from tests.support.service import Service


def test_what_fits_the_field_and_the_host_is_offered_first_and_the_rest_says_where_it_goes(
    opened: Callable[..., Window], service: Service, acme: str
) -> None:
    make_secret(service, acme, "A_STRIPE", "masked-value-1", allowed_hosts=["api.stripe.com"])
    make_secret(service, acme, "B_PATH", "masked-value-2", allowed_hosts=["api.example.com"], allowed_places=["path"])
    make_secret(service, acme, "C_ANY", "masked-value-3")
    make_secret(service, acme, "D_EXAMPLE", "masked-value-4", allowed_hosts=["api.example.com"])
    page = opened("owner").go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/v1")
    page.get_by_label("Name of header 1").fill("Authorization")
    page.get_by_role("button", name="Add secret to header Authorization").click()
    offered = page.locator(".picker-secret")
    expect(offered.locator(".picker-name")).to_have_text(["D_EXAMPLE", "C_ANY", "A_STRIPE", "B_PATH"])
    expect(offered.locator(".picker-note")).to_have_text(["only to api.stripe.com", "only for the URL's path"])
    expect(offered.nth(3)).to_have_attribute("aria-disabled", "true")


@pytest.mark.slow
@pytest.mark.parametrize("role", ["owner", "editor"])
def test_among_many_the_fields_own_secret_stands_on_top_and_create_stays_in_sight(
    opened: Callable[..., Window], service: Service, acme: str, role: str
) -> None:
    for number in range(120):
        make_secret(service, acme, f"PROVIDER_{number:03d}_TOKEN", f"value-number-{number}")
    page = opened(role).go(f"/workspaces/{acme}/blocks/-/new")
    page.get_by_label("URL", exact=True).fill("https://api.example.com/v1")
    page.get_by_label("Name of header 1").fill("Authorization")
    page.locator("#headers-0-value").evaluate(
        "(field) => { field.value = 'Bearer {{secrets.PROVIDER_119_TOKEN}}';"
        " field.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    page.get_by_role("button", name="Add secret to header Authorization").click()
    options = page.locator(".picker [role=option]")
    expect(options.first).to_contain_text("PROVIDER_119_TOKEN")
    expect(options.first).to_contain_text("in this field now")
    expect(page.locator(".picker-count")).to_contain_text("50 of 120 secrets")
    if role == "owner":
        expect(options.nth(1)).to_have_text("Edit value of PROVIDER_119_TOKEN")
        expect(options.last).to_be_in_viewport()
    page.keyboard.type("token 07 provider")
    expect(page.locator(".picker-secret")).to_have_count(12)  # 007, 070 to 079, and 107
    if role == "owner":
        page.locator("#picker").fill("NEW_NAME")
        expect(options).to_have_text(["Edit value of PROVIDER_119_TOKEN", 'Create "NEW_NAME"'])
        expect(options.last).to_be_in_viewport()
