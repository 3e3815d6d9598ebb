"""How a program runs a saved block, as text to copy: curl, Python, JavaScript. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

_PYTHON = """import os

import requests

answer = requests.post(
    {url!r},
    headers={{"Authorization": f"Bearer {{os.environ['STRONGROOM_TOKEN']}}"}},
    json={body!r},
    timeout=30,{stream}
)
answer.raise_for_status()
{show}"""
_JAVASCRIPT = """const answer = await fetch({url}, {{
  method: "POST",
  headers: {{
    Authorization: `Bearer ${{process.env.STRONGROOM_TOKEN}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({body}),
}});
if (!answer.ok) throw new Error(await answer.text());
{show}"""
_CURL = """curl{stream} -X POST {url} \\
  -H "Authorization: Bearer $STRONGROOM_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d {body}"""
_SHOW_PYTHON = {
    False: "print(answer.json())",
    True: "for line in answer.iter_lines(decode_unicode=True):\n    print(line)",
}
_SHOW_JAVASCRIPT = {
    False: "console.log(await answer.json());",
    True: "for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) process.stdout.write(piece);",
}


def use_it(url: str, variables: Mapping[str, object], *, streams: bool) -> Mapping[str, str]:
    """Return the ways to run a block.

    Args:
        url: Where it is run.
        variables: What a run brings, by name.
        streams: The answer comes piece by piece, as the other side's own, and not as a JSON document.

    Returns:
        A program's text by the language's name.
    """
    body = {"variables": dict(variables)}
    text = json.dumps(body)
    return {
        "curl": _CURL.format(url=shlex.quote(url), body=shlex.quote(text), stream=" -N" if streams else ""),
        "Python": _PYTHON.format(
            url=url, body=body, stream="\n    stream=True," if streams else "", show=_SHOW_PYTHON[streams]
        ),
        "JavaScript": _JAVASCRIPT.format(url=json.dumps(url), body=text, show=_SHOW_JAVASCRIPT[streams]),
    }
