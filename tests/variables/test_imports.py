"""A .env file becomes secrets and plain variables, each line for itself, as often as one likes."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support import databases
from tests.support.service import Service, problem

CANARY = "canary-5d244bfc7b3748ff93e273176a59e2ec"


@pytest.fixture
def workspace(service: Service) -> str:
    name = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    return name


def names(service: Service, workspace: str) -> dict[str, str]:
    listed = service.ask("GET", f"/workspaces/{workspace}/secrets").json()["items"]
    return {each["name"]: each["visibility"] for each in listed}


def test_an_import_is_shown_done_and_done_again(service: Service, workspace: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text(f"OLD={CANARY}-old\nNEW={CANARY}-new\nOTHER='{CANARY}-other'\n")
    body = {"name": "old", "value": "another value", "visibility": "masked"}
    assert service.ask("POST", f"/workspaces/{workspace}/secrets", body).status_code == 201
    options = ["--workspace", workspace, "--visibility", "restricted", "--host", "api.example.com"]
    shown = service.command("import", str(file), *options, "--json")
    assert shown.returncode == 2, shown.stderr
    assert [row["result"] for row in json.loads(shown.stdout)] == ["exists", "created", "created"]
    assert "Nothing was done" in shown.stderr
    assert names(service, workspace) == {"old": "masked"}
    done = service.command("import", str(file), *options, "--yes")
    assert done.returncode == 0, done.stderr
    assert names(service, workspace) == {"old": "masked", "NEW": "restricted", "OTHER": "restricted"}
    again = service.command("import", str(file), *options, "--yes")
    assert (again.returncode, "0 created" in again.stderr) == (0, True)
    events = service.ask("GET", f"/workspaces/{workspace}/audit?action=secret.import&outcome=done").json()["items"]
    assert {event["target"]["name"] for event in events} == {"NEW", "OTHER"}
    for ran in (shown, done, again):
        assert CANARY not in ran.stdout + ran.stderr
    assert CANARY.encode() not in databases.contents(service.database_url)


def test_a_line_that_cant_become_a_secret_holds_up_no_other(service: Service, workspace: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text(f"GOOD={CANARY}\nSHORT=abc\nEMPTY=\njunk\nCUT={CANARY}#x\nBEST=`{CANARY} #x`\n")
    waiting = service.command("import", str(file), "--workspace", workspace)
    assert waiting.returncode == 2
    assert names(service, workspace) == {}
    done = service.command("import", str(file), "--workspace", workspace, "--yes", "--json")
    assert done.returncode == 1, done.stderr
    assert [(row["line"], row["name"], row["result"], row["code"]) for row in json.loads(done.stdout)] == [
        (1, "GOOD", "created", None), (2, "SHORT", "refused", "too_short"), (3, "EMPTY", "skipped", None),
        (4, "", "refused", "validation_failed"), (5, "CUT", "refused", "validation_failed"),
        (6, "BEST", "created", None),
    ]  # fmt: skip
    assert "2 created, 0 exists, 1 skipped, 3 refused." in done.stderr
    assert names(service, workspace) == {"GOOD": "masked", "BEST": "masked"}
    revealed = service.ask("POST", f"/workspaces/{workspace}/secrets/BEST/reveal", keep=False).json()["value"]
    assert revealed == f"{CANARY} #x"
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.slow
def test_only_some_and_plain_ones(service: Service, workspace: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text(f"TOKEN={CANARY}\nPORT=80\nOTHER={CANARY}\nbroken line\n")
    options = ["--workspace", workspace, "--yes", "--json", "--only", "TOKEN", "--only", "PORT", "--plain", "PORT"]
    done = service.command("import", str(file), *options)
    assert done.returncode == 0, done.stderr
    assert [row["result"] for row in json.loads(done.stdout)] == ["created", "created", "skipped", "skipped"]
    assert names(service, workspace) == {"TOKEN": "masked"}
    assert service.ask("GET", f"/workspaces/{workspace}/variables/PORT").json()["value"] == "80"
    lacking = service.command("import", str(file), "--workspace", workspace, "--yes", "--only", "GONE")
    assert (lacking.returncode, "lacks a name" in lacking.stderr) == (1, True)


def run(service: Service, workspace: str, content: str, **more: Any) -> list[dict[str, Any]]:
    body = {"format": "dotenv", "content": content, "visibility": "masked"} | more
    answer = service.ask("POST", f"/workspaces/{workspace}/secrets/import", body, keep=False)
    assert answer.status_code == 200, answer.text
    assert CANARY not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    items: list[dict[str, Any]] = answer.json()["items"]
    assert all(item.keys() - {"warnings"} == {"line", "name", "result", "code", "detail"} for item in items)
    return items


def test_the_api_imports_the_same_way(service: Service, workspace: str) -> None:
    content = f"# a comment\nTOKEN='{CANARY}'\nPORT=80\nEMPTY=\nexport KEY=\"{CANARY}\\n2\"\nCUT={CANARY} # x\n"
    wanted = [
        (2, "TOKEN", "created"),
        (3, "PORT", "created"),
        (4, "EMPTY", "skipped"),
        (5, "KEY", "created"),
        (6, "CUT", "refused"),
    ]
    more = {"visibility": "restricted", "allowed_hosts": ["api.example.com"], "plain": ["PORT"]}
    for dry_run in (True, False):
        items = run(service, workspace, content, dry_run=dry_run, **more)
        assert [(item["line"], item["name"], item["result"]) for item in items] == wanted
        assert {item["name"]: [each["code"] for each in item["warnings"]] for item in items if "warnings" in item} == {
            "KEY": ["lines"]
        }
        assert names(service, workspace) == ({} if dry_run else {"TOKEN": "restricted", "KEY": "restricted"})
    again = run(service, workspace, content, **more)
    assert [item["result"] for item in again] == ["exists", "exists", "skipped", "exists", "refused"]
    made = service.ask("GET", f"/workspaces/{workspace}/secrets/TOKEN").json()
    assert made["allowed_hosts"] == ["api.example.com"]
    only = run(service, workspace, f"ONE={CANARY}\nTWO={CANARY}", only=["TWO"])
    assert [item["result"] for item in only] == ["skipped", "created"]


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({"content": "A=abcd"}, "validation_failed", "/visibility"),
        ({"visibility": "masked"}, "validation_failed", "/content"),
        ({"content": "A=abcd", "visibility": "masked", "format": "yaml"}, "validation_failed", "/format"),
        ({"content": "A=abcd\x00", "visibility": "masked"}, "validation_failed", "/content"),
        ({"content": "A=" + "x" * 1048576, "visibility": "masked"}, "validation_failed", "/content"),
        ({"content": "A=abcd", "visibility": "masked", "only": ["A", "B"]}, "validation_failed", "/only/1"),
        ({"content": "A=abcd", "visibility": "masked", "plain": ["B"]}, "validation_failed", "/plain/0"),
        (
            {"content": "A=abcd", "visibility": "masked", "allowed_hosts": ["a b"]},
            "validation_failed",
            "/allowed_hosts/0",
        ),
        ({"content": "A=abcd", "visibility": "restricted"}, "allowed_hosts_required", "/allowed_hosts"),
    ],
)
def test_what_is_no_import_is_refused_whole(
    service: Service, workspace: str, body: dict[str, Any], code: str, where: str
) -> None:
    answer = service.ask("POST", f"/workspaces/{workspace}/secrets/import", body)
    assert problem(answer) == (422, code)
    assert list(answer.json()["errors"]) == [where]
    assert names(service, workspace) == {}


def test_an_editor_imports_nothing(service: Service, workspace: str) -> None:
    service.ask("PUT", f"/workspaces/{workspace}/members/edda", {"role": "editor"})
    body = {"content": f"A={CANARY}", "visibility": "masked"}
    answer = service.ask("POST", f"/workspaces/{workspace}/secrets/import", body, headers={"Strongroom-Act-As": "edda"})
    assert problem(answer) == (403, "forbidden")
    assert names(service, workspace) == {}
