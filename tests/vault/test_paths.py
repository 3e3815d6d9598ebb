"""Which path in Vault a secret has, and what never becomes part of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import ValidationFailed, in_body
from app.vault import VISIBILITIES, SecretAddress
from app.vault.paths import (
    RECORD_KEY,
    chain_entry,
    chain_of_entry,
    checked_workspace,
    entry,
    folder,
    key_name,
    signing_key_name,
    tokens_entry,
)
from app.vault.record import FORWARDING_ENTRY

BAD_WORKSPACES = [
    "",
    "a",
    "Acme",
    "9acme",
    "-acme",
    "a/b",
    "a..b",
    "a*",
    "a+",
    "a.b",
    "_record",
    "a b",
    "ac\n",
    "é" * 3,
]
BAD_NAMES = ["", "9A", "A/B", "..", "A.B", "A*", "A+", "A B", "A\n", "É", "{{A}}", "A" * 65, "A%2fB"]


def test_the_visibility_is_part_of_the_path_and_of_the_keys_name() -> None:
    assert entry(SecretAddress("acme", "kv", "masked", "TOKEN")) == "acme/masked/TOKEN"
    assert entry(SecretAddress("acme", "transit", "restricted", "TOKEN")) == "acme/restricted/TOKEN"
    assert key_name("acme", "masked") == "acme.masked"
    assert key_name("acme", "restricted") == "acme.restricted"


@pytest.mark.parametrize("workspace", BAD_WORKSPACES)
@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_what_is_no_workspaces_name_is_in_no_path(workspace: str, visibility: str) -> None:
    for make in (folder, key_name):
        with pytest.raises(ValidationFailed):
            make(workspace, visibility)  # type: ignore[arg-type]
    with pytest.raises(ValidationFailed):
        entry(SecretAddress(workspace, "kv", visibility, "TOKEN"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_is_no_secrets_name_is_in_no_path(name: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        entry(SecretAddress("acme", "kv", "masked", name))
    assert [str(location) for location in caught.value.errors or {}] == ["/name"]


@pytest.mark.parametrize("visibility", ["", "public", "Masked", "masked/", "+", "tokens"])
def test_there_is_no_third_visibility(visibility: str) -> None:
    with pytest.raises(ValidationFailed):
        folder("acme", visibility)  # type: ignore[arg-type]


@given(st.text(), st.text())
def test_a_path_has_three_segments_or_there_is_none(workspace: str, name: str) -> None:
    try:
        path = entry(SecretAddress(workspace, "kv", "masked", name))
    except ValidationFailed:
        return
    assert path.split("/") == [workspace, "masked", name]
    assert not set(path) & set("+*.{}%\\ ")


def test_the_entry_that_proves_forwarding_is_no_chain_s() -> None:
    folder, _, name = FORWARDING_ENTRY.partition("/")
    assert folder == RECORD_KEY
    assert chain_of_entry(name) is None


def test_tokens_keys_and_checkpoints_have_places_of_their_own() -> None:
    address = SecretAddress("acme", "kv", "restricted", "TOKEN")
    assert tokens_entry(address) == "acme/tokens/TOKEN"
    assert signing_key_name(address) == "acme.sign.TOKEN"
    assert chain_entry("acme") == "_record/acme"
    assert chain_entry("") == "_record/_service"
    assert chain_of_entry("_service") == ""
    assert chain_of_entry("acme") == "acme"
    assert chain_of_entry("_other") is None
    assert checked_workspace("acme") == "acme"


@pytest.mark.parametrize("workspace", BAD_WORKSPACES)
def test_a_name_that_is_no_workspaces_is_refused_at_its_field(workspace: str) -> None:
    for place in (
        lambda: checked_workspace(workspace),
        lambda: folder(workspace, "masked"),
        lambda: tokens_entry(SecretAddress(workspace, "kv", "restricted", "TOKEN")),
        lambda: signing_key_name(SecretAddress(workspace, "kv", "restricted", "TOKEN")),
        *([lambda: chain_entry(workspace)] if workspace else []),
    ):
        with pytest.raises(ValidationFailed) as refused:
            place()
        assert refused.value.detail == "This isn't a workspace's name."
        assert refused.value.errors == {in_body("workspace"): ["Must be a workspace's name."]}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_secrets_is_refused_at_its_field(name: str) -> None:
    for place in (tokens_entry, signing_key_name, entry):
        with pytest.raises(ValidationFailed) as refused:
            place(SecretAddress("acme", "kv", "restricted", name))
        assert refused.value.detail == "This isn't a secret's name."
        assert refused.value.errors == {in_body("name"): ["Must be a secret's name."]}


def test_a_visibility_that_is_none_is_refused_at_its_field() -> None:
    with pytest.raises(ValidationFailed) as refused:
        folder("acme", "public")  # type: ignore[arg-type]
    assert refused.value.detail == "A secret is masked or restricted."
    assert refused.value.errors == {in_body("visibility"): ["Must be masked or restricted."]}
