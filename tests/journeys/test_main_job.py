"""The main job, end to end: a call carries a secret that nobody sees."""

from __future__ import annotations

import base64
import re
import secrets
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.actors import Workspace
from tests.support.service import Service, problem
from tests.support.upstream import Handler, Upstream


def canary() -> str:
    return f"canary-{secrets.token_hex(16)}"


def make(service: Service, workspace: Workspace, upstream: Upstream, value: str, **more: object) -> None:
    body = {
        "name": "TOKEN",
        "value": value,
        "visibility": "restricted",
        "allowed_hosts": [f"127.0.0.1:{upstream.port}"],
    } | more
    answer = service.ask("POST", f"{workspace.path}/secrets", body)
    assert answer.status_code == 201, answer.text


def call(upstream: Upstream, path: str = "/", **more: object) -> dict[str, object]:
    return {
        "method": "POST",
        "url": f"http://127.0.0.1:{upstream.port}{path}",
        "headers": [{"name": "Authorization", "value": "Bearer {{secrets.TOKEN}}"}],
    } | more


def test_a_value_arrives_and_its_echo_is_taken_out(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    value = canary()
    make(service, workspace, upstream, value)
    answer = service.ask("POST", f"{workspace.path}/calls", call(upstream), user="ed")
    assert answer.status_code == 200, answer.text
    assert upstream.seen[0].header("Authorization") == f"Bearer {value}"
    assert value not in answer.text
    assert "[redacted:TOKEN]" in answer.text
    assert answer.json()["redactions"] == 1
    assert answer.headers["Cache-Control"] == "no-store"


def test_basic_auth_and_query_carry_values_too(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    value = canary() + "/+ü"
    make(service, workspace, upstream, value, visibility="masked")
    asked = call(
        upstream,
        headers=[],
        auth={"type": "basic", "username": "me", "password": "{{secrets.TOKEN}}"},
        query=[{"name": "key", "value": "{{secrets.TOKEN}}"}],
    )
    answer = service.ask("POST", f"{workspace.path}/calls", asked)
    assert answer.status_code == 200, answer.text
    seen = upstream.seen[0]
    assert seen.header("Authorization") == "Basic " + base64.b64encode(f"me:{value}".encode()).decode()
    assert "%2F%2B%C3%BC" in seen.path
    assert value not in answer.text
    assert base64.b64encode(value.encode()).decode().rstrip("=") not in answer.text


def test_values_echoed_in_headers_are_taken_out(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    value = canary()
    make(service, workspace, upstream, value)

    def script(handler: Handler) -> None:
        handler.answer(b"{}", 418, {"X-Echo": f"a {value} b", "Set-Cookie": f"s={value}", "ETag": '"1"'})

    upstream.scripts["/echo"] = script
    answer = service.ask("POST", f"{workspace.path}/calls", call(upstream, "/echo")).json()
    headers = {each["name"]: each["value"] for each in answer["headers"]}
    assert answer["status"] == 418
    assert headers["X-Echo"] == "a [redacted:TOKEN] b"
    assert headers["Set-Cookie"] == "s=[redacted:TOKEN]"
    assert not {"ETag", "Content-Length"} & headers.keys()


def test_an_unreadable_coding_is_refused(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    make(service, workspace, upstream, canary())
    upstream.scripts["/br"] = lambda handler: handler.answer(b"xx", 200, {"Content-Encoding": "made-up"})
    answer = service.ask("POST", f"{workspace.path}/calls", call(upstream, "/br"))
    assert problem(answer) == (502, "response_not_readable")
    assert answer.json()["party"] == "upstream"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"url": "http://127.0.0.2:1/"}, 403, "destination_not_allowed"),
        ({"url": "ftp://127.0.0.1/"}, 403, "destination_not_allowed"),
        ({"url": "https://{{host}}/"}, 422, "template_not_allowed"),
        ({"headers": [{"name": "X-Key", "value": "{{secrets.TOKEN}}"}]}, 403, "place_not_allowed"),
        ({"headers": [{"name": "Host", "value": "x"}]}, 422, "header_not_allowed"),
        ({"headers": [{"name": "A", "value": "{{secrets.TOKEN}}{{secrets.TOKEN}}"}]}, 422, "one_secret_per_field"),
        ({"headers": [{"name": "A", "value": "{{secrets.NOT_THERE}}"}]}, 422, "unknown_secret"),
        ({"headers": [{"name": "A", "value": "{{nothing}}"}]}, 422, "missing_variable"),
        (
            {"headers": [{"name": "A", "value": "{{v}}"}], "variables": {"v": "a\r\nB: c"}},
            422,
            "value_not_allowed_here",
        ),
        ({"colour": "red"}, 422, "validation_failed"),
    ],
)
def test_a_call_is_refused_before_anything_is_sent(
    service: Service, workspace: Workspace, upstream: Upstream, change: dict[str, object], status: int, code: str
) -> None:
    make(service, workspace, upstream, canary())
    answer = service.ask("POST", f"{workspace.path}/calls", call(upstream) | change)
    assert problem(answer) == (status, code), answer.text
    assert upstream.seen == []


