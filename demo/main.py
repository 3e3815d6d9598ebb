"""The main job, played by itself: an API call is made with a secret that nobody sees.

Starts Vault, the service and an upstream that echoes what it receives, in a throwaway folder; exits 0 only if every
expectation held.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

STRONGROOM = Path(sys.executable).with_name("strongroom")
MASKED = f"masked-canary-{secrets.token_hex(12)}"
RESTRICTED = f"restricted-canary-{secrets.token_hex(12)}"


class Story:
    """Talks to the service, prints what happens, keeps every answer, and counts what went otherwise."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.failures = 0
        self.answers: list[tuple[str, str]] = []
        self.http = requests.Session()
        self.http.trust_env = False

    def ask(self, method: str, path: str, token: str, body: Any = None, act_as: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} | ({"Strongroom-Act-As": act_as} if act_as else {})
        answer = self.http.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=30)
        self.answers.append((f"{method} {path}", answer.text + str(answer.headers)))
        return answer

    def expect(self, sentence: str, held: bool) -> None:
        print(f"  {'ok  ' if held else 'FAIL'}  {sentence}")
        self.failures += not held


def upstream(seen: list[dict[str, Any]]) -> ThreadingHTTPServer:
    """An upstream that answers with what it received, as some real ones do."""

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = {"path": self.path, "headers": dict(self.headers)}
            seen.append(told)
            body = json.dumps({"you_sent": told}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # http.server looks for this name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The real service with its embedded Vault, for as long as the block runs."""
    port = free_port()
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "VAULT_", "BAO_"))
    }
    environ |= {
        "STRONGROOM_DATA_DIR": str(folder / "var"),
        "PORT": str(port),
        "STRONGROOM_OUTBOUND_NETWORKS": "127.0.0.0/8",
        "STRONGROOM_OUTBOUND_HTTP": "allow",
    }
    for name in ("DATABASE_URL", "REDIS_URL"):
        environ.pop(name, None)
    log = (folder / "service.log").open("wb")
    with subprocess.Popen([STRONGROOM, "serve"], env=environ, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process)
            yield url, environ
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            log.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(f"{url}/readyz", timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise SystemExit("The service didn't start.")


def play(story: Story, platform: str, port: int, seen: list[dict[str, Any]]) -> None:
    owner = "ada@example.com"
    host = f"127.0.0.1:{port}"

    print("\n1. A workspace, an owner, an editor, and two secrets")
    story.expect(
        "the platform makes a workspace for its user",
        story.ask("POST", "/workspaces", platform, {"name": "acme"}, owner).status_code == 201,
    )
    story.ask("POST", "/workspaces", platform, {"name": "rival"}, "eve@example.com")
    story.ask("PUT", "/workspaces/acme/members/ed@example.com", platform, {"role": "editor"}, owner)
    path = "/workspaces/acme/secrets"
    masked = {"name": "MASKED_TOKEN", "value": MASKED, "visibility": "masked", "allowed_hosts": [host]}
    restricted = {"name": "API_TOKEN", "value": RESTRICTED, "visibility": "restricted", "allowed_hosts": [host]}
    story.expect("a masked secret is created", story.ask("POST", path, platform, masked, owner).status_code == 201)
    story.expect(
        "a restricted secret is created", story.ask("POST", path, platform, restricted, owner).status_code == 201
    )

    print("\n2. A call that carries the restricted one")
    call = {
        "method": "POST",
        "url": f"http://{host}/v2/tickets",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.API_TOKEN}}"}],
        "body": {"type": "json", "content": {"subject": "hello"}},
    }
    answer = story.ask("POST", "/workspaces/acme/calls", platform, call, "ed@example.com")
    arrived = seen[-1]["headers"].get("Authorization") if seen else None
    print(f"     the upstream saw:   Authorization: {arrived}")
    print(f"     the client got:     {answer.text[:400]}")
    story.expect("the value arrived", arrived == f"Bearer {RESTRICTED}")
    story.expect("the answer came back", answer.status_code == 200 and answer.json()["status"] == 200)
    story.expect(
        "the echoed value was taken out of it", "[redacted:API_TOKEN]" in answer.text and RESTRICTED not in answer.text
    )

    print("\n3. The same call as a saved API block")
    call["captures"] = [{"name": "path", "path": "$.you_sent.path"}]
    call["url"] = f"http://{host}/v2/tickets/{{{{ticket_id}}}}"
    block = {"name": "update-ticket", "title": "Update a ticket", "call": call, "answer": "captures"}
    saved = story.ask("POST", "/workspaces/acme/blocks", platform, block, "ed@example.com")
    story.expect("an editor saves it", saved.status_code == 201 and saved.json()["uses"] == ["API_TOKEN"])
    run = {"variables": {"ticket_id": "42"}}
    before = len(seen)
    shown = story.ask("POST", "/workspaces/acme/blocks/update-ticket/preview", platform, run, "ed@example.com")
    print(f"     a preview:          {shown.text[:200]}")
    story.expect(
        "its preview has a mark in the value's place, and sends nothing",
        "[secret:API_TOKEN]" in shown.text and len(seen) == before,
    )
    made = story.ask("POST", "/workspaces/acme/tokens", platform, {"role": "runtime", "label": "flows"}, owner)
    ran = story.ask("POST", "/workspaces/acme/blocks/update-ticket/run", made.json()["token"], run)
    print(f"     a run of it:        {ran.text[:200]}")
    story.expect(
        "a runtime token runs it, and gets what was declared and no more",
        seen[-1]["headers"].get("Authorization") == f"Bearer {RESTRICTED}"
        and ran.json().get("captures") == {"path": "/v2/tickets/42"}
        and "body" not in ran.json(),
    )
    told = story.ask("DELETE", f"{path}/API_TOKEN?confirm=API_TOKEN", platform, None, owner)
    story.expect("a secret that a block uses isn't deleted by mistake", told.status_code == 409)

    print("\n4. What is refused")
    refusals = [
        ("a look at the restricted value", "POST", f"{path}/API_TOKEN/reveal", None, owner, 403, "never_shown"),
        ("an editor's create", "POST", path, masked | {"name": "OTHER"}, "ed@example.com", 403, "forbidden"),
    ]
    for sentence, method, where, body, act_as, status, code in refusals:
        told = story.ask(method, where, platform, body, act_as)
        print(f"     {told.status_code} {told.json()['code']}: {told.json()['detail']}")
        story.expect(f"{sentence} is refused", (told.status_code, told.json()["code"]) == (status, code))
    rival = story.ask(
        "POST", "/workspaces/rival/tokens", platform, {"role": "admin", "label": "rival"}, "eve@example.com"
    )
    told = story.ask("GET", path, rival.json()["token"])
    story.expect("another workspace's token finds nothing", told.status_code == 404)
    elsewhere = call | {"url": f"http://127.0.0.2:{port}/"}
    told = story.ask("POST", "/workspaces/acme/calls", platform, elsewhere, owner)
    print(f"     {told.status_code} {told.json()['code']}: {told.json()['detail']}")
    story.expect("another destination is refused", told.json()["code"] == "destination_not_allowed")
    told = story.ask("POST", f"{path}/MASKED_TOKEN/reveal", platform, None, "ed@example.com")
    story.answers.pop()  # the one answer that was asked to hold a value
    story.expect("the masked value can be looked at", told.json().get("value") == MASKED)

    print("\n5. The record")
    events = story.ask("GET", "/workspaces/acme/audit?limit=200", platform, None, owner).json()["items"]
    for event in reversed(events):
        who = event["actor"]["acting_for"] or event["actor"]["id"]
        print(
            f"     {event['at'][11:23]}  {who:16} {event['action']:18} {event['target']['name'] or '':14} "
            f"{event['outcome']}"
        )
    outcomes = {(event["action"], event["outcome"]) for event in events}
    wanted = {
        ("secret.create", "done"),
        ("secret.create", "refused"),
        ("secret.reveal", "refused"),
        ("secret.reveal", "done"),
        ("call.run", "done"),
        ("call.run", "refused"),
        ("block.create", "done"),
    }
    story.expect("every deed and refusal is in it", wanted <= outcomes)


