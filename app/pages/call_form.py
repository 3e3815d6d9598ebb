"""A block as a form: texts and rows of texts on one side, what the API takes on the other. Pure.

A control's name is its id: ``url``, or for the value of the first header ``headers-0-value``. Rows that were left
empty don't count, and the others are numbered anew, so that what the API says of ``/headers/0`` is about row 0 here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn, cast

from app.calls.body_source import read_form_source
from app.calls.definition import Pair, WrittenCall, WrittenPart
from app.kernel.errors import FieldLocation, MissingVariable, StrongroomError, ValidationFailed, in_body
from app.pages.forms import SOME_ARE_WRONG, plain_words

# The lists of a form, and what a row of each has.
LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "headers": ("name", "value"),
    "query": ("name", "value"),
    "form": ("name", "value"),
    "parts": ("name", "value", "filename", "content_type", "encoding"),
    "captures": ("name", "path"),
    "variables": ("name", "value", "type"),
}
TEXTS: Final = (
    "block_name",
    "title",
    "answer",
    "method",
    "url",
    "auth",
    "username",
    "password",
    "aws4",
    "body_type",
    "json",
    "text",
    "xml",
    "base64",
    "content_type",
    "source",
    "timeout_seconds",
    "follow_redirects",
    "revision",
)
_CELL: Final = re.compile(rf"({'|'.join(LISTS)})-([0-9]{{1,4}})-([a-z_]+)")
_AS_TYPED: Final = "as typed"  # of a JSON body, whose source is what stands in its own field
_TEST: Final = "test-"
_BODIES_OF_TEXT: Final = ("text", "xml", "base64")
_LISTS_OF_BODIES: Final = {"form": "form", "multipart": "parts"}
_EMPTY: Final = {
    "answer": "full",
    "method": "GET",
    "auth": "none",
    "body_type": "none",
    "timeout_seconds": "10",
}

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CallForm:
    """What stands in the form: ``tests`` are the values to try it with, ``errors`` go by the control's id."""

    texts: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str | None = None

    def __getitem__(self, name: str) -> str:
        return self.texts.get(name, "")

    def faults(self, control: str) -> Sequence[str]:
        """Return what is wrong with a control."""
        return self.errors.get(control, ())


# --- from a block -----------------------------------------------------------------------------------------------------


def empty_form() -> CallForm:
    """Return the form of a block that isn't there yet: with a header to fill in, since most calls have one."""
    return CallForm(_EMPTY, {"headers": [{}]})


def form_of(call: WrittenCall, *, name: str, title: str, answer: str, revision: int | None = None) -> CallForm:
    """Return the form that holds a call."""
    username, password = call.basic or ("", "")
    texts = {
        "block_name": name,
        "title": title,
        "answer": answer,
        "method": call.method,
        "url": call.url,
        "auth": "aws4" if call.aws4 is not None else "basic" if call.basic else "none",
        "aws4": call.aws4 or "",
        "username": username,
        "password": password,
        "body_type": call.body_type,
        "json": (call.source or _json_text(call.content)) if call.body_type == "json" else "",
        "source": (call.source or "") if call.body_type == "form" else _AS_TYPED if call.source else "",
        **{kind: str(call.content) if call.body_type == kind else "" for kind in _BODIES_OF_TEXT},
        "content_type": call.content_type or "",
        "timeout_seconds": f"{call.timeout_seconds:.15g}",
        "follow_redirects": "on" if call.follow_redirects else "",
        "revision": "" if revision is None else str(revision),
    }
    rows: dict[str, Sequence[Row]] = {
        "headers": [_pair(each) for each in call.headers],
        "query": [_pair(each) for each in call.query],
        "captures": [{"name": name, "path": path} for name, path in call.captures],
        "variables": [
            {"name": name, "value": value, "type": ""}
            if isinstance(value, str)
            else {"name": name, "value": _json_text(value, indent=None), "type": "json"}
            for name, value in call.variables
        ],
    }
    if call.body_type == "form":
        rows["form"] = [_pair(each) for each in cast(Sequence[Pair], call.content)]
    if call.body_type == "multipart":
        rows["parts"] = [_part(each) for each in cast(Sequence[WrittenPart], call.content)]
    return CallForm(texts, rows)


def _pair(pair: Pair) -> Row:
    return {"name": pair.name, "value": pair.value}


def _part(part: WrittenPart) -> Row:
    return {
        "name": part.name,
        "value": part.value,
        "filename": part.filename or "",
        "content_type": part.content_type or "",
        "encoding": part.encoding or "",
    }


