"""A variable's value looks like a template, so that somebody who sets variables could name a secret."""

from __future__ import annotations

import json

import pytest

from tests.attacks.conftest import Stage, holds
from tests.support.service import problem

TEMPLATES = ["{{secrets.TOKEN}}", "{{ secrets.TOKEN }}", "{{it}}", "{{{{secrets.TOKEN}}}}", "{{secrets.KEY"]


@pytest.mark.parametrize("text", TEMPLATES)
def test_it_stays_text_in_every_place(stage: Stage, text: str) -> None:
    answer = stage.call(
        "/{{it}}",
        headers=[{"name": "X-A", "value": "{{it}}"}],
        query=[{"name": "q", "value": "{{it}}"}],
        auth={"type": "basic", "username": "me", "password": "{{it}}"},
        body={"type": "json", "content": {"a": ["{{it}}", "{{it}}{{it}}"]}},
        variables={"it": text},
    )
    assert answer.status_code == 200
    (seen,) = stage.upstream.seen
    assert seen.header("X-A") == text
    assert json.loads(seen.body) == {"a": [text, text * 2]}
    assert "canary" not in str(seen)
    assert not holds(answer, stage.token)


@pytest.mark.parametrize("pieces", [("{{secrets.", "TOKEN}}"), ("{", "{secrets.TOKEN}}"), ("{{sec", "rets.TOKEN}}")])
def test_two_of_them_make_no_template_together(stage: Stage, pieces: tuple[str, str]) -> None:
    variables = dict(zip(("one", "two"), pieces, strict=True))
    answer = stage.call(headers=[{"name": "X-A", "value": "{{one}}{{two}}"}], variables=variables)
    assert answer.status_code == 200
    assert stage.upstream.seen[0].header("X-A") == "".join(pieces)


@pytest.mark.parametrize(
    "url",
    [
        "http://{{host}}/", "http://127.0.0.1:{{port}}/", "{{scheme}}://127.0.0.1/",
        "http://{{secrets.TOKEN}}.example.com/", "http://{{secrets.TOKEN}}@127.0.0.1/",
    ],
)  # fmt: skip
def test_none_decides_where_a_call_goes(stage: Stage, url: str) -> None:
    host = {"host": f"127.0.0.1:{stage.other.port}", "port": str(stage.other.port), "scheme": "http"}
    assert problem(stage.call(url=url, variables=host)) == (422, "template_not_allowed")
    assert stage.other.seen == []


def test_one_that_is_no_plain_variable_can_not_be_named_after_the_secrets(stage: Stage) -> None:
    answer = stage.call(headers=[{"name": "X-A", "value": "{{secrets.TOKEN}}"}], variables={"secrets.TOKEN": "mine"})
    if answer.status_code == 200:
        assert "mine" not in str(stage.upstream.seen)