def test_roles_are_kept(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    value = canary()
    make(service, workspace, upstream, value, name="SHOWN", visibility="masked")
    make(service, workspace, upstream, canary())
    path = f"{workspace.path}/secrets"
    assert problem(service.ask("POST", f"{path}/TOKEN/reveal")) == (403, "never_shown")
    assert problem(service.ask("POST", path, {"name": "X", "value": value, "visibility": "masked"}, user="ed")) == (
        403,
        "forbidden",
    )
    assert problem(service.ask("GET", path, user="stranger")) == (404, "not_found")
    shown = service.ask("POST", f"{path}/SHOWN/reveal", user="ed", keep=False)
    assert (shown.json()["value"], shown.headers["Cache-Control"]) == (value, "no-store")
    listed = service.ask("GET", path, user="ed").json()["items"]
    assert [(each["name"], each["value"], each["permissions"]["reveal"]) for each in listed] == [
        ("SHOWN", None, True),
        ("TOKEN", None, False),
    ]
    assert problem(service.ask("GET", f"{workspace.path}/audit", user="ed")) == (403, "forbidden")


def test_a_runtime_token_runs_and_reads_nothing(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    make(service, workspace, upstream, canary())
    tokens = f"{workspace.path}/tokens"
    plain = service.ask("POST", tokens, {"role": "runtime"}, keep=False).json()["token"]
    ad_hoc = service.ask("POST", tokens, {"role": "runtime", "ad_hoc": True}, keep=False).json()
    calls = f"{workspace.path}/calls"
    assert problem(service.ask("GET", f"{workspace.path}/secrets", token=plain)) == (403, "forbidden")
    assert problem(service.ask("POST", calls, call(upstream), token=plain)) == (403, "forbidden")
    assert service.ask("POST", calls, call(upstream), token=ad_hoc["token"]).status_code == 200
    assert service.ask("DELETE", f"{tokens}/{ad_hoc['id']}").status_code == 204
    assert problem(service.ask("POST", calls, call(upstream), token=ad_hoc["token"])) == (401, "unauthenticated")


def test_any_host_is_none_for_an_ad_hoc_runtime_token(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    make(service, workspace, upstream, canary(), visibility="masked", allowed_hosts=["*"])
    made = service.ask("POST", f"{workspace.path}/tokens", {"role": "runtime", "ad_hoc": True}, keep=False)
    asked = call(upstream, url="https://example.com/")
    answer = service.ask("POST", f"{workspace.path}/calls", asked, token=made.json()["token"])
    assert problem(answer) == (403, "destination_not_allowed")


def test_a_new_value_is_the_one_that_is_sent(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    make(service, workspace, upstream, canary())
    newer = canary()
    path = f"{workspace.path}/secrets/TOKEN"
    first = service.ask("GET", path)
    answer = service.ask("PUT", f"{path}/value", {"value": newer}, headers={"If-Match": first.headers["ETag"]})
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    late = service.ask("PUT", f"{path}/value", {"value": canary()}, headers={"If-Match": first.headers["ETag"]})
    assert problem(late) == (412, "precondition_failed")
    service.ask("POST", f"{workspace.path}/calls", call(upstream))
    assert upstream.seen[0].header("Authorization") == f"Bearer {newer}"


def test_a_restricted_secret_is_widened_only_with_a_new_value(
    service: Service, workspace: Workspace, upstream: Upstream
) -> None:
    make(service, workspace, upstream, canary())
    path = f"{workspace.path}/secrets/TOKEN"
    tag = {"If-Match": service.ask("GET", path).headers["ETag"]}
    wider = [f"127.0.0.1:{upstream.port}", "api.example.com"]
    assert problem(service.ask("PATCH", path, {"allowed_hosts": wider}, headers=tag)) == (422, "value_required")
    assert problem(service.ask("PATCH", path, {"description": "x"})) == (428, "precondition_required")
    assert problem(service.ask("PATCH", path, {"name": "NEW"}, headers=tag)) == (422, "immutable")
    done = service.ask("PATCH", path, {"allowed_hosts": wider, "value": canary()}, headers=tag)
    assert (done.status_code, done.json()["version"]) == (200, 2)
    assert service.ask("POST", f"{workspace.path}/calls", call(upstream)).status_code == 200


def test_deleting_asks_for_the_name(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    make(service, workspace, upstream, canary())
    path = f"{workspace.path}/secrets/TOKEN"
    assert problem(service.ask("DELETE", path)) == (422, "confirmation_required")
    assert service.ask("DELETE", f"{path}?confirm=TOKEN").status_code == 204
    assert problem(service.ask("GET", path)) == (404, "not_found")
    assert problem(service.ask("POST", f"{workspace.path}/calls", call(upstream))) == (422, "unknown_secret")


def test_the_record_tells_of_deeds_and_refusals(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    make(service, workspace, upstream, canary())
    ran = service.ask("POST", f"{workspace.path}/calls", call(upstream), user="ed").json()
    service.ask("POST", f"{workspace.path}/secrets/TOKEN/reveal", user="ed")
    events = service.ask("GET", f"{workspace.path}/audit").json()["items"]
    of_call = [event for event in events if event["call_id"] == ran["call_id"]]
    assert [event["outcome"] for event in of_call] == ["done", "intended"]
    assert of_call[0]["detail"]["secrets"] == ["TOKEN"]
    assert of_call[0]["actor"]["acting_for"] == "ed"
    newest = events[0]
    assert (newest["action"], newest["outcome"], newest["detail"]["code"]) == (
        "secret.reveal",
        "refused",
        "never_shown",
    )


def files(folder: Path) -> dict[str, bytes]:
    """Return what stands in every file of a folder in which others work; one that goes meanwhile is none."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[str(path)] = path.read_bytes()
    return found


def test_no_value_is_left_anywhere(service: Service, workspace: Workspace, upstream: Upstream) -> None:
    masked, restricted = canary(), canary()
    make(service, workspace, upstream, masked, name="SHOWN", visibility="masked")
    make(service, workspace, upstream, restricted)
    service.ask("POST", f"{workspace.path}/calls", call(upstream))
    service.ask("POST", f"{workspace.path}/secrets/SHOWN/reveal", keep=False)
    service.ask("POST", f"{workspace.path}/secrets", {"name": "TOKEN", "value": restricted, "visibility": "masked"})
    places = files(service.folder)
    assert service.database_url.startswith("postgresql") or any(name.endswith("-wal") for name in places)
    places["database"] = databases.contents(service.database_url)
    places["answers"] = "\n".join(service.answers).encode()
    for value in (masked, restricted):
        forms = (value.encode(), value.encode().hex().encode(), base64.b64encode(value.encode()).rstrip(b"="))
        assert [name for name, content in places.items() if any(form in content for form in forms)] == []
    audit = next(content for name, content in places.items() if name.endswith("audit.log"))
    assert re.search(rb'"value":\s*"hmac-sha256:', audit)
