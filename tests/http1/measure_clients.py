"""Measure what curl, requests and Node make of each odd answer, and keep it beside the answers."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests

from tests.http1.odd_answers import ODD

NODE = """
const port = process.argv[1], count = +process.argv[2];
(async () => {
  const seen = [];
  for (let n = 0; n < count; n++) {
    try {
      const options = {redirect: 'manual', signal: AbortSignal.timeout(2000)};
      const answer = await fetch(`http://127.0.0.1:${port}/${n}`, options);
      const body = Buffer.from(await answer.arrayBuffer());
      seen.push([answer.status, body.toString('latin1'), answer.headers.get('x-a')]);
    } catch (error) { seen.push((error.cause && (error.cause.code || error.cause.name)) || error.name); }
  }
  console.log(JSON.stringify(seen));
  process.exit(0);
})();
"""


@contextmanager
def server(answers: list[bytes]) -> Iterator[int]:
    """Answer ``/N`` with the Nth answer, and hang up."""

    def converse(connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536) or b"\r\n\r\n"
            connection.sendall(answers[int(request.split(b" ")[1][1:])])
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(2)
            while connection.recv(65536):
                pass

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=converse, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def with_curl(url: str, folder: Path) -> Any:
    head, body = folder / "head", folder / "body"
    body.write_bytes(b"")
    command = ["curl", "--compressed", "-sS", "-m", "2", "-D", str(head), "-o", str(body), "-w", "%{http_code}", url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        return f"exit {ran.returncode}"
    fields = re.findall(rb"(?im)^x-a[ \t]*:[ \t]*(.*?)[ \t]*\r?$", head.read_bytes())
    return [int(ran.stdout), body.read_bytes().decode("latin-1"), fields[-1].decode("latin-1") if fields else None]


def with_requests(url: str) -> Any:
    try:
        answer = requests.get(url, timeout=2, allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__
    return [answer.status_code, answer.content.decode("latin-1"), answer.headers.get("X-A")]


def main() -> None:
    """Ask all three for every answer, and write down what each says."""
    names, answers = list(ODD), list(ODD.values())
    with server(answers) as port, tempfile.TemporaryDirectory() as folder:
        node = subprocess.run(
            ["node", "-e", NODE, str(port), str(len(names))], capture_output=True, text=True, check=True
        )
        by_node = json.loads(node.stdout)
        told = {}
        for number, name in enumerate(names):
            url = f"http://127.0.0.1:{port}/{number}"
            told[name] = {"curl": with_curl(url, Path(folder)), "requests": with_requests(url), "node": by_node[number]}
    for each in told.values():
        for client, outcome in each.items():
            if isinstance(outcome, list) and isinstance(outcome[2], str) and len(outcome[2]) > 100:
                each[client] = [*outcome[:2], f"{len(outcome[2])} characters"]
    versions = {
        "curl": subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1],
        "requests": f"{version('requests')} with urllib3 {version('urllib3')}, Python {sys.version.split()[0]}",
        "node": subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip(),
    }
    kept = {"versions": versions, "answers": told}
    lines = json.dumps(kept, indent=1, ensure_ascii=True)
    Path(__file__).with_name("odd_answers.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
