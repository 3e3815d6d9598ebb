"""Two writers of one secret's value: no write that was acknowledged is lost, and a lost race is told."""

from __future__ import annotations

import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import requests
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.service import Service, problem

WRITERS = st.sampled_from(["ada", "bea"])
KEPT_BY_VAULT = 10


class TwoWriters(RuleBasedStateMachine):
    """Each writer has the tag that they read last; ``acknowledged`` has every value by its version."""

    service: ClassVar[Service]
    workspace: ClassVar[str]

    @initialize()
    def make(self) -> None:
        self.path = f"/workspaces/{self.workspace}/secrets/S{uuid.uuid4().hex[:12]}"
        value = secrets.token_hex(8)
        body = {"name": self.path.rpartition("/")[2], "value": value, "visibility": "masked"}
        made = self.service.ask("POST", f"/workspaces/{self.workspace}/secrets", body)
        assert made.status_code == 201
        self.acknowledged = {1: value}
        self.newest = made.headers["ETag"]
        self.tags = {"ada": self.newest, "bea": self.newest}
        self.last = "ada"

    def put(self, writer: str, value: str, tag: str | None) -> requests.Response:
        headers = {"If-Match": tag} if tag else {}
        return self.service.ask("PUT", f"{self.path}/value", {"value": value}, user=writer, headers=headers)

    def take(self, writer: str, value: str, answer: requests.Response) -> None:
        told: dict[str, Any] = answer.json()
        assert told["version"] not in self.acknowledged
        self.acknowledged[told["version"]] = value
        self.newest = self.tags[writer] = answer.headers["ETag"]
        self.last = writer

    @rule(writer=WRITERS)
    def read(self, writer: str) -> None:
        self.tags[writer] = self.service.ask("GET", self.path, user=writer).headers["ETag"]
        assert self.tags[writer] == self.newest

    @rule(writer=WRITERS, careful=st.booleans())
    def write(self, writer: str, careful: bool) -> None:
        value = secrets.token_hex(8)
        tag = self.tags[writer] if careful else None
        answer = self.put(writer, value, tag)
        if tag is not None and tag != self.newest:
            assert problem(answer) == (412, "precondition_failed")
            assert answer.json()["changed_by"] == self.last
            assert answer.json()["changed_at"]
        else:
            assert answer.status_code == 200, answer.text
            self.take(writer, value, answer)

    @rule(careful=st.booleans())
    def write_at_once(self, careful: bool) -> None:
        values = {writer: secrets.token_hex(8) for writer in ("ada", "bea")}
        tag = self.newest if careful else None
        with ThreadPoolExecutor(2) as pool:
            asked = {writer: pool.submit(self.put, writer, value, tag) for writer, value in values.items()}
        answers = {writer: each.result() for writer, each in asked.items()}
        done = {writer: answer for writer, answer in answers.items() if answer.status_code == 200}
        lost = [answer for answer in answers.values() if answer.status_code != 200]
        assert all(answer.status_code in (409, 412) for answer in lost), [answer.text for answer in lost]
        assert len(done) <= 1 or not careful
        for writer, answer in sorted(done.items(), key=lambda each: int(each[1].json()["version"])):
            self.take(writer, values[writer], answer)
        if done:  # which of two was settled last isn't told by their versions
            told = self.service.ask("GET", self.path)
            self.newest, self.last = told.headers["ETag"], told.json()["updated_by"]

    @invariant()
    def the_newest_value_is_the_last_that_was_acknowledged(self) -> None:
        shown = self.service.ask("POST", f"{self.path}/reveal", keep=False).json()["value"]
        assert shown == self.acknowledged[max(self.acknowledged)]

    def teardown(self) -> None:
        if not hasattr(self, "acknowledged"):
            return
        newest = max(self.acknowledged)
        for back, version in enumerate(sorted(self.acknowledged)[:-1]):
            if version <= newest + back + 1 - KEPT_BY_VAULT:
                continue  # Vault keeps ten
            rolled = self.service.ask("POST", f"{self.path}/rollback", {"version": version})
            assert rolled.status_code == 200, rolled.text
            shown = self.service.ask("POST", f"{self.path}/reveal", keep=False).json()["value"]
            assert shown == self.acknowledged[version]


def test_no_acknowledged_write_is_lost(service: Service) -> None:
    workspace = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": workspace}).status_code == 201
    assert service.ask("PUT", f"/workspaces/{workspace}/members/bea", {"role": "admin"}).status_code == 201
    TwoWriters.service, TwoWriters.workspace = service, workspace
    run_state_machine_as_test(
        TwoWriters,
        settings=settings(
            max_examples=5,
            stateful_step_count=10,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
