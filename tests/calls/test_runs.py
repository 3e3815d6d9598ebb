"""Runs and previews of saved blocks, over a real upstream."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests

from tests.support import databases
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream
from tests.support.vault_log import values_read

_numbers = itertools.count(1)
ACCEPT = {"name": "Accept", "value": "*/*"}
JSON = {"Content-Type": "application/json"}


def make_secret(service: Service, ws_path: str, name: str, value: str, **more: object) -> None:
    body = {"name": name, "value": value, "visibility": "masked"} | more
    assert service.ask("POST", f"{ws_path}/secrets", body, keep=False).status_code == 201


def save(service: Service, ws_path: str, call: dict[str, Any], name: str = "block", **more: object) -> str:
    answer = service.ask("POST", f"{ws_path}/blocks", {"name": name, "call": call} | more)
    assert answer.status_code == 201, answer.text
    return f"{ws_path}/blocks/{name}"


def local(upstream: Upstream, path: str = "/") -> str:
    return f"http://127.0.0.1:{upstream.port}{path}"


def test_a_block_runs_and_is_previewed(service: Service, ws_path: str, upstream: Upstream) -> None:
    make_secret(service, ws_path, "TOKEN", "canary-8b1f7c", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    call = {
        "url": local(upstream, "/{{what}}"),
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
        "captures": [{"name": "method", "path": "$.method"}],
    }
    block = save(service, ws_path, call)
    preview = service.ask("POST", f"{block}/preview", {"variables": {"what": "a/b"}})
    assert preview.status_code == 200, preview.text
    assert preview.json() == {
        "method": "GET",
        "url": local(upstream, "/a%2Fb"),
        "headers": [{"name": "Authorization", "value": "Bearer [secret:TOKEN]"}, ACCEPT],
        "body": None,
        "destination": {
            "allowed": True,
            "host": "127.0.0.1",
            "port": upstream.port,
            "addresses": ["127.0.0.1"],
            "reason": None,
        },
    }
    assert upstream.seen == []
    ran = service.ask("POST", f"{block}/run", {"variables": {"what": "a/b"}})
    assert ran.status_code == 200, ran.text
    assert (upstream.seen[0].path, upstream.seen[0].header("Authorization")) == ("/a%2Fb", "Bearer canary-8b1f7c")
    assert "canary" not in ran.text
    assert (ran.json()["status"], ran.json()["captures"]) == (200, {"method": "GET"})
    assert problem(service.ask("POST", f"{block}/run")) == (422, "missing_variable")


def test_a_block_that_was_changed_runs_as_it_is_now(service: Service, ws_path: str, upstream: Upstream) -> None:
    block = save(service, ws_path, {"url": local(upstream, "/first")})
    for path in ("/first", "/second", "/first"):
        changed = service.ask("PATCH", block, {"call": {"url": local(upstream, path)}}, headers={"If-Match": "*"})
        assert changed.status_code == 200, changed.text
        assert service.ask("POST", f"{block}/run").status_code == 200
    assert [seen.path for seen in upstream.seen] == ["/first", "/second", "/first"]


def token_of(service: Service, ws_path: str, **more: object) -> str:
    made = service.ask("POST", f"{ws_path}/tokens", {"role": "runtime"} | more, keep=False)
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


# --- variables --------------------------------------------------------------------------------------------------------


def test_a_runs_variables_go_before_the_blocks_and_those_before_the_workspaces(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    for name in ("one", "two", "three"):
        assert service.ask("POST", f"{ws_path}/variables", {"name": name, "value": f"{name}-ws"}).status_code == 201
    call = {"url": local(upstream, "/{{one}}/{{two}}/{{three}}/{{ one }}"), "variables": {"two": "b", "three": "b"}}
    block = save(service, ws_path, call)
    assert service.ask("POST", f"{block}/run", {"variables": {"three": "r", "unused": "x"}}).status_code == 200
    assert service.ask("POST", f"{block}/run").status_code == 200
    assert [seen.path for seen in upstream.seen] == ["/one-ws/b/r/one-ws", "/one-ws/b/b/one-ws"]


def test_missing_variables_are_all_named_whatever_looks_like_them(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    make_secret(service, ws_path, "third", "abcdefgh")
    assert service.ask("POST", f"{ws_path}/variables", {"name": "First", "value": "x"}).status_code == 201
    call = {"url": local(upstream, "/{{first}}"), "body": {"type": "json", "content": ["{{second}}", "{{third}}"]}}
    answer = service.ask("POST", f"{save(service, ws_path, call)}/run", {"variables": {"SECOND": "x"}})
    assert problem(answer) == (422, "missing_variable")
    assert answer.json()["variables"] == ["first", "second", "third"]
    assert "first, second, third" in answer.json()["detail"]
    assert upstream.seen == []


@pytest.mark.parametrize("text", ["{{secrets.TOKEN}}", "{{other}}", "{{", '{{"{{"}}', "{{secrets.TOKEN", "}}{{x}}"])
def test_a_variables_value_that_looks_like_a_template_stays_text(
    service: Service, ws_path: str, upstream: Upstream, text: str
) -> None:
    make_secret(service, ws_path, "TOKEN", "canary-1a2b3c", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    assert service.ask("POST", f"{ws_path}/variables", {"name": "kept", "value": text}).status_code == 201
    call = {
        "url": local(upstream),
        "method": "POST",
        "headers": [{"name": "X-A", "value": "{{kept}}"}],
        "body": {"type": "text", "content": "{{given}}{{own}}{{given}}"},
        "variables": {"own": text},
    }
    ran = service.ask("POST", f"{save(service, ws_path, call)}/run", {"variables": {"given": text}})
    assert ran.status_code == 200, ran.text
    assert (upstream.seen[0].header("X-A"), upstream.seen[0].body.decode()) == (text, text * 3)
    assert values_read(service, ws_path) == []


@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "\n"])
@pytest.mark.parametrize(
    "field",
    [
        {"headers": [{"name": "X-A", "value": "x {{it}}"}, {"name": "B", "value": "{{secrets.TOKEN}}"}]},
        {
            "auth": {"type": "basic", "username": "{{it}}", "password": "p"},
            "query": [{"name": "a", "value": "{{secrets.TOKEN}}"}],
        },
        {"auth": {"type": "basic", "username": "{{secrets.TOKEN}}", "password": "{{it}}"}},
    ],
    ids=["header", "user", "password"],
)
def test_a_variable_that_would_break_a_header_is_refused_before_vault_is_asked(
    service: Service, ws_path: str, upstream: Upstream, bad: str, field: dict[str, Any]
) -> None:
    make_secret(service, ws_path, "TOKEN", "abcdefgh", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    block = save(service, ws_path, {"url": local(upstream)} | field)
    for where in ("run", "preview"):
        answer = service.ask("POST", f"{block}/{where}", {"variables": {"it": bad}})
        assert problem(answer) == (422, "value_not_allowed_here"), answer.text
    assert (upstream.seen, values_read(service, ws_path)) == ([], [])


@pytest.mark.parametrize("bad", ["abcd\r\nX-Evil: 1", "abcd\nefgh", "abcd\refgh", "abcd\x7f"])
def test_a_secrets_value_that_would_break_a_header_is_refused_after_the_read_and_nothing_is_sent(
    service: Service, ws_path: str, upstream: Upstream, bad: str
) -> None:
    make_secret(service, ws_path, "TOKEN", bad, allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    block = save(service, ws_path, {"url": local(upstream), "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}]})
    answer = service.ask("POST", f"{block}/run")
    assert problem(answer) == (422, "value_not_allowed_here"), answer.text
    assert "abcd" not in answer.text
    assert (upstream.seen, values_read(service, ws_path)) == ([], ["masked/TOKEN"])
    call = {"url": local(upstream), "method": "POST", "body": {"type": "text", "content": "{{secrets.TOKEN}}"}}
    assert service.ask("POST", f"{ws_path}/calls", call, keep=False).status_code == 200
    assert upstream.seen[0].body == bad.encode()


@pytest.mark.parametrize("text", [".", "..", "/..", "a/../b", "\\.."])
def test_a_variable_leads_to_no_other_path(service: Service, ws_path: str, upstream: Upstream, text: str) -> None:
    block = save(service, ws_path, {"url": local(upstream, "/a/{{it}}/b")})
    answer = service.ask("POST", f"{block}/run", {"variables": {"it": text}})
    assert problem(answer) == (422, "value_not_allowed_here")
    assert upstream.seen == []


def test_a_variable_is_encoded_once_more_whatever_it_holds(service: Service, ws_path: str, upstream: Upstream) -> None:
    block = save(service, ws_path, {"url": local(upstream, "/a/{{it}}/b")})
    assert service.ask("POST", f"{block}/run", {"variables": {"it": "%2e%2e"}}).status_code == 200
    assert [request.path for request in upstream.seen] == ["/a/%252e%252e/b"]


# --- what is answered -------------------------------------------------------------------------------------------------


def ticket(handler: Handler) -> None:
    told = {"ticket": {"id": 7, "tags": ["a", "b"]}, "key": handler.headers["X-Key"], "more": "undeclared"}
    handler.answer(json.dumps(told).encode(), 201, {"X-Undeclared": "undeclared"})


def with_captures(service: Service, ws_path: str, upstream: Upstream, answer: str) -> requests.Response:
    upstream.scripts["/tickets"] = ticket
    make_secret(service, ws_path, "TOKEN", "canary-5e6f70", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    paths = {"id": "$.ticket.id", "tags": "$.ticket.tags[*]", "key": "$.key", "none": "$.nothing", "nones": "$..nil"}
    call = {
        "url": local(upstream, "/tickets"),
        "headers": [{"name": "X-Key", "value": "{{secrets.TOKEN}}"}],
        "captures": [{"name": name, "path": path} for name, path in paths.items()],
    }
    ran = service.ask("POST", f"{save(service, ws_path, call, answer=answer)}/run")
    assert ran.status_code == 200, ran.text
    found = {"id": 7, "tags": ["a", "b"], "key": "[redacted:TOKEN]", "none": None, "nones": []}
    assert ran.json()["captures"] == found
    assert ran.headers["Cache-Control"] == "no-store"
    return ran


def test_captures_are_taken_from_the_redacted_body(service: Service, ws_path: str, upstream: Upstream) -> None:
    told = with_captures(service, ws_path, upstream, "full").json()
    assert told["body"]["content"]["more"] == "undeclared"
    assert {"name": "X-Undeclared", "value": "undeclared"} in told["headers"]
    assert told["redactions"] == 1


def test_a_block_that_answers_captures_lets_nothing_else_out(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    ran = with_captures(service, ws_path, upstream, "captures")
    assert ran.json().keys() == {"call_id", "status", "captures", "capture_problems", "redactions", "elapsed_ms"}
    assert ran.json()["capture_problems"] == {"none": "not_found"}
    assert ran.json()["status"] == 201
    assert "ndeclared" not in ran.text


@pytest.mark.parametrize("body", [{"variables": []}, {"variables": {"a": ["\x00"]}}, {"call": {}}, [], "x", None])
def test_what_is_no_run_is_refused(service: Service, ws_path: str, upstream: Upstream, body: object) -> None:
    block = save(service, ws_path, {"url": local(upstream)})
    answer = service.ask("POST", f"{block}/run", data=json.dumps(body).encode(), headers=JSON)
    assert problem(answer) == (422, "validation_failed")
    assert upstream.seen == []


# --- previews ---------------------------------------------------------------------------------------------------------


def test_a_preview_shows_every_part_and_neither_reads_sends_nor_records(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    make_secret(service, ws_path, "TOKEN", "canary-77aa01", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    call = {
        "method": "PUT",
        "url": local(upstream, "/{{it}}/{{secrets.TOKEN}}?a=1"),
        "query": [{"name": "q", "value": "{{it}}"}],
        "auth": {"type": "basic", "username": "me", "password": "{{secrets.TOKEN}}"},
        "body": {"type": "json", "content": {"k": "{{secrets.TOKEN}}", "it": "{{it}}"}},
        "variables": {"it": "a b"},
    }
    block = save(service, ws_path, call)
    newest = service.ask("GET", f"{ws_path}/audit").json()["items"][0]["id"]
    shown = service.ask("POST", f"{block}/preview")
    assert shown.status_code == 200, shown.text
    assert shown.json()["url"] == local(upstream, "/a%20b/[secret:TOKEN]?a=1&q=a%20b")
    headers = {each["name"]: each["value"] for each in shown.json()["headers"]}
    assert headers == {"Authorization": "Basic me:[secret:TOKEN]", "Content-Type": "application/json", "Accept": "*/*"}
    assert json.loads(shown.json()["body"]) == {"k": "[secret:TOKEN]", "it": "a b"}
    assert (shown.json()["method"], shown.json()["destination"]["allowed"]) == ("PUT", True)
    assert shown.headers["Cache-Control"] == "no-store"
    assert service.ask("POST", f"{ws_path}/calls/preview", call).json() == shown.json()
    assert (upstream.seen, values_read(service, ws_path)) == ([], [])
    assert service.ask("GET", f"{ws_path}/audit").json()["items"][0]["id"] == newest


@pytest.mark.parametrize(
    ("url", "host", "port", "reason"),
    [
        ("http://127.0.0.1:1/", "127.0.0.1", 1, "host_not_allowed"),
        ("https://169.254.169.254/", "169.254.169.254", 443, "host_not_allowed"),
        ("https://nowhere.invalid:8443/", "nowhere.invalid", 8443, "upstream_unreachable"),
    ],
)
def test_a_preview_tells_why_a_destination_is_refused(
    service: Service, ws_path: str, url: str, host: str, port: int, reason: str
) -> None:
    make_secret(service, ws_path, "TOKEN", "abcdefgh", allowed_hosts=["nowhere.invalid:8443"])
    call = {"url": url, "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}]}
    refused = {"allowed": False, "host": host, "port": port, "addresses": [], "reason": reason}
    answers = [service.ask("POST", f"{ws_path}/calls/preview", call)]
    answers.append(service.ask("POST", f"{save(service, ws_path, call)}/preview"))
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["destination"] == refused
        assert answer.json()["headers"] == [{"name": "A", "value": "[secret:TOKEN]"}, ACCEPT]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": [{"name": "A", "value": "{{secrets.NOT_THERE}}"}]}, 422, "unknown_secret"),
        ({"headers": [{"name": "Accept", "value": "{{secrets.TOKEN}}"}]}, 403, "place_not_allowed"),
        ({"headers": [{"name": "A", "value": "{{nothing}}"}]}, 422, "missing_variable"),
        ({"headers": [{"name": "A", "value": "{{secrets.TOKEN}}{{secrets.B}}"}]}, 422, "one_secret_per_field"),
        ({"url": "https://{{host}}/"}, 422, "template_not_allowed"),
        ({"colour": "red"}, 422, "validation_failed"),
    ],
)
def test_a_preview_refuses_what_a_call_would(
    service: Service, ws_path: str, upstream: Upstream, change: dict[str, object], status: int, code: str
) -> None:
    make_secret(service, ws_path, "TOKEN", "abcdefgh")
    for path in ("calls", "calls/preview"):
        answer = service.ask("POST", f"{ws_path}/{path}", {"url": local(upstream)} | change)
        assert problem(answer) == (status, code), answer.text


def test_a_runtime_token_previews_ad_hoc_calls_only_where_it_may_make_them(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    make_secret(service, ws_path, "TOKEN", "abcdefgh")
    call = {"url": local(upstream), "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}]}
    path = f"{ws_path}/calls/preview"
    assert problem(service.ask("POST", path, call, token=token_of(service, ws_path))) == (403, "forbidden")
    ad_hoc = token_of(service, ws_path, ad_hoc=True)
    shown = service.ask("POST", path, call | {"url": "https://1.1.1.1/"}, token=ad_hoc)
    assert shown.json()["destination"]["reason"] == "host_not_allowed"
    assert service.ask("POST", path, call | {"url": "https://1.1.1.1/"}).json()["destination"]["allowed"] is True


# --- expiry, and the record -------------------------------------------------------------------------------------------


def test_an_expired_secret_is_refused_only_where_the_workspace_says_so(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    past = {"expires_at": "2020-01-01T00:00:00Z", "allowed_hosts": [f"127.0.0.1:{upstream.port}"]}
    make_secret(service, ws_path, "TOKEN", "abcdefgh", **past)
    block = save(service, ws_path, {"url": local(upstream), "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}]})
    assert service.ask("POST", f"{block}/run").status_code == 200
    assert service.ask("PATCH", ws_path, {"refuse_expired": True}, headers={"If-Match": "*"}).ok
    for where in ("run", "preview"):
        assert problem(service.ask("POST", f"{block}/{where}")) == (403, "secret_expired")
    assert len(upstream.seen) == 1


def test_the_record_tells_of_a_run_what_was_done_and_never_a_value(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    value = "canary-90ab12"
    make_secret(service, ws_path, "TOKEN", value, allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    call = {
        "method": "POST",
        "url": local(upstream, "/private?a={{v}}"),
        "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}],
        "body": {"type": "text", "content": "telling {{v}}"},
    }
    block = save(service, ws_path, call)
    token = token_of(service, ws_path)
    headers = {"X-Request-ID": "request-1234"}
    ran = service.ask("POST", f"{block}/run", {"variables": {"v": "telling"}}, token=token, headers=headers).json()
    record = service.ask("GET", f"{ws_path}/audit?secret=TOKEN&action=call.run")
    done, intent = record.json()["items"]
    assert {done["call_id"], intent["call_id"]} == {ran["call_id"]}
    assert (done["outcome"], intent["outcome"]) == ("done", "intended")
    intended = {"method": "POST", "host": "127.0.0.1", "port": upstream.port, "secrets": ["TOKEN"]}
    assert intent["detail"] == intended
    assert (done["actor"]["type"], done["request_id"]) == ("token", "request-1234")
    made = service.ask("GET", block).json()
    assert done["target"] == {"type": "block", "id": made["id"], "name": "block"}
    secret = service.ask("GET", f"{ws_path}/secrets/TOKEN").json()
    detail = done["detail"]
    assert len(detail.pop("vault_request_ids")) == 1
    assert detail.pop("elapsed_ms") > 0
    assert detail.pop("received_bytes") > 0
    assert detail.pop("sent_bytes") > 0
    assert detail == intended | {
        "secret_ids": {"TOKEN": secret["id"]},
        "secret_versions": {"TOKEN": 1},
        "status": 200,
        "redactions": 1,
        "redirects": [],
    }
    assert not any(text in record.text for text in (value, "telling", "private"))


def test_a_block_follows_redirects_only_where_it_asks_to_and_the_record_tells_where_they_led(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    make_secret(service, ws_path, "TOKEN", "abcdefgh", allowed_hosts=[f"127.0.0.1:{upstream.port}"])
    upstream.scripts["/old"] = lambda handler: handler.answer(b"moved", 307, {"Location": "/new"})
    call = {"url": local(upstream, "/old"), "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}]}
    assert service.ask("POST", f"{save(service, ws_path, call)}/run").json()["status"] == 307
    following = save(service, ws_path, call | {"follow_redirects": True}, "following")
    assert service.ask("GET", following).json()["call"]["follow_redirects"] is True
    assert service.ask("POST", f"{following}/run").json()["status"] == 200
    assert [(seen.path, seen.header("A")) for seen in upstream.seen] == [
        ("/old", "abcdefgh"),
        ("/old", "abcdefgh"),
        ("/new", "abcdefgh"),
    ]
    done = service.ask("GET", f"{ws_path}/audit?block=following&outcome=done&action=call.run").json()["items"][0]
    assert done["detail"]["redirects"] == [f"127.0.0.1:{upstream.port}"]


def test_a_refused_run_is_recorded_with_the_reason(service: Service, ws_path: str, upstream: Upstream) -> None:
    make_secret(service, ws_path, "TOKEN", "abcdefgh", allowed_hosts=["elsewhere.example"])
    call = {"url": local(upstream, "/{{v}}"), "headers": [{"name": "A", "value": "{{secrets.TOKEN}}"}]}
    block = save(service, ws_path, call)
    assert problem(service.ask("POST", f"{block}/run")) == (422, "missing_variable")
    refused = service.ask("POST", f"{block}/run", {"variables": {"v": "x"}})
    assert problem(refused) == (403, "destination_not_allowed")
    assert problem(service.ask("POST", f"{ws_path}/blocks/none/run")) == (404, "not_found")
    token = token_of(service, ws_path)
    assert problem(service.ask("POST", f"{ws_path}/calls", call, token=token)) == (403, "forbidden")
    events = service.ask("GET", f"{ws_path}/audit?action=call.run&outcome=refused").json()["items"]
    assert [(each["target"]["type"], each["target"]["name"], each["detail"]["code"]) for each in events] == [
        ("call", "GET 127.0.0.1", "forbidden"),
        ("block", "none", "not_found"),
        ("block", "block", "destination_not_allowed"),
        ("block", "block", "missing_variable"),
    ]
    assert events[0]["detail"]["action"] == "call:ad_hoc"
    assert (events[2]["detail"]["reason"], events[2]["detail"]["secrets"]) == ("host_not_allowed", ["TOKEN"])
    assert (upstream.seen, values_read(service, ws_path)) == ([], [])


def test_an_answer_whose_outcome_cant_be_recorded_is_withheld(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    block = save(service, ws_path, {"url": local(upstream, "/full")})
    refusals = ExitStack()

    def fill_the_disk(handler: Handler) -> None:
        refusals.enter_context(databases.refusing(service.database_url, "events"))
        handler.answer(b'"withheld"')

    upstream.scripts["/full"] = fill_the_disk
    with refusals:
        answer = service.ask("POST", f"{block}/run")
        assert problem(answer) == (503, "record_unavailable")
        assert answer.headers["Retry-After"]
        assert "withheld" not in answer.text
        assert len(upstream.seen) == 1
        again = service.ask("POST", f"{block}/run")
        assert problem(again) == (503, "record_unavailable")
        assert len(upstream.seen) == 1
    del upstream.scripts["/full"]
    assert service.ask("POST", f"{block}/run").status_code == 200


# --- limits, as the client and the record see them --------------------------------------------------------------------


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(b"x")
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("script", "change", "status", "code", "outcome"),
    [
        (lambda _handler: time.sleep(1), {}, 504, "upstream_timeout", "failed"),
        (drip, {}, 504, "upstream_timeout", "failed"),
        (lambda handler: handler.answer(b"x" * (10 * 1024 * 1024 + 1)), {"timeout_seconds": 30}, 502,
         "response_too_large", "failed"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n\r\n"), {"timeout_seconds": 30}, 502,
         "upstream_protocol", "failed"),
        (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), {"timeout_seconds": 30}, 502,
         "upstream_protocol", "failed"),
        (None, {"body": {"type": "text", "content": "{{b}}" * 33}, "variables": {"b": "x" * 2**20}}, 413,
         "payload_too_large", "refused"),
    ],
    ids=["stall", "drip", "too-much", "no-http", "hung-up", "too-much-sent"],
)  # fmt: skip
def test_what_goes_over_a_limit_is_told_by_whose_fault_it_is_and_recorded(
    service: Service,
    ws_path: str,
    upstream: Upstream,
    script: Callable[[Handler], None] | None,
    change: dict[str, Any],
    status: int,
    code: str,
    outcome: str,
) -> None:
    if script is not None:
        upstream.scripts["/over"] = script
    call = {"method": "POST", "url": local(upstream, "/over"), "timeout_seconds": 0.4} | change
    answer = service.ask("POST", f"{save(service, ws_path, call)}/run")
    assert problem(answer) == (status, code), answer.text
    assert answer.json()["party"] == ("caller" if status == 413 else "upstream")
    newest = service.ask("GET", f"{ws_path}/audit").json()["items"][0]
    assert (newest["action"], newest["outcome"], newest["detail"]["code"]) == ("call.run", outcome, code)
    assert (newest["detail"]["host"], newest["detail"]["port"]) == ("127.0.0.1", upstream.port)
    assert newest["detail"]["elapsed_ms"] >= 0


# --- the last runs ----------------------------------------------------------------------------------------------------


def test_the_last_runs_of_a_block_come_from_the_record(service: Service, ws_path: str, upstream: Upstream) -> None:
    assert service.ask("PUT", f"{ws_path}/members/edda", {"role": "editor"}).ok
    block = save(service, ws_path, {"url": local(upstream, "/{{x}}"), "variables": {"x": "a"}})
    other = save(service, ws_path, {"url": local(upstream)}, name="other")
    assert service.ask("GET", f"{block}/runs", user="edda").json() == {"items": [], "next_cursor": None}
    ran = [service.ask("POST", f"{block}/run", user=user).json()["call_id"] for user in ("ada", "edda", "ada")]
    service.ask("POST", f"{other}/run")
    service.ask("POST", f"{ws_path}/calls", {"url": local(upstream)})
    assert problem(service.ask("POST", f"{block}/run", {"variables": {"x": ".."}})) == (422, "value_not_allowed_here")
    runs = service.ask("GET", f"{block}/runs", user="edda").json()["items"]
    assert [run["outcome"] for run in runs] == ["refused", "done", "done", "done"]
    assert [run["call_id"] for run in runs[1:]] == ran[::-1]
    assert runs[0]["status"] is None
    done = runs[2]
    assert done.keys() == {"call_id", "at", "actor", "outcome", "status", "elapsed_ms", "redactions"}
    assert (done["status"], done["redactions"], done["actor"]["acting_for"]) == (200, 0, "edda")
    assert done["elapsed_ms"] > 0
    first = service.ask("GET", f"{block}/runs?limit=3").json()
    rest = service.ask("GET", f"{block}/runs?limit=3&cursor={first['next_cursor']}").json()
    assert (first["items"] + rest["items"], rest["next_cursor"]) == (runs, None)


def test_the_runs_of_an_earlier_block_of_the_name_and_of_others_are_not_there(
    service: Service, ws_path: str, upstream: Upstream
) -> None:
    block = save(service, ws_path, {"url": local(upstream)})
    service.ask("POST", f"{block}/run")
    assert service.ask("DELETE", f"{block}?confirm=block").status_code == 204
    assert problem(service.ask("GET", f"{block}/runs")) == (404, "not_found")
    save(service, ws_path, {"url": local(upstream)})
    assert service.ask("GET", f"{block}/runs").json()["items"] == []
    token = token_of(service, ws_path)
    assert problem(service.ask("GET", f"{block}/runs", token=token)) == (403, "forbidden")
