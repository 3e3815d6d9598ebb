"""From a policy file to the text that Vault gets. Pure.

A file holds ``path`` blocks with ``capabilities`` and perhaps lists of parameters, and the placeholders
``@@ACCESSOR@@``, ``@@KV@@``, ``@@TRANSIT@@`` and ``@@JWT@@``. It may grant less than the table of the design, never
more: who edits a file by mistake learns it here and not from an incident.
"""

from __future__ import annotations

import re

from app.policies.hcl import InvalidPolicyFile, PathRule, parse
from app.policies.table import PARAMETERS, TABLE, Bounds
from app.vault.options import Mounts


def render(role: str, text: str, *, accessor: str, mounts: Mounts) -> str:
    """Check a file and fill it in.

    Raises:
        InvalidPolicyFile: for an unknown placeholder, a syntax error, or more than the role's row of the table.
    """
    check(role, text)
    values = {"ACCESSOR": accessor, "KV": mounts.kv, "TRANSIT": mounts.transit, "JWT": mounts.jwt}
    return re.sub(r"@@([A-Z]+)@@", lambda found: values[found[1]], text)


def check(role: str, text: str) -> None:
    """Do nothing where the file is in order and within the table.

    Raises:
        InvalidPolicyFile: naming the file and what is wrong.
    """
    unknown = sorted(set(re.findall(r"@@.*?@@|@@", text)) - {"@@ACCESSOR@@", "@@KV@@", "@@TRANSIT@@", "@@JWT@@"})
    if unknown:
        raise InvalidPolicyFile(f"{role}.hcl has an unknown placeholder: {unknown[0]}")
    table = TABLE[role]
    for rule in parse(role, text):
        excess = sorted(rule.capabilities - table.get(rule.path, frozenset()) - {"deny"})
        if excess:
            raise InvalidPolicyFile(f'{role}.hcl grants more than the table: {", ".join(excess)} on "{rule.path}".')
        bounds = PARAMETERS.get(rule.path)
        if bounds is not None and rule.capabilities & {"create", "update"}:
            _check_parameters(role, rule, bounds)


def _check_parameters(role: str, rule: PathRule, bounds: Bounds) -> None:
    where = f'the parameters of "{rule.path}"'
    if rule.allowed_parameters is None or not rule.allowed_parameters.keys() <= bounds.allowed.keys():
        raise InvalidPolicyFile(f"{role}.hcl must bound {where} to {', '.join(sorted(bounds.allowed))}.")
    for name, values in rule.allowed_parameters.items():
        most = bounds.allowed[name]
        if most and not (values and values <= most):
            raise InvalidPolicyFile(f"{role}.hcl must bound {where}: {name} to {', '.join(sorted(most))}.")
    missing = sorted(bounds.required - rule.required_parameters)
    if missing:
        raise InvalidPolicyFile(f"{role}.hcl must require, of {where}, {', '.join(missing)}.")
