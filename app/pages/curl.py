"""A curl command pasted into a new block: its fields filled in, its credentials offered as new secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.calls.curl_import import CurlDraft, draft_of
from app.kernel.errors import StrongroomError, in_body
from app.pages.call_form import CallForm, Row, empty_form, form_of

_KEPT: Final = ("captures", "variables")
# What of a form a command fills in anew: the words for it, its texts, its lists.
_PARTS: Final[Sequence[tuple[str, Sequence[str], Sequence[str]]]] = (
    ("the method", ("method",), ()),
    ("the URL", ("url",), ()),
    ("headers", (), ("headers",)),
    ("query parameters", (), ("query",)),
    ("the sign-in", ("auth", "username", "password", "aws4"), ()),
    ("the body", ("body_type", "json", "text", "xml", "base64", "content_type"), ("form", "parts")),
    ("captures", (), ("captures",)),
    ("default variables", (), ("variables",)),
    ("the timeout", ("timeout_seconds",), ()),
    ("the redirects", ("follow_redirects",), ()),
)
_COMMAND: Final = re.compile(r"\s*curl(\.exe)?[\s\\]")


def is_curl(url: str) -> bool:
    """Tell whether what stands in the URL's field is a command."""
    return _COMMAND.match(url) is not None


def draft_form(command: str, typed: CallForm) -> tuple[CallForm, CurlDraft]:
    """Read a command into the form of a new block; what a command doesn't tell stays as it was typed.

    Raises:
        ValidationFailed: It is no curl command, or one that a call can't express; it is said of the URL's field.
    """
    if "\n" not in command.strip():  # a field of one line leaves the backslashes of the lines that it joined
        command = re.sub(r"\\(?=\s)", " ", command)
    try:
        draft = draft_of(command.strip())
    except StrongroomError as error:
        error.errors = {in_body("url", label="URL"): [error.detail]}
        raise
    form = form_of(draft.call, name=typed["block_name"], title=typed["title"], answer=typed["answer"] or "full")
    rows = {**form.rows, **{kept: _add_rows(form.rows.get(kept, ()), typed.rows.get(kept, ())) for kept in _KEPT}}
    return replace(form, rows=rows, tests=typed.tests), draft


def replaced_parts(typed: CallForm, read: CallForm) -> Sequence[str]:
    """Return the words for each part of what was typed that isn't in the form that a command was read into."""
    empty = empty_form()
    return [
        words
        for words, texts, lists in _PARTS
        if any(_is_lost(typed[name], empty[name], read[name]) for name in texts)
        or any(row not in _contents(read, name) for name in lists for row in _contents(typed, name))
    ]


def _is_lost(typed: str, empty: str, read: str) -> bool:
    return typed.strip() not in ("", empty, read.strip())


def _contents(form: CallForm, rows: str) -> Sequence[Row]:
    return [{name: text for name, text in row.items() if text} for row in form.rows.get(rows, ())]


def _add_rows(own: Sequence[Row], typed: Sequence[Row]) -> Sequence[Row]:
    names = {row.get("name") for row in own}
    return [*own, *(row for row in typed if row.get("name") not in names)]
