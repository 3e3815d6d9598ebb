"""Variables of Vault's command lines: each that is set and not obeyed is named, and none by its value."""

from __future__ import annotations

import pytest

from app.vault.environment import ignored_variables


@pytest.mark.parametrize(
    "name",
    [
        "VAULT_SKIP_VERIFY",
        "VAULT_PROXY_ADDR",
        "VAULT_HTTP_PROXY",
        "VAULT_AGENT_ADDR",
        "VAULT_SRV_LOOKUP",
        "VAULT_CLIENT_TIMEOUT",
        "VAULT_MAX_RETRIES",
        "VAULT_RATE_LIMIT",
        "VAULT_WRAP_TTL",
        "VAULT_MFA",
        "BAO_ADDR",
        "BAO_TOKEN",
        "BAO_CACERT",
        "BAO_SKIP_VERIFY",
    ],
)
def test_what_is_not_obeyed_is_named(name: str) -> None:
    (ignored,) = ignored_variables({name: "canary", "PATH": "/bin"})
    assert ignored.name == name
    assert "canary" not in ignored.why


@pytest.mark.parametrize(
    "name", ["VAULT_ADDR", "VAULT_CACERT", "VAULT_CAPATH", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_FORMAT", "BAOBAB"]
)
def test_what_is_obeyed_or_about_the_terminal_is_not(name: str) -> None:
    assert ignored_variables({name: "x"}) == []
