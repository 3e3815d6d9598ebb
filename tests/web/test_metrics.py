"""What operators see from outside: metrics without names, a dashboard that asks for real ones, logs as JSON lines."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

import pytest
import requests

from tests.support.service import Service
from tests.support.upstream import Upstream

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
FUNCTIONS = {"sum", "by", "rate", "histogram_quantile", "topk", "max", "le"}


@pytest.fixture
def busy(service: Service, upstream: Upstream) -> tuple[str, ...]:
    """Something of everything has happened; returns what may appear nowhere outside."""
    workspace, secret = f"w{secrets.token_hex(6)}", f"S{secrets.token_hex(6)}"
    value = "canary-" + secrets.token_hex(16)
    service.ask("POST", "/workspaces", {"name": workspace})
    body = {
        "name": secret, "value": value, "visibility": "restricted", "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    }  # fmt: skip
    assert service.ask("POST", f"/workspaces/{workspace}/secrets", body).status_code == 201
    call = {
        "url": f"http://127.0.0.1:{upstream.port}/",
        "headers": [{"name": "Authorization", "value": "{{secrets." + secret + "}}"}],
    }
    assert service.ask("POST", f"/workspaces/{workspace}/calls", call).json()["redactions"] == 1
    service.ask("POST", f"/workspaces/{workspace}/calls", call | {"url": "http://127.0.0.9:1/"})
    service.ask("GET", f"/workspaces/{workspace}/secrets/{secret}?q={value}")
    return workspace, secret, value


def metrics(service: Service) -> str:
    answer = requests.get(f"{service.url}/metrics", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return answer.text


def test_every_expression_of_the_dashboard_asks_for_a_metric_that_there_is(
    service: Service, busy: tuple[str, ...]
) -> None:
    told = metrics(service)
    labels: dict[str, set[str]] = {}
    for name, inner in re.findall(r"^(strongroom_\w+)(?:\{(.*)\})? ", told, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r"(\w+)=", inner))
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 10
    for expression in expressions:
        names = set(re.findall(r"strongroom_\w+", expression))
        assert names
        assert names <= labels.keys(), expression
        grouped = {each.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for each in group.split(",")}
        assert grouped <= set.union(*(labels[name] for name in names)), expression
        words = set(re.findall(r"[a-z_]+", re.sub(r"\[\w+\]", "", expression)))
        assert words - names - grouped <= FUNCTIONS, expression


def test_each_step_of_the_pipeline_is_measured_and_what_came_of_it(service: Service, busy: tuple[str, ...]) -> None:
    told = metrics(service)
    steps = ("authenticate", "membership", "record", "resolve", "check", "read", "send", "answer")
    for step in steps:
        assert f'strongroom_call_step_seconds_count{{step="{step}"}}' in told
    for line in (
        'strongroom_problems_total{code="destination_not_allowed",party="policy"}',
        'strongroom_upstream_outcomes_total{outcome="2xx"}', "strongroom_redactions_total",
        'strongroom_events_total{action="call.run",outcome="refused"}', 'strongroom_pool_in_use{pool="vault"}',
        'strongroom_pool_open{pool="database"}',
    ):  # fmt: skip
        assert line in told


def test_neither_metrics_nor_logs_tell_a_name_or_a_value(service: Service, busy: tuple[str, ...]) -> None:
    workspace, secret, value = busy
    told, log = metrics(service), (service.folder / "service.log").read_text()
    assert value not in told + log
    assert secret not in told + log
    assert workspace not in told


def test_a_request_id_goes_in_and_out_and_into_the_log(service: Service, busy: tuple[str, ...]) -> None:
    sent = f"request-{secrets.token_hex(8)}"
    answer = service.ask("GET", f"/workspaces/{busy[0]}", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent
    lines = [line for line in (service.folder / "service.log").read_text().splitlines() if line.startswith("{")]
    logged = [json.loads(line) for line in lines]
    (line,) = [each for each in logged if each.get("request_id") == sent]
    assert (line["event"], line["status"], line["method"]) == ("request", 200, "GET")
    assert line["route"] == "/api/v1/workspaces/<ws>"
    for wrong in ("short", "x" * 65, "with space in it", '"quoted-request"'):
        assert service.ask("GET", "/me", headers={"X-Request-ID": wrong}).headers["X-Request-ID"] != wrong


def test_made_up_methods_are_one_series(service: Service) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for number in range(20):
            session.request(f"MADEUP{number}", f"{service.url}/healthz", timeout=10)
        text = session.get(f"{service.url}/metrics", timeout=10).text
    assert 'method="other"' in text
    assert "MADEUP" not in text
