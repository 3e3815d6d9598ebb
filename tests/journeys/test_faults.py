"""One key, many clients, and things that break at steps that a seed chooses: one deed, or an honest *unknown*.

Every seed's plan can be replayed: ``pytest tests/journeys/test_faults.py --seed N``, or ``STRONGROOM_TEST_SEED=N``.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.faults import RESPAWN_SECONDS, Plan, Stage, Striker, fault_stage
from tests.support.vault_proxy import Fault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KEPT_FAILURES = {"upstream_protocol", "upstream_timeout", "response_not_readable"}
VALUE = "value-under-a-key"
AT = "/workspaces/acme"


@dataclass
class Run:
    """One seed's run: what is asked, and every answer that came."""

    stage: Stage
    plan: Plan
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    answers: list[requests.Response] = field(default_factory=list)

    @property
    def request(self) -> tuple[str, dict[str, Any]]:
        number = self.plan.seed
        if self.plan.deed == "secret":
            return f"{AT}/secrets", {"name": f"S{number}", "value": VALUE, "visibility": "masked"}
        if self.plan.deed == "token":
            return f"{AT}/tokens", {"role": "runtime", "label": f"token {number}"}
        headers = [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}]
        url = f"http://127.0.0.1:{self.stage.upstream.port}{self.path}"
        return f"{AT}/calls", {"method": "POST", "url": url, "headers": headers, "timeout_seconds": 5}

    @property
    def path(self) -> str:
        return f"/deed-{self.plan.seed}"

    def send(self, copy: int, patience: float) -> requests.Response | None:
        """Send the request once; None where no answer came."""
        service, (path, body) = self.stage.copies[copy], self.request
        headers = {
            "Authorization": f"Bearer {service.platform}",
            "Strongroom-Act-As": "ada",
            "Idempotency-Key": self.key,
        }
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(f"{service.url}/api/v1{path}", json=body, headers=headers, timeout=patience)
        except requests.RequestException:
            return None
        self.answers.append(answer)
        return answer

    def settle(self, copy: int) -> requests.Response:
        """Ask until the answer is the last one."""
        end = time.monotonic() + 60
        answer = None
        while time.monotonic() < end:
            answer = self.send(copy, 10.0)
            if answer is not None and is_last(answer):
                return answer
            time.sleep(0.1)
        raise AssertionError(f"it never settles: {answer and answer.text}")


def is_last(answer: requests.Response) -> bool:
    """Tell whether asking again can't change anything."""
    if answer.status_code < 300 or "Idempotency-Replayed" in answer.headers:
        return True
    return answer.status_code == 409 and "Retry-After" not in answer.headers


def run_plan(stage: Stage, plan: Plan) -> str:
    """Let a plan happen, and check what came of it; returns how it ended."""
    if any(fault == "kill" for fault, _step in plan.faults):
        time.sleep(max(0.0, stage.killed_at + RESPAWN_SECONDS - time.monotonic()))
    run, striker = Run(stage, plan), Striker(stage, plan)
    stage.upstream.scripts[run.path] = striker.upstream_script
    stage.proxy.fault = Fault("delay", path="/data/", times=1, then=lambda: striker.reach("vault"))
    begun = threading.Timer(plan.delay, striker.reach, ["asked"])
    begun.start()
    with ThreadPoolExecutor(len(plan.clients)) as pool:
        list(pool.map(lambda client: _ask_some_times(run, client), plan.clients))
    begun.join()
    striker.heal()
    last = [run.settle(copy) for copy in (0, 1)]
    return check(run, last)


def _ask_some_times(run: Run, client: Any) -> None:
    time.sleep(client.delay)
    for _ in range(3):
        answer = run.send(client.copy, client.patience)
        if answer is not None and is_last(answer):
            return
        time.sleep(0.1)


def check(run: Run, last: Sequence[requests.Response]) -> str:
    """Check that at most one deed was done, that all were told the same, and that what nobody knows is said so."""
    done = [answer for answer in run.answers if answer.status_code < 300]
    deeds = count_deeds(run)
    assert deeds <= 1, f"{deeds} deeds under one key"
    assert len({stable(answer) for answer in done}) <= 1, "two answers under one key"
    if done:
        assert deeds == 1, "it was said to be done, and it wasn't"
    if last[0].status_code == last[1].status_code == 409:
        call_ids = {answer.json().get("call_id") for answer in last if answer.json()["code"] == "conflict"}
        assert len(call_ids) <= 1
        for call_id in call_ids - {None}:
            assert run.plan.deed != "call" or outcomes(run, call_id), "nothing is recorded of what isn't known"
        return "unknown"
    if not done:
        assert {answer.json()["code"] for answer in last} <= KEPT_FAILURES
        return "failed"
    assert run.plan.deed != "call" or outcomes(run, done[0].json()["call_id"])["done"] == 1
    return "done"


def stable(answer: requests.Response) -> str:
    """Return what has to be the same in each answer: a new token comes once."""
    document = answer.json()
    document.pop("token", None)
    return repr(sorted(document.items()))


def count_deeds(run: Run) -> int:
    first = run.stage.copies[0]
    if run.plan.deed == "call":
        return run.stage.deeds.count(run.path)
    if run.plan.deed == "token":
        labels = [each["label"] for each in first.ask("GET", f"{AT}/tokens?limit=200", keep=False).json()["items"]]
        return labels.count(run.request[1]["label"])
    shown = first.ask("POST", f"{AT}/secrets/{run.request[1]['name']}/reveal", keep=False)
    if shown.status_code == 200:
        assert shown.json()["value"] == VALUE
    return int(shown.status_code == 200)


def outcomes(run: Run, call_id: str) -> Counter[str]:
    """Return what the record says of a call: how many events of each outcome."""
    found: Counter[str] = Counter()
    page: dict[str, Any] = {"next_cursor": ""}
    while (cursor := page["next_cursor"]) is not None and not found:
        path = f"{AT}/audit?action=call.run&limit=200" + (f"&cursor={cursor}" if cursor else "")
        page = run.stage.copies[0].ask("GET", path, keep=False).json()
        found.update(event["outcome"] for event in page["items"] if event["call_id"] == call_id)
    return found


def test_one_key_is_one_deed_or_an_honest_unknown(
    tmp_path: Path, seeds: Sequence[int], capsys: pytest.CaptureFixture[str]
) -> None:
    faulty, ends = [], Counter[str]()
    with fault_stage(tmp_path) as stage:
        for seed in seeds:
            plan = Plan.of(seed)
            try:
                ends[run_plan(stage, plan)] += 1
            except AssertionError as error:
                faulty.append(f"--seed {seed}: {error}\n    {plan}")
        with suppress(IndexError):
            stage.upstream.seen.clear()
        verified = stage.copies[0].command("audit", "verify")
    with capsys.disabled():
        print(f"\n{len(seeds)} seeds from {seeds[0]}: {dict(ends)}")  # noqa: T201 - the run's own account
    assert not faulty, "\n".join(faulty)
    assert verified.returncode == 0, verified.stdout
    assert len(seeds) < 50 or ends["done"] > len(seeds) / 2, "most of what breaks is only felt, or this proves little"
