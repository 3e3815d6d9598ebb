"""How a program runs a saved block, as text to copy: curl, Python, JavaScript. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

_PYTHON = """import os

import requests

answer = requests.post(
    {url!r},
    headers={{"Authorization": f"Bearer {{os.environ['STRONGROOM_TOKEN']}}"}},
    json={body!r},
    timeout=30,
)
answer.raise_for_status()
print(answer.json())"""
_JAVASCRIPT = """const answer = await fetch({url}, {{
  method: "POST",
  headers: {{
    Authorization: `Bearer ${{process.env.STRONGROOM_TOKEN}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({body}),
}});
if (!answer.ok) throw new Error(await answer.text());
console.log(await answer.json());"""
_CURL = """curl -X POST {url} \\
  -H "Authorization: Bearer $STRONGROOM_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{body}'"""


def use_it(url: str, variables: Sequence[str]) -> Mapping[str, str]:
    """Return the ways to run a block.

    Args:
        url: Where it is run.
        variables: The names that it takes; each stands with an example's value.

    Returns:
        A program's text by the language's name.
    """
    body = {"variables": {name: f"<{name}>" for name in variables}}
    text = json.dumps(body)
    return {
        "curl": _CURL.format(url=url, body=text),
        "Python": _PYTHON.format(url=url, body=body),
        "JavaScript": _JAVASCRIPT.format(url=json.dumps(url), body=text),
    }