def search(story: Story, folder: Path) -> None:
    print("\n6. A search for the values")
    places = [(name, text.encode()) for name, text in story.answers]
    places += [
        (str(path.relative_to(folder)), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "raft" not in path.parts
    ]
    forms = [
        form
        for value in (MASKED, RESTRICTED)
        for form in (value.encode(), base64.b64encode(value.encode()).rstrip(b"="), value.encode().hex().encode())
    ]
    found = [name for name, content in places if any(form in content for form in forms)]
    story.expect(
        f"none in {len(places)} files and answers (database, logs, Vault's audit log)"
        if not found
        else f"found in {found}",
        not found,
    )
    audit = (folder / "var" / "openbao" / "audit.log").read_text()
    story.expect(
        "Vault's own audit log has the writes, with values as HMAC", bool(re.search(r'"value":\s*"hmac-sha256:', audit))
    )


def main() -> int:
    began = time.monotonic()
    seen: list[dict[str, Any]] = []
    echo = upstream(seen)
    with tempfile.TemporaryDirectory(prefix="strongroom-demo-") as name:
        folder = Path(name)
        with service(folder) as (url, environ):
            story = Story(url)
            made = subprocess.run(
                [STRONGROOM, "token", "create", "--platform", "--json"],
                env=environ,
                capture_output=True,
                text=True,
                check=True,
            )
            play(story, json.loads(made.stdout)["token"], echo.server_port, seen)
        search(story, folder)
    echo.shutdown()
    print(
        f"\n{f'{story.failures} expectations failed' if story.failures else 'All of it held'}, "
        f"in {time.monotonic() - began:.1f} s."
    )
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
