"""docs/operators.md: every command in it is run, on a Vault of a team's own, and every line of the table is real."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.policies.table import TABLE, WORKSPACE
from tests.support import databases
from tests.support.openbao import openbao
from tests.support.service import STRONGROOM, environment

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operators.md"
_FENCE = re.compile(r"^(?P<indent> *)```sh(?P<words>[^\n]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Some commands, on whose Vault they are for, and how the last one should end."""

    text: str
    embedded: bool
    ends_with: int


def blocks() -> list[Block]:
    found = []
    for fence in _FENCE.finditer(GUIDE.read_text()):
        text = "\n".join(line.removeprefix(fence["indent"]) for line in fence["text"].splitlines())
        ends = re.search(r"exit=(\d+)", fence["words"])
        found.append(Block(text, "embedded" in fence["words"], int(ends[1]) if ends else 0))
    return found


def run(block: Block, folder: Path, environ: Mapping[str, str]) -> None:
    """Run a block in the shell where the one before it ended."""
    state = folder / "state"
    script = (
        f'. {state}\ntrap "export -p > {state}; declare -p OPERATOR >> {state} 2>/dev/null || :" EXIT\n{block.text}\n'
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=dict(environ),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == block.ends_with, f"{block.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_for_a_vault_of_one_s_own_work_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    (tmp_path / "etc").mkdir()
    (tmp_path / "var").mkdir()
    with openbao(tmp_path / "vault") as bao:
        (tmp_path / "etc" / "vault-ca.pem").write_bytes(bao.cacert.read_bytes())
        here = {
            "https://vault.example.com:8200": bao.address,
            "/etc/strongroom": str(tmp_path / "etc"),
            "/var/backups": str(tmp_path),
            "postgresql+psycopg://strongroom@db.example.com/strongroom": databases.url_for(tmp_path),
        }
        environ = ours(tmp_path)
        # Who may write policies: bao, like vault, takes the token that `bao login` left there.
        (tmp_path / ".vault-token").write_text(bao.root)
        for block in blocks():
            if not block.embedded:
                text = block.text
                for there, instead in here.items():
                    text = text.replace(there, instead)
                assert "example.com" not in text
                run(Block(text, block.embedded, block.ends_with), tmp_path, environ)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_for_the_embedded_vault_work_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    for block in blocks():
        if block.embedded:
            run(block, tmp_path, ours(tmp_path))


def ours(folder: Path) -> dict[str, str]:
    environ = environment(folder, 1, HOME=str(folder))
    environ["PATH"] = f"{STRONGROOM.parent}:{environ['PATH']}"
    return environ


def test_every_fenced_block_is_one_that_is_run() -> None:
    fences = re.findall(r"^ *```(.*)$", GUIDE.read_text(), re.MULTILINE)
    assert {words.split()[0] for words in fences if words} == {"sh"}
    assert len(blocks()) == len(fences) / 2


def test_every_path_of_the_policies_is_explained() -> None:
    told = GUIDE.read_text()
    for role, grants in TABLE.items():
        for path in grants:
            shown = path.replace(WORKSPACE, "<ws>").replace("@@KV@@", "<kv>").replace("@@TRANSIT@@", "<transit>")
            shown = shown.replace("@@JWT@@", "<jwt>")
            last = shown.rpartition("/")[2]
            kinds = {
                shown,
                re.sub(r"(masked|restricted)", "<visibility>", shown),
                re.sub(r"<ws>.*/", "…/", shown),
                f"its `/{last}`" if shown.startswith("sys/auth") else f"their `/{last}`",
            }
            assert any(kind in told for kind in kinds), (role, shown)
