"""Load by wrk: so many connections, each asking again as soon as it has its answer, for so many seconds."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

_LONGEST: Final = 30
"""Seconds after which one answer at least has to be there."""
_SCRIPT: Final = """
local paths = {%(paths)s}
local at = 0
wrk.method = "%(method)s"
wrk.body = %(body)s
%(headers)s
request = function()
  at = at %% #paths + 1
  return wrk.format(nil, paths[at])
end
done = function(summary, latency, requests)
  local bad = summary.errors
  io.write(string.format(
    'RESULT {"us": %%d, "requests": %%d, "connect": %%d, "read": %%d, "write": %%d, "status": %%d, "timeout": %%d, ' ..
    '"p50": %%d, "p99": %%d}\\n',
    summary.duration, summary.requests, bad.connect, bad.read, bad.write, bad.status, bad.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, of whom: a base URL and the paths that are asked for in turn."""

    base: str
    paths: Sequence[str]
    method: str = "GET"
    headers: Mapping[str, str] | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """How one run went: answers a second, and latencies in milliseconds."""

    throughput: float
    p50: float
    p99: float
    requests: int


def press(asked: Asked, *, connections: int, seconds: float, folder: Path) -> Run:
    """Let wrk ask for a while: longer, where that was too short for a single answer.

    Raises:
        RuntimeError: a single answer was no 2xx, or didn't come: such a run measures nothing.
    """
    script = _SCRIPT % {
        "paths": ", ".join(json.dumps(path) for path in asked.paths),
        "method": asked.method,
        "body": "nil" if asked.body is None else json.dumps(asked.body),
        "headers": "\n".join(
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in (asked.headers or {}).items()
        ),
    }
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
    with NamedTemporaryFile("w", suffix=".lua", dir=folder) as file:  # several may press at once
        file.write(script)
        file.flush()
        command += ["-s", file.name, asked.base]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    told = json.loads(line.removeprefix("RESULT "))
    failed = {kind: told[kind] for kind in ("connect", "read", "write", "status", "timeout") if told[kind]}
    if not failed and not told["requests"] and seconds < _LONGEST:
        return press(asked, connections=connections, seconds=2 * seconds, folder=folder)
    if failed or not told["requests"]:
        raise RuntimeError(f"{asked.base}{asked.paths[0]}: of {told['requests']} requests failed {failed}")
    time.sleep(told["p99"] / 1e6)  # wrk leaves with requests under way, which would count beside those of the next run
    return Run(
        throughput=told["requests"] / (told["us"] / 1e6),
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
        requests=told["requests"],
    )
