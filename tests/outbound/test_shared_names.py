"""The list of names that anybody can have a name under: looked at within a year, and well formed."""

from __future__ import annotations

from app.kernel.clock import system_clock
from app.outbound.hosts import parse_pattern
from app.outbound.shared_names import LOOKED_AT, SHARED_NAMES, is_shared


def test_somebody_has_looked_at_the_list_in_the_last_year() -> None:
    assert (system_clock().date() - LOOKED_AT).days < 366


def test_each_is_a_name_that_the_public_suffix_list_lets_pass() -> None:
    assert {"zendesk.com", "okta.com", "atlassian.net", "my.salesforce.com"} <= SHARED_NAMES
    for name in SHARED_NAMES:
        assert str(parse_pattern(f"*.{name}")) == f"*.{name}"  # refused by nobody else
        assert is_shared(name)
        assert not is_shared(f"acme.{name}")
