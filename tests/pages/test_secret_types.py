"""Secrets that sign or renew themselves, on the pages: chosen, made of a template, given a new key, renewed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from playwright.sync_api import Page, expect

from app.pages.secret_templates import TEMPLATES, SecretTemplate
from tests.support.browser import Window, axe
from tests.support.service import Service
from tests.support.upstream import Upstream

CANARY = "canary-5d1f0c9b7e3a4862"
PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    .decode()
)
TYPED: dict[str, dict[str, str]] = {
    "hmac": {"Key": CANARY, "Message": "{{$body}}"},
    "jwt": {"Private key": PEM},
    "aws4": {"Access key id": "AKIDEXAMPLE", "Secret access key": f"{CANARY}0123456789"},
    "oauth2": {"Token URL": "", "Client id": "me", "Client secret": CANARY},
}


def what_to_type(template: SecretTemplate, upstream: Upstream) -> dict[str, str]:
    """What somebody has to type who begins with this template."""
    texts = {"Name": f"S_{template.slug.replace('-', '_')}", "Allowed hosts": f"127.0.0.1:{upstream.port}"}
    texts |= TYPED[template.type]
    if template.type == "hmac" and template.values.get("message"):
        del texts["Message"]
    if template.values.get("key_encoding") == "base64":
        texts["Key"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    if template.type == "oauth2":
        texts["Token URL"] = f"http://127.0.0.1:{upstream.port}/token"
        if template.values["grant"] == "refresh_token":
            texts["Refresh token"] = CANARY
        if template.values["grant"] == "jwt_bearer":
            texts |= {"Shown for it": "APP", "Client secret": ""}
    return texts


def fill(page: Page, texts: dict[str, str]) -> None:
    for label, text in texts.items():
        page.get_by_role("main").get_by_label(label, exact=True).fill(text)


def secret(service: Service, workspace: str, name: str) -> dict[str, Any]:
    answer = service.ask("GET", f"/workspaces/{workspace}/secrets/{name}", user="olga@example.com")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
def without_script(opened: Callable[..., Window]) -> Window:
    return opened("admin", java_script_enabled=False)


ONE_OF_EACH = ("slack", "github-app", "aws", "refresh-token")


@pytest.mark.slow
@pytest.mark.parametrize(
    "template",
    [
        pytest.param(each, id=each.slug, marks=() if each.slug in ONE_OF_EACH else pytest.mark.slow)
        for each in TEMPLATES
    ],
)
def test_each_template_makes_a_secret_without_a_script(
    without_script: Window, service: Service, acme: str, upstream: Upstream, template: SecretTemplate
) -> None:
    page = without_script.go(f"/workspaces/{acme}/variables/new")
    page.get_by_role("link", name="Choose another type").click()
    page.get_by_role("main").get_by_role("link", name=template.label, exact=True).and_(
        page.locator(f'[href$="/{template.slug}"]')
    ).click()
    texts = what_to_type(template, upstream)
    fill(page, texts)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text(f"Secret {texts['Name']} was created.")
    made = secret(service, acme, texts["Name"])
    assert (made["type"], made["visibility"], made["state"]) == (template.type, "restricted", "active")
    assert made["allowed_hosts"] == [texts["Allowed hosts"]]
    for name, text in template.values.items():
        if name in made and name not in ("allowed_hosts", "token_url"):
            assert made[name] == (json.loads(text) if name in ("claims", "lifetime_seconds") else text)
    assert CANARY not in page.content()


@pytest.mark.slow
def test_a_refused_form_keeps_all_but_the_key(without_script: Window, acme: str) -> None:
    page = without_script.go(f"/workspaces/{acme}/variables/-/types/jwt")
    fill(page, {"Name": "APP", "Private key": CANARY, "Claims": '{"exp": 1}', "Allowed hosts": "api.example.com"})
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#claims-fault")).to_contain_text("exp")
    expect(page.get_by_label("Claims")).to_have_value('{"exp": 1}')
    expect(page.get_by_label("Private key")).to_have_value("")
    expect(page.get_by_text("The value has to be given again")).to_be_visible()
    for typed, sentence in (("no json", "Enter a JSON object"), ("[1]", "Enter a JSON object")):
        fill(page, {"Claims": typed, "Private key": CANARY})
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#claims-fault")).to_contain_text(sentence)
    fill(page, {"Claims": "{}", "Private key": CANARY})
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#key-fault")).to_contain_text("isn't a private key in PEM")
    assert CANARY not in page.content()


@pytest.mark.slow
def test_a_type_is_chosen_in_the_panel_and_its_key_is_nowhere_once_it_is_imported(
    opened: Callable[..., Window], service: Service, acme: str, upstream: Upstream
) -> None:
    window = opened("owner", reduced_motion="reduce")
    page = window.go(f"/workspaces/{acme}/variables")
    page.get_by_role("button", name="Create new").click()
    panel = page.get_by_role("dialog")
    panel.get_by_role("link", name="Choose another type").click()
    expect(panel.get_by_role("heading", name="Type of the secret")).to_be_visible()
    for line in ("Signs the very bytes that go out", "Makes a JWT for each call", "Gets an access token"):
        expect(panel.get_by_text(line)).to_be_visible()
    assert axe(page) == []
    panel.get_by_role("link", name="Slack").click()
    expect(panel.get_by_role("heading", name="Signature (HMAC): Slack")).to_be_visible()
    expect(panel.get_by_label("Message")).to_have_value("v0:{{$timestamp}}:{{$body}}")
    expect(panel.get_by_text("v0={{secrets.NAME}}")).to_be_attached()
    assert axe(page) == []
    panel.get_by_label("Name").fill("SLACK")
    panel.get_by_label("Key", exact=True).fill(CANARY)
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator("#allowed_hosts-fault")).to_be_visible()
    expect(panel.get_by_label("Key", exact=True)).to_have_value(CANARY)  # what was typed stays where it was typed
    panel.get_by_label("Allowed hosts").fill(f"127.0.0.1:{upstream.port}")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("Secret SLACK was created.")
    assert page.evaluate("text => document.documentElement.outerHTML.includes(text)", CANARY) is False
    assert (
        page.evaluate(
            "text => [...document.querySelectorAll('textarea, input')].some(each => each.value.includes(text))", CANARY
        )
        is False
    )
    expect(page.get_by_role("row", name="SLACK").get_by_text("HMAC")).to_be_visible()
    signs(service, acme, upstream, CANARY)

    page = window.go(f"/workspaces/{acme}/variables/SLACK")
    expect(page.get_by_role("region", name="About it")).to_contain_text("v0:{{$timestamp}}:{{$body}}")
    expect(page.get_by_role("region", name="Versions")).to_contain_text("only the newest")
    assert axe(page) == []
    page.get_by_role("button", name="Edit SLACK").click()
    panel.get_by_label("Message").fill("v1:{{$body}}")
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator("#signed-message-fault")).to_contain_text("only together with the secret's key")
    panel.get_by_label("Allowed hosts").fill(f"127.0.0.1:{upstream.port}\napi.example.com")
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator("#key-fault")).to_contain_text("needs a new key")
    assert axe(page) == []
    panel.get_by_label("Key", exact=True).fill(f"{CANARY}-2")
    panel.get_by_label("Message").fill("v0:{{$timestamp}}:{{$body}}")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("SLACK was saved.")
    signs(service, acme, upstream, f"{CANARY}-2")
    window.assert_clean(expected_statuses=frozenset({422}))


def signs(service: Service, workspace: str, upstream: Upstream, key: str) -> None:
    """Insist that a call is signed with this key as Slack signs."""
    call = {
        "method": "POST", "url": f"http://127.0.0.1:{upstream.port}/events",
        "body": {"type": "json", "content": {"a": 1}},
        "headers": [{"name": "X-T", "value": "{{$timestamp}}"}, {"name": "X-S", "value": "v0={{secrets.SLACK}}"}],
    }  # fmt: skip
    answer = service.ask("POST", f"/workspaces/{workspace}/calls", call, user="olga@example.com")
    assert answer.status_code == 200, answer.text
    seen = upstream.seen[-1]
    message = f"v0:{seen.header('X-T')}:".encode() + seen.body
    assert seen.header("X-S") == "v0=" + hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


@pytest.fixture
def crm(service: Service, acme: str, upstream: Upstream) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """What the provider of the refresh token CRM answers, one after the other."""
    answers: list[tuple[int, dict[str, Any]]] = []

    def answer(handler: Any) -> None:
        status, body = answers.pop(0)
        handler.answer(json.dumps(body).encode(), status, {"Content-Type": "application/json"})

    upstream.scripts["/token"] = answer
    body = {
        "name": "CRM", "type": "oauth2", "visibility": "restricted", "grant": "refresh_token", "client_id": "me",
        "token_url": f"http://127.0.0.1:{upstream.port}/token", "client_secret": CANARY, "refresh_token": CANARY,
        "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    }  # fmt: skip
    made = service.ask("POST", f"/workspaces/{acme}/secrets", body, user="olga@example.com", keep=False)
    assert made.status_code == 201, made.text
    yield answers
    del upstream.scripts["/token"]


@pytest.mark.slow
def test_a_token_is_renewed_with_a_button_and_a_grant_that_is_over_says_so(
    opened: Callable[..., Window], service: Service, acme: str, crm: list[tuple[int, dict[str, Any]]]
) -> None:
    window = opened("admin", reduced_motion="reduce")
    page = window.go(f"/workspaces/{acme}/variables")
    crm.append((200, {"access_token": f"{CANARY}-token", "expires_in": 3600}))
    page.get_by_role("button", name="Renew now: CRM").click()
    expect(page.locator("#message")).to_contain_text("CRM has a new token.")
    expect(page.get_by_role("region", name="About it")).to_contain_text("renews itself")
    crm.append((503, {}))
    page.get_by_role("button", name="Renew now").click()
    expect(page.get_by_role("alert")).to_contain_text("gave none (status_503)")
    crm.append((400, {"error": "invalid_grant"}))
    page.get_by_role("button", name="Renew now").click()
    expect(page.get_by_role("alert")).to_contain_text("Connect it anew")
    page = window.go(f"/workspaces/{acme}/variables/CRM")
    expect(page.get_by_role("region", name="About it")).to_contain_text("to be reconnected")
    assert axe(page) == []
    page = window.go(f"/workspaces/{acme}/variables")
    expect(page.get_by_role("row", name="CRM").get_by_text("to be reconnected")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Edit CRM").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Refresh token").fill(f"{CANARY}-next")
    panel.get_by_role("button", name="Save").click()
    expect(page.locator("#message")).to_contain_text("CRM was saved.")
    expect(page.get_by_role("row", name="CRM").get_by_text("to be reconnected")).to_have_count(0)
    assert secret(service, acme, "CRM")["state"] == "active"
    window.assert_clean(expected_statuses=frozenset({409, 502}))

    editor = opened("editor")
    page = editor.go(f"/workspaces/{acme}/variables/CRM")
    expect(page.get_by_role("button", name="Renew now")).to_have_count(0)
    assert editor.go(f"/workspaces/{acme}/variables/-/types").get_by_role("main").get_by_role("link").count() <= 1


def test_renewing_works_without_a_script(
    without_script: Window, acme: str, crm: list[tuple[int, dict[str, Any]]]
) -> None:
    page = without_script.go(f"/workspaces/{acme}/variables/CRM")
    crm.append((200, {"access_token": f"{CANARY}-token", "expires_in": 3600}))
    page.get_by_role("button", name="Renew now").click()
    expect(page.locator("#message")).to_contain_text("CRM has a new token.")
    crm.append((400, {"error": "invalid_grant"}))
    page.get_by_role("button", name="Renew now").click()
    expect(page.get_by_role("alert")).to_contain_text("Connect it anew")
