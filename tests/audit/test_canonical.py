"""Canonical JSON: as Python writes it, whoever writes it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.access import Role
from app.audit.canonical import canonical

anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.text(st.characters(categories=["Cs"])),
        st.sampled_from([1e16, 1e-4, 9.9e-5, -0.0, 2**63, -(2**63) - 1, 2**64, Role.OWNER, HTTPStatus.OK, (1e-7,)]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(detail=st.dictionaries(st.text(max_size=3), anything, max_size=4))
def test_facts_are_written_in_one_way_only(detail: dict[str, Any]) -> None:
    facts = {"seq": 1, "detail": detail, "at": "2026"}
    written = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(facts) == written.encode(errors="surrogatepass")
