"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from app.access import GRANTS, MEMBER_ROLES, Permission, Role
from app.kernel import errors
from app.kernel.secret import SecretValue
from app.settings import Settings, SettingsError, describe
from app.web.errors import STATUS
from tests.support.service import Service

APP = Path(__file__).parents[2] / "app"
# The Vault adapter writes it, inject sends it, redact looks for it, and the reveal view shows it.
MAY_OPEN = {
    "vault/values.py",
    "vault/key_material.py",
    "outbound/inject.py",
    "redaction/redactor.py",
    "variables/schemas/secrets.py",
}


def test_a_value_is_opened_in_four_places_only() -> None:
    openers = {
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "expose" and "_text" not in ast.dump(node)
    }
    assert openers == MAY_OPEN


def test_a_value_prints_as_a_mask_however_it_is_asked() -> None:
    value = SecretValue("canary-1234567890")
    shown = [repr(value), str(value), f"{value}", f"{value:>40}", f"{[value]}", f"{ {'v': value} }"]
    assert not any("canary" in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(value)
    with pytest.raises(TypeError):
        hash(value)


def _classes(root: type[errors.StrongroomError]) -> set[type[errors.StrongroomError]]:
    return {root} | {one for child in root.__subclasses__() for one in _classes(child)}


def test_every_error_has_a_status_and_a_party() -> None:
    for error in _classes(errors.StrongroomError):
        assert error.code in STATUS
        assert error.party in ("caller", "policy", "vault", "upstream", "service")


def test_no_role_outgrows_the_one_above() -> None:
    owner, admin, editor = (GRANTS[role] for role in MEMBER_ROLES)
    assert editor < admin < owner
    assert GRANTS[Role.RUNTIME] == {Permission.BLOCK_RUN}
    assert not GRANTS[Role.PLATFORM] & {Permission.SECRET_READ, Permission.SECRET_REVEAL, Permission.CALL_AD_HOC}


def test_settings_tell_every_fault_at_once_and_no_value() -> None:
    wrong = {"PORT": "canary", "STRONGROOM_STOP_SECONDS": "-1", "STRONGROOM_COLOUR": "red", "VAULT_ADDR": "http://v:1"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(wrong)
    told = "\n".join(caught.value.faults)
    for name in ("PORT", "STRONGROOM_STOP_SECONDS", "STRONGROOM_COLOUR", "STRONGROOM_SIGNING_KEY_FILE"):
        assert name in told
    assert "canary" not in told
    assert {each.variable for each in describe()} >= {"STRONGROOM_DATA_DIR", "DATABASE_URL", "VAULT_ADDR"}
    assert len(describe()) == len(dataclasses.fields(Settings))


@pytest.fixture(scope="module")
def openapi(service: Service) -> dict[str, Any]:
    answer = service.ask("GET", "/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def test_every_operation_says_what_it_does(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    for path, operations in openapi["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            assert operations[method]["summary"], path
            assert "401" in operations[method]["responses"], path
