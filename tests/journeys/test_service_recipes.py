"""The recipes for other services, as they stand, each against a look-alike that checks what that API checks."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote
from xml.etree import ElementTree

import pytest

from tests.support.actors import Workspace
from tests.support.aws4 import signature_of
from tests.support.service import Service
from tests.support.upstream import Handler, Seen, Upstream

RECIPES: Final = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
SECTION: Final = RECIPES.partition("## Work with other services")[2].partition("\n## ")[0]
TITLES: Final = re.findall(r"^### (.+)$", SECTION, re.MULTILINE)
BASH: Final = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)

Check = Callable[[Seen, Mapping[str, str]], object]


def fresh_keys() -> dict[str, str]:
    """Make what the shell's variables hold: odd characters where an API's keys may have them."""
    return {name: f"{start}{secrets.token_urlsafe(24)}" for name, start in STARTS.items()} | {
        "WEBHOOK_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


STARTS: Final = {
    "ZENDESK_TOKEN": "zd:é ",
    "STRIPE_KEY": "sk_test_",
    "GITHUB_TOKEN": "github_pat_",
    "SLACK_TOKEN": "xoxb-",
    "SALESFORCE_CLIENT_SECRET": "sf+/ ",
    "SAP_PASSWORD": "sap:ü ",
    "SOAP_PASSWORD": "p&ss<w>'o]]>rd ",
    "S3_SECRET_ACCESS_KEY": "s3/+",
    "UPLOAD_KEY": "up-",
}


def is_basic(seen: Seen, user: str, password: str) -> bool:
    return seen.header("Authorization") == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def zendesk(seen: Seen, keys: Mapping[str, str]) -> object:
    assert is_basic(seen, "ada@example.com/token", keys["ZENDESK_TOKEN"])
    assert seen.header("Content-Type") == "application/json"
    ticket = json.loads(seen.body)["ticket"]
    assert ticket == {"subject": "The printer is on fire", "comment": {"body": 'It says "PC LOAD LETTER".'}}
    return {"ticket": {"id": 35436}}


def stripe(seen: Seen, keys: Mapping[str, str]) -> object:
    assert seen.header("Authorization") == f"Bearer {keys['STRIPE_KEY']}"
    assert seen.header("Content-Type") == "application/x-www-form-urlencoded"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.[a-z]+", seen.header("Stripe-Version") or "")
    assert seen.header("Idempotency-Key") == "order-A-1042"
    form = dict(parse_qsl(seen.body.decode(), strict_parsing=True))
    assert form == {"amount": "1999", "currency": "eur", "metadata[order]": "A-1042"}
    return {"id": "pi_1", "object": "payment_intent"}


def github(seen: Seen, keys: Mapping[str, str]) -> object:
    assert seen.header("Authorization") == f"Bearer {keys['GITHUB_TOKEN']}"
    assert seen.header("Accept") == "application/vnd.github+json"
    assert seen.header("X-GitHub-Api-Version") == "2022-11-28"
    assert seen.header("User-Agent")  # without one GitHub answers 403
    assert json.loads(seen.body) == {"title": "It burns", "labels": ["bug", "fire"]}
    return {"number": 7}


def slack(seen: Seen, keys: Mapping[str, str]) -> object:
    assert seen.header("Authorization") == f"Bearer {keys['SLACK_TOKEN']}"
    assert seen.header("Content-Type") == "application/json; charset=utf-8"
    assert json.loads(seen.body) == {"channel": "C012AB3CD", "text": "Done ✅, José"}
    return {"ok": True, "ts": "1.2"}


def salesforce_token(seen: Seen, keys: Mapping[str, str]) -> object:
    form = {name: values[0] for name, values in parse_qs(seen.body.decode(), strict_parsing=True).items()}
    basic = base64.b64decode((seen.header("Authorization") or "").removeprefix("Basic ")).decode()
    client = basic.partition(":")
    assert (unquote(client[0]), unquote(client[2].replace("+", " "))) == (
        "3MVG9example",
        keys["SALESFORCE_CLIENT_SECRET"],
    )
    assert form == {"grant_type": "client_credentials"}
    return {"access_token": keys["SALESFORCE_ACCESS"], "token_type": "Bearer"}


def salesforce(seen: Seen, keys: Mapping[str, str]) -> object:
    assert seen.header("Authorization") == f"Bearer {keys['SALESFORCE_ACCESS']}"
    query = seen.path.partition("?")[2]
    assert dict(parse_qsl(query)) == {"q": "SELECT Id FROM Account WHERE Name LIKE '%+Söhne'"}
    return {"totalSize": 0, "done": True, "records": []}


def sap(seen: Seen, keys: Mapping[str, str]) -> object:
    assert is_basic(seen, "STRONGROOM", keys["SAP_PASSWORD"])
    assert seen.header("Accept") == "application/json"
    query = seen.path.partition("?")[2]
    assert "+" not in query  # SAP reads it as a plus
    told = {unquote(name): unquote(value) for name, _, value in (each.partition("=") for each in query.split("&"))}
    wanted = "SoldToParty eq '17100001' and TotalNetAmount gt 250"
    assert told == {"sap-client": "100", "$filter": wanted, "$top": "20"}
    return {"d": {"results": []}}


def soap(seen: Seen, keys: Mapping[str, str]) -> object:
    assert seen.header("Content-Type") == "text/xml; charset=utf-8"
    assert seen.header("SOAPAction") == '"urn:stock#Get"'
    envelope = ElementTree.fromstring(seen.body)
    assert envelope.tag == "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"
    (asked,) = envelope[0]
    told = [(each.tag, each.text, len(each)) for each in asked]
    assert told == [
        ("{urn:stock}User", "strongroom", 0),
        ("{urn:stock}Password", keys["SOAP_PASSWORD"], 0),
        ("{urn:stock}Item", "Nuts & <bolts>", 0),
    ]
    return {}


def s3(seen: Seen, keys: Mapping[str, str]) -> object:
    wanted = signature_of(seen, keys["S3_SECRET_ACCESS_KEY"], "s3", "eu-central-1")
    assert (seen.header("Authorization") or "").endswith(f"Signature={wanted}")
    assert seen.method == "PUT"
    assert seen.header("X-Amz-Content-Sha256")
    assert (seen.header("Content-Type"), seen.body) == ("application/pdf", b"%PDF-1.7\n\x00\xff")
    return {}


def webhook(seen: Seen, keys: Mapping[str, str]) -> object:
    identity, at = seen.header("webhook-id") or "", seen.header("webhook-timestamp") or ""
    assert identity
    assert abs(time.time() - int(at)) < 300
    digest = hmac.digest(base64.b64decode(keys["WEBHOOK_KEY"]), f"{identity}.{at}.".encode() + seen.body, "sha256")
    assert seen.header("webhook-signature") == f"v1,{base64.b64encode(digest).decode()}"
    assert json.loads(seen.body) == {"type": "order.paid", "data": {"order": "A-1042", "cents": 1999}}
    return {}


def upload(seen: Seen, keys: Mapping[str, str]) -> object:
    assert seen.header("X-Api-Key") == keys["UPLOAD_KEY"]
    head = f"Content-Type: {seen.header('Content-Type')}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + seen.body)
    purpose, file = message.iter_parts()
    assert purpose.get_param("name", header="content-disposition") == "purpose"
    assert purpose.get_payload(decode=True) == b"logo"
    assert file.get_param("name", header="content-disposition") == "file"
    assert (file.get_filename(), file.get_content_type()) == ("logo.png", "image/png")
    assert file.get_payload(decode=True) == b"\x89PNG\r\n\x1a\n\x00\xff"
    return {}


CHECKS: Final[Mapping[str, Mapping[str, Check]]] = {
    "Zendesk": {"/api/v2/tickets.json": zendesk},
    "Stripe": {"/v1/payment_intents": stripe},
    "GitHub": {"/repos/example/printer/issues": github},
    "Slack": {"/api/chat.postMessage": slack},
    "Salesforce": {"/services/oauth2/token": salesforce_token, "/services/data/v62.0/query": salesforce},
    "SAP OData": {"/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder": sap},
    "A SOAP service": {"/stock": soap},
    "S3, and what speaks its API": {"/reports/2026/my%20report.pdf": s3},
    "A webhook that its receiver can check": {"/orders": webhook},
    "A file upload": {"/upload": upload},
}


@dataclass
class LookAlike:
    """Answers 200 to the one request that its API would take, and 400 with the reason to any other."""

    upstream: Upstream
    keys: Mapping[str, str]
    taken: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def listen(self, checks: Mapping[str, Check]) -> None:
        for path, check in checks.items():
            self.upstream.scripts[path] = partial(self._answer, path, check)

    def _answer(self, path: str, check: Check, handler: Handler) -> None:
        try:
            told = check(handler.seen, self.keys)
        except Exception as error:
            self.faults.append(f"{path}: {error!r}")
            handler.answer(b"{}", 400)
        else:
            self.taken.append(path)
            handler.answer(json.dumps(told).encode())


@pytest.fixture(scope="module")
def ours(service: Service) -> Workspace:
    return Workspace.make(service)


def values(text: str) -> Iterator[Any]:
    """Read the JSON values that stand one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while text := text[at:].lstrip():
        value, at = decoder.raw_decode(text)
        yield value


