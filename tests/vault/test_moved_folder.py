"""The embedded Vault's folder, moved: it opens wherever it lies, and what keeps it from opening is told in words."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.kernel.errors import ServiceError
from app.vault import embedded
from app.vault.operator import VaultOperator
from app.vault.options import Server
from app.vault.recovery import operator_token
from tests.support.old_folder import SECRETS, make_old_folder

READS = 'path "strongroom/data/+" { capabilities = ["read"] }'


def move(place: Path) -> Path:
    return place.rename(place.parent.parent / "elsewhere")


def rename_parent(place: Path) -> Path:
    return place.parent.rename(place.parent.with_name("renamed")) / place.name


def copy(place: Path) -> Path:
    return Path(shutil.copytree(place, place.parent / "copy"))


def restore(place: Path) -> Path:
    """Restore a backup where the old place can't be made again: a file stands in the way."""
    archive, target = place.parent.parent / "backup.tar", place.parent.parent / "restored"
    with tarfile.open(archive, "w") as tar:
        tar.add(place, "openbao")
    shutil.rmtree(place.parent)
    place.parent.write_text("a file where the folder was")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="tar")
    return target / "openbao"


def link(place: Path) -> Path:
    there = place.rename(place.parent / "there")
    behind = place.parent / "link"
    behind.symlink_to(there)
    return behind


MOVES = pytest.mark.parametrize(
    "deed", [restore, *(pytest.param(each, marks=pytest.mark.slow) for each in (move, rename_parent, copy, link))]
)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "var" / "openbao"
    make_old_folder(folder)
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    running = embedded.start(folder)
    try:
        yield running.address
    finally:
        running.stop()


def values(folder: Path, address: str) -> list[str]:
    with operator_token(folder, address, READS) as token, VaultOperator(Server(address), token) as vault:
        found = [vault.read(f"strongroom/data/s{number}") for number in range(SECRETS)]
    return [one["data"]["value"] if one else "nothing" for one in found]


EVERY_VALUE = [f"old-{number}" for number in range(SECRETS)]


@MOVES
def test_an_old_folder_opens_wherever_it_was_moved_and_every_secret_is_read(
    old: Path, tmp_path: Path, deed: Callable[[Path], Path]
) -> None:
    place = tmp_path / "var" / "openbao"
    shutil.copytree(old, place)
    with_its_own_path(place)
    folder = deed(place)
    with serving(folder) as address:
        assert values(folder, address) == EVERY_VALUE
    with serving(folder) as address:  # a second time it needs no healing, and finds the same
        assert values(folder, address) == EVERY_VALUE
    assert (folder / "audit.log").stat().st_size > 0
    assert str(old.parent) not in (folder / "server.json").read_text()


def with_its_own_path(folder: Path) -> None:
    """Have the copy's configuration name the copy, as an old version would at its start."""
    written = json.loads((folder / "server.json").read_text())
    written["audit"][0]["file"]["strongroom"]["options"]["file_path"] = str(folder / "audit.log")
    (folder / "server.json").write_text(json.dumps(written))


@pytest.mark.slow
@MOVES
def test_a_folder_of_today_moves_without_any_healing(old: Path, tmp_path: Path, deed: Callable[[Path], Path]) -> None:
    place = tmp_path / "var" / "openbao"
    shutil.copytree(old, place)
    with serving(place):
        pass
    folder = deed(place)
    before = (folder / "server.log").read_text().count("recovery operation token generation finished")
    with serving(folder) as address:
        assert values(folder, address) == EVERY_VALUE
    assert (folder / "server.log").read_text().count("recovery operation token generation finished") == before == 1


@pytest.mark.slow
def test_a_healing_that_was_cut_off_is_done_again(old: Path, tmp_path: Path) -> None:
    folder = tmp_path / "openbao"
    shutil.copytree(old, folder)
    (folder / "server.json").write_text('{"cut')
    with serving(folder) as address:
        assert values(folder, address) == EVERY_VALUE


def remove(name: str) -> Callable[[Path], None]:
    def deed(folder: Path) -> None:
        target = folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return deed


def fill(name: str, content: bytes) -> Callable[[Path], None]:
    def deed(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return deed


def make_audit_log_a_folder(folder: Path) -> None:
    (folder / "audit.log").unlink()
    (folder / "audit.log").mkdir()


FAULTS = [
    pytest.param(
        fill("seal.key", b"k" * 32), "seal.key isn't the key that this storage was made with", marks=pytest.mark.slow
    ),
    pytest.param(fill("seal.key", b"short"), "seal.key can't be used", marks=pytest.mark.slow),
    (remove("seal.key"), "seal.key is missing"),
    pytest.param(remove("raft"), r"storage in .* is missing or empty", marks=pytest.mark.slow),
    pytest.param(fill("raft/vault.db", b"x" * 100_000), "storage in raft/ is damaged", marks=pytest.mark.slow),
    pytest.param(make_audit_log_a_folder, "audit.log must be a file", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("damage", "told"), FAULTS)
def test_what_keeps_it_from_opening_is_told_in_words(
    old: Path, tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    folder = tmp_path / "openbao"
    shutil.copytree(old, folder)
    with serving(folder):
        pass
    kept = (folder / "recovery.json").read_bytes()
    damage(folder)
    with pytest.raises(ServiceError, match=told):
        embedded.start(folder)
    assert (folder / "recovery.json").read_bytes() == kept


def test_a_recovery_key_that_is_missing_is_asked_for_before_anything_is_changed(old: Path, tmp_path: Path) -> None:
    folder = tmp_path / "openbao"
    shutil.copytree(old, folder)
    (folder / "recovery.json").write_text("{}")
    with pytest.raises(ServiceError, match=r"recovery\.json is missing or damaged"):
        embedded.start(folder)