def _json_text(content: object, indent: int | None = 2) -> str:
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can stand in JSON, but in no page
        return json.dumps(content, indent=indent)
    return text


# --- from what was sent -----------------------------------------------------------------------------------------------


def form_sent(sent: Mapping[str, str]) -> CallForm:
    """Return the form as it was sent, without the rows that were left empty."""
    found: dict[str, dict[int, dict[str, str]]] = {}
    for control, text in sent.items():
        cell = _CELL.fullmatch(control)
        if cell and cell[3] in LISTS[cell[1]]:
            found.setdefault(cell[1], {}).setdefault(int(cell[2]), {})[cell[3]] = text
    return CallForm(
        {name: sent.get(name, "") for name in TEXTS},
        {name: [row for _, row in sorted(rows.items()) if _is_filled(row)] for name, rows in found.items()},
        {name.removeprefix(_TEST): text for name, text in sent.items() if name.startswith(_TEST)},
    )


def _is_filled(row: Row) -> bool:
    return any(text for name, text in row.items() if name != "type")


def as_call(form: CallForm) -> dict[str, object]:
    """Return the call as the API takes it; what is wrong with it is for the API to say.

    Raises:
        ValidationFailed: the JSON body is no JSON, or a variable stands twice, which JSON couldn't say.
    """
    return {
        "method": form["method"],
        "url": form["url"].strip(),
        "headers": [_cells(row, "name", "value") for row in form.rows.get("headers", ())],
        "query": [_cells(row, "name", "value") for row in form.rows.get("query", ())],
        "auth": _auth(form),
        "body": _body(form),
        "captures": [_cells(row, "name", "path") for row in form.rows.get("captures", ())],
        "variables": _variables(form.rows.get("variables", ())),
        "timeout_seconds": _number(form["timeout_seconds"] or _EMPTY["timeout_seconds"]),
        "follow_redirects": bool(form["follow_redirects"]),
    }


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # which the API says is no number


def _cells(row: Row, *names: str) -> dict[str, str]:
    return {name: row.get(name, "") for name in names}


def _auth(form: CallForm) -> dict[str, str]:
    if form["auth"] == "aws4":
        return {"type": "aws4", "secret": form["aws4"].strip()}
    if form["auth"] != "basic":
        return {"type": form["auth"] or "none"}
    return {"type": "basic", "username": form["username"], "password": form["password"]}


def _body(form: CallForm) -> dict[str, object]:
    kind = form["body_type"] or "none"
    if kind == "json":
        return {"type": kind, **_json_body(form)}
    if kind in _BODIES_OF_TEXT:
        media_type = {"content_type": form["content_type"].strip() or None} if kind == "base64" else {}
        return {"type": kind, "content": form[kind], **media_type}
    if kind == "form":
        return {"type": kind, **_form_body(form)}
    if kind == "multipart":
        return {"type": kind, "content": [_sent_part(row) for row in form.rows.get("parts", ())]}
    return {"type": kind}


def _json_body(form: CallForm) -> dict[str, object]:
    """Return what the JSON says, and how it is typed where that isn't the page's own layout."""
    text = form["json"]
    content = _read_json(text, in_body("body", "content", label="JSON body"))
    as_typed = form["source"] or text != _json_text(content)
    return {"content": content, "source": text} if as_typed else {"content": content}


def _form_body(form: CallForm) -> dict[str, object]:
    """Return the rows, and the text that they came from where they are still what it says."""
    rows = [_cells(row, "name", "value") for row in form.rows.get("form", ())]
    with suppress(ValueError):
        if form["source"] and [_pair(each) for each in read_form_source(form["source"])] == rows:
            return {"content": rows, "source": form["source"]}
    return {"content": rows}


def _sent_part(row: Row) -> dict[str, str | None]:
    return {
        "name": row.get("name", ""),
        "value": row.get("value", ""),
        "filename": row.get("filename") or None,
        "content_type": row.get("content_type") or None,
        "encoding": row.get("encoding") or None,
    }


def _read_json(text: str, location: FieldLocation) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _no_json(f"Invalid JSON: look at line {error.lineno}, character {error.colno}.", location) from None
    except RecursionError:
        raise _no_json("The JSON is nested too deep.", location) from None
    except _NotJsonError as error:
        raise _no_json(str(error), location) from None
    except ValueError:  # Python's own bound on digits
        raise _no_json("A number has too many digits.", location) from None


