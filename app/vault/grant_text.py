"""The grants in a policy's text, from which the service reads what was applied. Pure.

A workspace's policy of grants lets its own role read the policy itself; each grant stands there as a comment in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from app.vault import Grant

_MARK: Final = "# grant: "


def comment_of(grant: Grant) -> str:
    """Return the line that a grant has in the policy's text."""
    facts = {"path": grant.path, "fields": list(grant.fields), "hosts": list(grant.hosts)}
    return _MARK + json.dumps(facts, sort_keys=True)


def grants_in(text: str) -> Sequence[Grant]:
    """Return the grants that a policy's text tells of; what isn't whole is left out."""
    return [grant for line in text.splitlines() if line.startswith(_MARK) and (grant := _parse(line))]


def _parse(line: str) -> Grant | None:
    try:
        facts: Mapping[str, object] = json.loads(line.removeprefix(_MARK))
        path, fields, hosts = facts["path"], facts["fields"], facts["hosts"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(path, str) or not isinstance(fields, list) or not isinstance(hosts, list):
        return None
    return Grant(path, tuple(str(each) for each in fields), tuple(str(each) for each in hosts))
