"""What a policy newly grants beside another: computed over the paths, ``+`` and ``*`` included, not sampled. Pure.

Source: Vault docs, "Policies": ``+`` is one segment, ``*`` stands at the end and is any rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.policies.hcl import InvalidPolicyFile, PathRule, parse

NewGrant = tuple[str, str, str]
"""A role, a path as it stands in the policy, and a capability."""


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every path that ``narrow`` means is one that ``wide`` means."""
    glob = wide.endswith("*")
    segments, others = wide.removesuffix("*").split("/"), narrow.removesuffix("*").split("/")
    if narrow.endswith("*") and not glob:
        return False
    if len(others) < len(segments) or (len(others) > len(segments) and not glob):
        return False
    pairs = list(zip(segments, others, strict=False))
    last = pairs.pop() if glob else None
    if last is not None and not last[1].startswith(last[0]):
        return False
    return all(one in ("+", other) for one, other in pairs)


def new_grants(role: str, text: str, before: str | None) -> Iterator[NewGrant]:
    """List what a policy's text grants that the one before didn't, in the order of the text.

    One before that can't be read counts as granting nothing, so that nothing is left out.
    """
    held = _rules(role, before or "")
    for rule in parse(role, text):
        for capability in sorted(rule.capabilities - {"deny"}):
            if not _grants_already(rule, capability, held):
                yield role, rule.path, capability


def _rules(role: str, text: str) -> Sequence[PathRule]:
    try:
        return parse(role, text)
    except InvalidPolicyFile:
        return []


def _grants_already(rule: PathRule, capability: str, before: Sequence[PathRule]) -> bool:
    same = [one for one in before if one.path == rule.path]
    covering = same or [one for one in before if covers(one.path, rule.path)]
    return bool(covering) and all(
        capability in one.capabilities and "deny" not in one.capabilities and _no_looser(rule, one) for one in covering
    )


def _no_looser(rule: PathRule, before: PathRule) -> bool:
    """Tell whether the parameters are bounded at least as they were."""
    if not before.required_parameters <= rule.required_parameters:
        return False
    if before.allowed_parameters is None:
        return True
    return rule.allowed_parameters is not None and _within(rule.allowed_parameters, before.allowed_parameters)


def _within(now: Mapping[str, frozenset[str]], before: Mapping[str, frozenset[str]]) -> bool:
    return all(
        name in before and (not before[name] or bool(values and values <= before[name])) for name, values in now.items()
    )
