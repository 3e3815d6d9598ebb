"""A .env file becomes secrets: planned first, whole or not at all, and as often as one likes."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest

from app.kernel.errors import ValidationFailed
from app.variables.secrets.dotenv_import import read_dotenv
from tests.support import databases
from tests.support.service import Service

CANARY = "canary-5d244bfc7b3748ff93e273176a59e2ec"


def test_names_values_quotes_and_lines_are_read_as_dotenv_says() -> None:
    content = b"""\xef\xbb\xbf# comment
export ONE=plain-value # comment

TWO="two \\"words\\"\\nand a line"
THREE='raw ${ONE} \\n'
FOUR="several
lines"
FIVE=a=b
"""
    read = {entry.name: (entry.line, entry.value.expose()) for entry in read_dotenv(content)}
    assert read == {
        "ONE": (2, "plain-value"), "TWO": (4, 'two "words"\nand a line'), "THREE": (5, "raw ${ONE} \\n"),
        "FOUR": (6, "several\nlines"), "FIVE": (8, "a=b"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"A=1\nB=2\na=3\n", "line 3: Has the same name as line 1"),
        (b'A="' + CANARY.encode() + b"\nB=2\n", "line 1: Can't be read"),
        (b'A="x" ' + CANARY.encode() + b"\n", "line 1: Can't be read"),
        (b"\n\nA\n", "line 3: Has no ="),
        (b"1A=x\n", "line 1: Has no name"),
        ("A=größe".encode("latin-1"), "isn't in UTF-8: line 1"),
        (b"OK=1\n\xff=2\n", "isn't in UTF-8: line 2"),
        ("A=1\n".encode("utf-16"), "isn't in UTF-8"),
        ("A=1\n".encode("utf-16-le"), "NUL"),
        (b"A=" + b"x" * (10 * 1024 * 1024), "more than 1 MiB"),
        (("A" * 65 + "=x").encode(), "line 1: Has no name"),
    ],
)
def test_what_cant_be_read_is_told_by_its_line_and_never_quoted(content: bytes, told: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read_dotenv(content)
    error = caught.value
    said = error.detail + "".join(f" {place.label}: {' '.join(texts)}" for place, texts in (error.errors or {}).items())
    assert told in said
    assert CANARY not in said


def test_a_file_full_of_missing_quotes_is_refused_quickly() -> None:
    began = time.process_time()
    with pytest.raises(ValidationFailed):
        read_dotenv(b"A='x\n" + b'B="y\n' * 100_000)
    assert time.process_time() - began < 30


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
    assert [row["plan"].split(",")[0] for row in json.loads(shown.stdout)] == [
        "is there already", "would be created", "would be created",
    ]  # fmt: skip
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


def test_one_value_that_cant_be_keeps_all_from_being_made(service: Service, workspace: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text("GOOD=long-enough-value\nSHORT=abc\n")
    done = service.command("import", str(file), "--workspace", workspace, "--yes")
    assert done.returncode == 1
    assert "at least 4 characters" in done.stdout
    assert names(service, workspace) == {}
