"""The binding has one form for each row, and any change of what it counts makes another one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Final

import pytest

from app.outbound.model import AllowedRequest
from app.variables.secrets.binding import Rules, Source, as_pointer, binding
from app.variables.secrets.types import Aws4Parts, HmacParts, build_parts

WHO: Final[dict[str, Any]] = {"workspace": "acme", "secret_id": "1", "name": "TOKEN", "visibility": "restricted"}
RULES: Final = Rules(("b.example.com", "a.example.com"), ("basic", "header:Authorization"))
READ: Final = AllowedRequest(("GET", "HEAD"), "/api/**")


def _sha256(facts: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


FIRST: Final[dict[str, object]] = {
    "workspace": "acme", "id": "1", "name": "TOKEN", "visibility": "restricted",
    "hosts": ["a.example.com", "b.example.com"], "places": ["basic", "header:Authorization"],
}  # fmt: skip


def test_a_secret_with_hosts_and_places_alone_keeps_the_first_form() -> None:
    assert binding(**WHO, rules=RULES) == _sha256(FIRST)


def test_the_second_form_counts_the_rest() -> None:
    later = {"type": "value", "requests": [{"methods": ["GET", "HEAD"], "path": "/api/**"}], "wide": False}
    facts = FIRST | later | {"from": None, "made_of": None}
    assert binding(**WHO, rules=replace(RULES, requests=(READ,))) == f"2:{_sha256(facts)}"
    facts = FIRST | {"type": "value", "requests": None, "wide": True, "from": None, "made_of": None}
    assert binding(**WHO, rules=replace(RULES, wide=True)) == f"2:{_sha256(facts)}"


def test_the_second_form_counts_what_makes_a_secret_up() -> None:
    made_of = build_parts("jwt", {"algorithm": "ES256", "claims": {"iss": "1", "aud": ["b", "a"]}})
    later = {"type": "jwt", "requests": None, "wide": False, "from": None}
    facts = FIRST | later | {
        "made_of": {
            "algorithm": "ES256", "claims": {"iss": "1", "aud": ["b", "a"]}, "lifetime_seconds": 300, "key_id": None
        }
    }  # fmt: skip
    assert binding(**WHO, rules=replace(RULES, made_of=made_of)) == f"2:{_sha256(facts)}"


def test_the_order_within_a_list_counts_for_nothing() -> None:
    other = AllowedRequest(None, "/b")
    turned = replace(RULES, hosts=RULES.hosts[::-1], places=RULES.places[::-1])
    assert binding(**WHO, rules=turned) == binding(**WHO, rules=RULES)
    both = [binding(**WHO, rules=replace(RULES, requests=each)) for each in ((READ, other), (other, READ))]
    assert both[0] == both[1]


def test_every_change_makes_another_binding() -> None:
    variants = [
        RULES,
        replace(RULES, hosts=("a.example.com",)),
        replace(RULES, places=("basic",)),
        replace(RULES, wide=True),
        replace(RULES, requests=(READ,)),
        replace(RULES, requests=(AllowedRequest(("GET",), "/api/**"),)),
        replace(RULES, requests=(AllowedRequest(None, "/api/**"),)),
        replace(RULES, requests=(AllowedRequest(("GET", "HEAD"), None),)),
        replace(RULES, requests=(READ,), wide=True),
        replace(RULES, made_of=HmacParts(message="{{$body}}")),
        replace(RULES, made_of=HmacParts(message="{{$path}}")),
        replace(RULES, made_of=Aws4Parts(access_key_id="AKID", region="us-east-1", service="s3")),
    ]
    found = [binding(**WHO, rules=rules) for rules in variants]
    found += [binding(**WHO | {field: "other"}, rules=RULES) for field in WHO]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("after", "wider"),
    [
        (RULES, False),
        (replace(RULES, hosts=("a.example.com",)), False),
        (replace(RULES, hosts=(*RULES.hosts, "c.example.com")), True),
        (replace(RULES, places=(*RULES.places, "body")), True),
        (replace(RULES, requests=(READ,)), False),
        (replace(RULES, wide=True), True),
    ],
)
def test_what_widens(after: Rules, wider: bool) -> None:
    assert after.widens(RULES) is wider
    assert RULES.widens(replace(RULES, requests=(READ,)))
    assert not RULES.widens(replace(RULES, wide=True))


def test_a_source_is_written_in_one_form() -> None:
    assert as_pointer(Source("secret/team-a/zendesk", "token")) == {"path": "secret/team-a/zendesk", "field": "token"}
