"""Which servers are older than the least that we work with, whichever product they are."""

from __future__ import annotations

import pytest

from app.vault.versions import version_warning

COMMUNITY = {"performance_standby": False, "enterprise": False}
ENTERPRISE = {"performance_standby": False, "enterprise": True}


@pytest.mark.parametrize(
    ("version", "kind", "fine"),
    [
        ("2.7.2", {}, True),
        ("2.6.0", {}, True),
        ("2.6.1", {}, True),
        ("2.5.9", {}, False),
        ("2.10.0", {}, True),
        ("2.2.2", COMMUNITY, True),
        ("2.0.4", COMMUNITY, True),
        ("2.0.3", COMMUNITY, False),
        ("1.21.9", COMMUNITY, False),
        ("1.15.0", {"performance_standby": False}, False),
        ("1.21.9+ent", ENTERPRISE, True),
        ("1.21.8+ent", ENTERPRISE, False),
        ("1.20.14+ent.hsm", ENTERPRISE, True),
        ("1.20.13+ent.hsm.fips1403", ENTERPRISE, False),
        ("1.19.20+ent", ENTERPRISE, True),
        ("1.19.19+ent", ENTERPRISE, False),
        ("1.18.99+ent", ENTERPRISE, False),
        ("2.0.3+ent", ENTERPRISE, False),
        ("2.0.4+ent", ENTERPRISE, True),
        ("2.1.0+ent", ENTERPRISE, True),
        ("1.22.0+ent", ENTERPRISE, False),
        ("", {}, True),
        ("unknown", {}, True),
    ],
)
def test_each_product_has_a_least_version_of_its_own(version: str, kind: dict[str, bool], fine: bool) -> None:
    words = version_warning({"version": version, **kind})
    assert (words is None) is fine
    if words is not None:
        assert version in words
        for least in ("2.0.4", "1.19.20", "1.20.14", "1.21.9", "OpenBao 2.6.0"):
            assert least in words