class _NotJsonError(Exception):
    """Python would read it, JSON has no such thing."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, content in pairs:
        if name in found:
            raise _NotJsonError(f"The name {name[:64]} stands twice in one object.")
        found[name] = content
    return found


def _no_constant(text: str) -> NoReturn:
    raise _NotJsonError(f"{text} isn't JSON.")


def _no_json(sentence: str, location: FieldLocation) -> ValidationFailed:
    return ValidationFailed(f"The {location.label} can't be read.", errors={location: [sentence]})


def _variables(rows: Sequence[Row]) -> dict[str, object]:
    values: dict[str, object] = {}
    for number, row in enumerate(rows):
        name = row.get("name", "")
        if name in values:
            raise ValidationFailed(
                "A variable is given twice.",
                errors={in_body("variables", number, "name"): ["This name is used twice."]},
            )
        values[name] = typed_value(name, row.get("value", ""), row.get("type", ""))
    return values


def typed_value(name: str, text: str, kind: str) -> object:
    """Return what a variable's text stands for: itself, or with the kind ``json`` the JSON value that it writes.

    Raises:
        ValidationFailed: It is no JSON.
    """
    return _read_json(text, in_body("variables", name, label=f"variable {name}")) if kind == "json" else text


# --- faults beside their controls -------------------------------------------------------------------------------------


def place_errors(error: StrongroomError, form: CallForm) -> Sequence[tuple[str | None, str, str]]:
    """Return what an error says of fields: the control's id where there is one, the field's label, a sentence."""
    return [
        (_test_or_control(error, location, form), location.label, sentence)
        for location, sentences in (error.errors or {}).items()
        for sentence in sentences
    ]


def _test_or_control(error: StrongroomError, location: FieldLocation, form: CallForm) -> str | None:
    if isinstance(error, MissingVariable):
        return f"{_TEST}{location.parts[-1]}"
    return control_of(location, form)


def faulty(form: CallForm, error: StrongroomError) -> CallForm:
    """Return the form with an error's messages beside the controls that they are about, what is about none above."""
    errors: dict[str, list[str]] = {}
    whole, told = plain_words(error.detail), []
    for control, label, sentence in place_errors(error, form):
        if control is None:
            told.append(f"{label}: {sentence}")
        elif sentence not in errors.setdefault(control, []):
            errors[control].append(sentence)
    if told or not errors:
        return replace(form, errors=errors, problem=" ".join([whole, *told]))
    if len(errors) == 1 and whole != SOME_ARE_WRONG:  # of one field: a whole sentence in place of a tag
        errors = {
            control: [each if len(each.split()) > 2 else whole for each in own] for control, own in errors.items()
        }
    return replace(form, errors=errors, problem=None)  # one message for one fault


def control_of(location: FieldLocation, form: CallForm) -> str | None:
    """Return the id of the control that holds this part of a block or of its call; None where there is none."""
    parts = location.parts[1:] if location.parts[:1] == ("call",) else location.parts
    first, *rest = parts or ("",)
    if first == "body":
        return _in_body(rest, form)
    if first == "auth" and rest == ["secret"]:
        return "aws4"
    if first == "auth":
        return str(rest[0]) if rest and rest[0] in ("username", "password") else "auth"
    if first == "variables" and rest and isinstance(rest[0], str):
        return _row_called(form, rest[0])
    if first in LISTS:
        return _cell(str(first), rest)
    return "block_name" if first == "name" else str(first) if first in TEXTS else None


def _cell(rows: str, parts: Sequence[str | int]) -> str:
    """Return a cell of a row; of a fault of a whole row its first one."""
    if not parts:
        return rows
    return f"{rows}-{parts[0]}-{parts[1] if len(parts) > 1 else LISTS[rows][0]}"


def _in_body(parts: Sequence[str | int], form: CallForm) -> str:
    kind = form["body_type"]
    if kind in _LISTS_OF_BODIES and parts[:1] == ["content"]:
        return _cell(_LISTS_OF_BODIES[kind], parts[1:])
    if kind == "base64" and parts[:1] == ["content_type"]:
        return "content_type"
    return kind if kind in ("json", *_BODIES_OF_TEXT) and parts[:1] != ["type"] else "body_type"


def _row_called(form: CallForm, name: str) -> str:
    names = [row.get("name", "") for row in form.rows.get("variables", ())]
    return f"variables-{names.index(name)}-value" if name in names else "variables"