def test_every_recipe_has_its_look_alike() -> None:
    assert list(CHECKS) == TITLES


@pytest.mark.parametrize("title", CHECKS)
def test_a_recipe_works_as_it_stands(ours: Workspace, upstream: Upstream, title: str) -> None:
    keys = fresh_keys() | {"SALESFORCE_ACCESS": f"00D{secrets.token_urlsafe(24)}"}
    look_alike = LookAlike(upstream, keys)
    look_alike.listen(CHECKS[title])
    setup = BASH.findall(RECIPES.partition("\n## ")[0])
    recipe = BASH.findall(SECTION.partition(f"### {title}\n")[2].partition("\n### ")[0])
    here = f"127.0.0.1:{upstream.port}"
    script = re.sub(r"https://[a-z0-9.-]+", f"http://{here}", "\n".join(recipe))
    script = re.sub(r'"allowed_hosts": \["[^"]+"\]', f'"allowed_hosts": ["{here}"]', script)
    service = ours.service
    environ = (
        os.environ
        | keys
        | {
            "STRONGROOM_URL": service.url,
            "STRONGROOM_TOKEN": service.platform,
            "STRONGROOM_USER": "ada",
            "no_proxy": "127.0.0.1",
        }
    )
    ran = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input="\n".join(setup) + script.replace("acme", ours.name),
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    *_, answer = values(ran.stdout)
    assert look_alike.faults == []
    assert (look_alike.taken, answer["status"]) == (list(CHECKS[title]), 200)
    assert not [name for name, key in keys.items() if key in ran.stdout]
