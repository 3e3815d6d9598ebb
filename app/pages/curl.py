"""A curl command pasted into a new block: its fields filled in, its credentials offered as new secrets. Pure."""

from __future__ import annotations

import re

from app.calls.curl_import import CurlDraft, draft_of
from app.kernel.errors import StrongroomError, in_body
from app.pages.call_form import CallForm, form_of


def is_curl(url: str) -> bool:
    """Tell whether what stands in the URL's field is a command."""
    return url.lstrip().startswith(("curl ", "curl\t", "curl\n", "curl\\"))


def draft_form(command: str, typed: CallForm) -> tuple[CallForm, CurlDraft]:
    """Read a command into the form of a new block, whose name and title stay as they were typed.

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
    return form, draft
