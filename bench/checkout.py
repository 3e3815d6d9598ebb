"""An earlier commit of this project, checked out into a folder of its own and set up by its own ``make setup``."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# What the make that runs the benchmark hands down, and what would make git look elsewhere.
_NOT_INHERITED: Final = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VENV", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit that is ready to be served."""

    commit: str
    program: Path


class CheckoutError(Exception):
    """The commit can't be checked out or set up; the text says why."""


def check_out(commit: str, folder: Path) -> Checkout:
    """Check a commit out below ``folder`` and set it up; a second time it is there already.

    Args:
        commit: whatever git takes for one: a hash, the start of one, a tag, a branch.
        folder: where checkouts are kept, each in a folder that is named by its full hash.

    Raises:
        CheckoutError: git doesn't know the commit, there is no history, or setting it up failed.
    """
    full = _run("git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}", at=ROOT).strip()
    tree = folder.absolute() / full
    if not (tree / "Makefile").exists():
        _run("git", "worktree", "prune", at=ROOT)
        _run("git", "worktree", "add", "--detach", "--force", str(tree), full, at=ROOT)
    _run("make", "setup", f"PYTHON={sys.executable}", "VENV=.venv", at=tree)
    program = tree / ".venv" / "bin" / "strongroom"
    compile_packages(program, tree)
    return Checkout(full, program)


def compile_packages(program: Path, tree: Path) -> None:
    """Have Python compile what a program imports, so that no side's first start pays for it.

    Args:
        program: ``bin/strongroom`` of an environment.
        tree: the folder that holds its ``app``.
    """
    python = program.with_name("python")
    found = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", at=tree).strip()
    packages, app = Path(found), tree / "app"
    stamp = packages.with_name("compiled-for-the-benchmark")
    if stamp.exists() and stamp.stat().st_mtime > _changed(packages, app):
        return
    command = [str(python), "-m", "compileall", "-q", "-j", "0", str(packages), str(app)]
    subprocess.run(command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # some hold templates
    stamp.touch()


def _changed(packages: Path, app: Path) -> float:
    """Return when anything of an environment was last installed, or a file of ours changed."""
    return max(each.stat().st_mtime for each in (packages, *packages.iterdir(), *app.rglob("*.py")))


def _run(*command: str, at: Path) -> str:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith(("GIT_", "PYTHON", "STRONGROOM_"))
    }
    try:
        done = subprocess.run(command, cwd=at, env=inherited, capture_output=True, text=True, timeout=900)
    except FileNotFoundError:
        raise CheckoutError(f"{command[0]} isn't installed.") from None
    if done.returncode:
        raise CheckoutError(
            f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-1000:] or 'unknown commit'}"
        )
    return done.stdout
