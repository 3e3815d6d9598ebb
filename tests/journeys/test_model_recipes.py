"""The recipes for language models, as they stand: by curl, and through the vendors' own libraries."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.actors import Workspace
from tests.support.service import Service
from tests.support.streams import send_chunk
from tests.support.upstream import Handler, Upstream

RECIPES = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
WORDS = ("Hel", "lo, ", "wor", "ld.")
PROGRAMS: Mapping[str, list[str]] = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}


@dataclass(frozen=True)
class LookAlike:
    """Answers as the two APIs do, to whoever brings the right key; in its stream each key comes back once."""

    upstream: Upstream
    openai_key: str
    anthropic_key: str

    def listen(self) -> None:
        self.upstream.scripts["/v1/chat/completions"] = self._chat
        self.upstream.scripts["/v1/messages"] = self._messages

    def _chat(self, handler: Handler) -> None:
        if handler.seen.header("Authorization") != f"Bearer {self.openai_key}":
            handler.answer(b'{"error": {"message": "Incorrect API key provided"}}', 401)
            return
        asked = json.loads(handler.seen.body)
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
        deltas = [{"role": "assistant"}, *({"content": word} for word in WORDS), {"content": f" <{self.openai_key}>"}]
        events = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        self._send(handler, (f"data: {json.dumps(event)}\n\n" for event in events), last="data: [DONE]\n\n")

    def _messages(self, handler: Handler) -> None:
        if handler.seen.header("x-api-key") != self.anthropic_key:
            handler.answer(b'{"type": "error", "error": {"type": "authentication_error", "message": "no"}}', 401)
            return
        if handler.seen.header("anthropic-version") != "2023-06-01":
            handler.answer(b'{"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}', 400)
            return
        asked = json.loads(handler.seen.body)
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"], "content": []}
        usage = {"input_tokens": 1, "output_tokens": 1}
        events: list[dict[str, object]] = [
            {"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
        ]
        for word in (*WORDS, f" <{self.anthropic_key}>"):
            delta = {"type": "text_delta", "text": word}
            events.append({"type": "content_block_delta", "index": 0, "delta": delta})
        events += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
        self._send(handler, (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events))

    def _send(self, handler: Handler, events: Iterator[str], last: str = "") -> None:
        handler.head(200, {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"})
        for event in events:
            send_chunk(handler, event.encode())
        if last:
            send_chunk(handler, last.encode())
        handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def models(upstream: Upstream) -> LookAlike:
    made = LookAlike(upstream, f"sk-{secrets.token_urlsafe(24)}", f"sk-ant-{secrets.token_urlsafe(24)}")
    made.listen()
    return made


def snippets(language: str) -> str:
    section = RECIPES.partition("## Language models")[2].partition("\n## ")[0]
    before = RECIPES.partition("\n## ")[0] if language == "bash" else ""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", before + section, re.DOTALL | re.MULTILINE))


def run(language: str, workspace: Workspace, models: LookAlike, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the recipes' snippets of one language; the look-alike stands where the vendors would."""
    here, script = f"127.0.0.1:{models.upstream.port}", snippets(language)
    if language == "bash":  # the libraries go on asking the vendors' own addresses
        for host in ("api.openai.com", "api.anthropic.com"):
            script = script.replace(f"https://{host}", f"http://{here}").replace(f'"{host}"', f'"{here}"')
    service = workspace.service
    environ = os.environ | {
        "STRONGROOM_URL": service.url,
        "STRONGROOM_TOKEN": service.platform,
        "STRONGROOM_USER": "ada",
        "OPENAI_API_KEY": models.openai_key,
        "ANTHROPIC_API_KEY": models.anthropic_key,
        "no_proxy": "127.0.0.1",
        **more,
    }
    return subprocess.run(
        [*PROGRAMS[language], "/dev/stdin"],
        input=script.replace("acme", workspace.name),
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.slow
def test_the_recipes_work_by_curl_and_through_the_vendors_own_libraries(
    service: Service, workspace: Workspace, models: LookAlike
) -> None:
    shell = run("bash", workspace, models)
    assert shell.returncode == 0, shell.stderr
    assert '"content": "Hel"' in shell.stdout
    assert shell.stdout.rstrip().endswith("data: [DONE]")
    token = service.ask("POST", f"{workspace.path}/tokens", {"role": "runtime", "label": "models"}, keep=False).json()
    # No key is in the program, nor in its surroundings.
    gone = {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": "", "STRONGROOM_TOKEN": "", "STRONGROOM_USER": ""}
    libraries = run("python", workspace, models, STRONGROOM_RUNTIME_TOKEN=token["token"], **gone)
    assert libraries.returncode == 0, libraries.stderr
    said = "".join(WORDS)
    assert libraries.stdout == f"{said} <[redacted:OPENAI_API_KEY]>{said} <[redacted:ANTHROPIC_API_KEY]>"
    for key in (models.openai_key, models.anthropic_key):
        assert key not in shell.stdout + libraries.stdout
    assert [seen.path for seen in models.upstream.seen] == ["/v1/chat/completions"] * 2 + ["/v1/messages"]


@pytest.mark.slow
def test_what_ends_a_stream_early_is_an_error_to_the_libraries(
    service: Service, workspace: Workspace, models: LookAlike
) -> None:
    assert run("bash", workspace, models).returncode == 0

    def broken(handler: Handler) -> None:
        handler.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        handler.reset()

    models.upstream.scripts["/v1/chat/completions"] = broken
    token = service.ask("POST", f"{workspace.path}/tokens", {"role": "runtime", "label": "models"}, keep=False).json()
    libraries = run("python", workspace, models, STRONGROOM_RUNTIME_TOKEN=token["token"])
    assert libraries.returncode == 1
    assert "upstream_protocol" in libraries.stderr
