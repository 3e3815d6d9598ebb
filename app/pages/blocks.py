"""The API blocks tab: the list, and the editor, which also tries a call out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flask import Response, flash, jsonify, make_response, render_template, request, url_for

from app.access import Permission, require
from app.audit.chain import Event
from app.blocks.runs import BlockRuns
from app.blocks.schemas import BlockBody
from app.blocks.service import Block, BlockChanges, SavedBlocks
from app.calls.definition import WrittenCall, as_json
from app.calls.schemas import METHODS, CallBody
from app.calls.service import Calls
from app.calls.streams import StreamedCall
from app.calls.template import CallTemplate, parse_call
from app.kernel.errors import NotFound, PreconditionFailed, StrongroomError, UnknownSecret
from app.outbound.hosts import matches
from app.outbound.urls import Reason
from app.pages.call_form import CallForm, as_call, control_of, empty_form, faulty, form_of, form_sent, typed_value
from app.pages.curl import draft_form, is_curl, replaced_parts
from app.pages.first_steps import new_steps
from app.pages.forms import FormState, form_texts, host_of, number, plain_words, read
from app.pages.layout import may, pages, redirect_to, redirect_with_message, show
from app.pages.list_pages import requested_page
from app.pages.responses import outgoing, refusal_of, show_call
from app.pages.use_it import use_it
from app.pages.variable_offers import shared_values
from app.variables import listing
from app.variables.secrets.queries import Secret
from app.web import context
from app.web.auth import API_PREFIX
from app.web.errors import STATUS
from app.web.events import MEDIA_TYPE, AsEvents
from app.web.presence import presence_of
from app.web.reply import respond, stream_reply

_RUNS: Final = 10
_LONGEST_NAME: Final = 63


# --- the list ---------------------------------------------------------------------------------------------------------


@pages.get("/workspaces/<ws>/blocks")
def blocks(ws: str) -> Response:
    """List API blocks; for a search as it is typed, only the table."""
    q = request.args.get("q", "").strip()[:100] or None
    asked, access, saved = requested_page(), context.access(), SavedBlocks(context.resources())
    rows = saved.list(access=access, limit=asked.size, offset=asked.offset, q=q)
    place = replace(asked, total=saved.count(access=access, q=q))
    template = "blocks/_results.html" if request.headers.get("HX-Target") == "results" else "blocks/list.html"
    return show(template, rows=rows, q=q, kept={"q": q}, place=place, steps=new_steps(ws), ws=ws)


# --- making -----------------------------------------------------------------------------------------------------------


@pages.get("/workspaces/<ws>/blocks/-/new")
def new_block_form(ws: str) -> Response:
    """Ask for a new block; with ``?from=`` it begins as a copy of another."""
    require(context.access(), Permission.BLOCK_WRITE)
    model = request.args.get("from", "")
    return _show(ws, _copy(_form(_block(model))) if model else empty_form())


@pages.post("/workspaces/<ws>/blocks/-/new")
def new_block(ws: str) -> Response:
    """Make it, or try it out, or begin it as a copy of what is on another editor's page."""
    form, deed = form_sent(form_texts()), request.form.get("do")
    require(context.access(), Permission.BLOCK_WRITE)
    if deed == "copy":
        return _show(ws, _copy(form), changed=True)
    if is_curl(form["url"]):
        return _show_draft(ws, form)
    if deed in ("send", "preview"):
        return _try(ws, form, None)
    try:
        new = read(BlockBody(), {"name": form["block_name"].strip()} | _block_body(form))
        made = SavedBlocks(context.resources()).create(new, access=context.access())
    except StrongroomError as error:
        return _show_faulty(ws, form, error, None)
    told, there = f"The API block {made.name} was created.", url_for("pages.block", ws=ws, block=made.name)
    flash(told)
    if "HX-Request" not in request.headers:
        return redirect_to(there)
    shown_now = replace(_form(made), tests=form.tests)  # the page becomes the block's own, and keeps what was tried
    response = _show(ws, shown_now, made, 201)
    response.headers["HX-Replace-Url"] = there
    return response


@pages.post("/workspaces/<ws>/blocks/-/from-curl")
def block_from_curl(ws: str) -> Response:
    """Tell a script how the page looks with a curl command read into it.

    The credentials' values go back to the page that they were pasted into, so that it can hand each to the form of a
    new secret; they are in no page, and nothing of the command is kept.
    """
    require(context.access(), Permission.BLOCK_WRITE)
    typed = form_sent(form_texts(without=("command",)))
    try:
        form, draft = draft_form(request.form.get("command", ""), typed)
    except StrongroomError as error:
        return make_response(jsonify(problem=plain_words(error.detail)), STATUS[error.code])
    page = render_template("blocks/edit.html", **_names(ws, form) | {"changed": True, "draft": draft})
    values = {each.suggested_name: each.value for each in draft.credentials}
    return make_response(jsonify(html=page, values=values, replaces=replaced_parts(typed, form)))


def _show_draft(ws: str, typed: CallForm) -> Response:
    """Show a command that was typed into the URL's field as the call that it makes."""
    try:
        form, draft = draft_form(typed["url"], typed)
    except StrongroomError as error:
        return _show_faulty(ws, typed, error, None)
    lost = replaced_parts(replace(typed, texts={**typed.texts, "url": ""}), form)  # the command itself stands there
    if lost and not request.form.get("replace_typed"):
        errors = {"url": [f"This command would replace what you typed: {', '.join(lost)}."]}
        return _show(ws, replace(typed, errors=errors), status=422, changed=True, replaces=lost)
    return _show(ws, form, changed=True, draft=draft)


def _copy(form: CallForm) -> CallForm:
    name = f"{form['block_name'][: _LONGEST_NAME - 5]}-copy"
    return replace(form, texts={**form.texts, "block_name": name, "revision": ""}, errors={})


def _block_body(form: CallForm) -> dict[str, object]:
    return {"title": form["title"].strip(), "call": as_call(form), "answer": form["answer"]}


# --- changing ---------------------------------------------------------------------------------------------------------


@pages.get("/workspaces/<ws>/blocks/<block>")
def block(ws: str, block: str) -> Response:
    """Show a block in the editor."""
    found = _block(block)
    return _show(ws, _form(found), found)


@pages.post("/workspaces/<ws>/blocks/<block>")
def change_block(ws: str, block: str) -> Response:
    """Save it, or try out what is on the page."""
    found = _block(block)
    form = form_sent(form_texts() | {"block_name": found.name})
    if request.form.get("do") in ("send", "preview"):
        return _try(ws, form, found)
    try:
        changes = _changes(form, found)
        if changes:
            _update(found, changes, form)
    except StrongroomError as error:
        return _show_faulty(ws, form, error, found)
    told = f"The API block {found.name} was saved." if changes else f"{found.name} was not changed."
    if "HX-Request" in request.headers:
        return _save_answer(_block(block), told)
    flash(told)
    return redirect_to(url_for("pages.block", ws=ws, block=found.name))


def _save_answer(now: Block, told: str) -> Response:
    """Tell the editor that what it shows is saved; it stays as it is, with test values and answer."""
    detail = {
        "message": told,
        "revision": now.revision,
        "title": now.title,
        "missing": list(_missing(now)),
        "lacking": list(_lacking(now)),
    }
    return Response("", 204, {"HX-Trigger": json.dumps({"strongroom:saved": detail})})


def _changes(form: CallForm, found: Block) -> dict[str, Any]:
    """Return what differs from the block; so a title can be changed while a secret of the call is gone."""
    new = read(BlockBody(), {"name": found.name} | _block_body(form))
    wanted = {"title": new.title or found.name, "call": new.call, "answer": new.answer}
    if _same(new.call, found.call):
        del wanted["call"]
    return {name: value for name, value in wanted.items() if value != getattr(found, name)}


def _same(one: WrittenCall, other: WrittenCall) -> bool:
    return json.dumps(as_json(one)) == json.dumps(as_json(other))  # for Python, 1 and true are the same


def _update(found: Block, changes: Mapping[str, Any], form: CallForm) -> None:
    revision = number(form["revision"])
    SavedBlocks(context.resources()).update(
        found.name, BlockChanges(**changes), revision=revision, access=context.access()
    )


def _block(name: str) -> Block:
    return SavedBlocks(context.resources()).get(name, access=context.access())


def _form(found: Block) -> CallForm:
    """Return a block's form, with its problems beside the fields that have them; what a run may bring stands above."""
    form = form_of(found.call, name=found.name, title=found.title, answer=found.answer, revision=found.revision)
    errors: dict[str, list[str]] = {}
    for problem in [each for each in found.problems if each.variable is None]:
        errors.setdefault(control_of(problem.location, form) or "problem", []).append(problem.sentence)
    return replace(form, errors=errors, problem=" ".join(errors.pop("problem", [])) or None)


def _show_faulty(ws: str, form: CallForm, error: StrongroomError, found: Block | None) -> Response:
    """Show the form again as it was typed, with what is wrong with it."""
    shown_again = faulty(form, error)
    raced = isinstance(error, PreconditionFailed) and found is not None
    if raced and found is not None:
        found = _block(found.name)
        sentence = f"{plain_words(error.detail)} What you typed is kept: save again if it should hold."
        texts = {**form.texts, "revision": str(found.revision)}
        shown_again = replace(shown_again, texts=texts, problem=sentence)
    missing = error.extra.get("secrets", ()) if isinstance(error, UnknownSecret) else ()
    return _show(ws, shown_again, found, STATUS[error.code], raced=raced, changed=True, missing=missing)


def _show(ws: str, form: CallForm, found: Block | None = None, status: int = 200, **more: object) -> Response:
    return show("blocks/edit.html", status, **_names(ws, form, found) | more)


def _names(ws: str, form: CallForm, found: Block | None = None) -> dict[str, Any]:
    """Return what the editor's template needs."""
    variables = _variables(form)
    shared = shared_values(variables)
    return {
        "missing": _missing(found),
        "lacking": _lacking(found),
        "raced": False,
        "changed": False,
        "answer": None,
        "draft": None,
        "replaces": (),
        "form": form,
        "block": found,
        "methods": METHODS,
        "variables": variables,
        "use_it": _use_it(ws, found, shared) if found else {},
        "runs": _last_runs(found.name) if found else (),
        "shared": shared,
        "defaults": {row.get("name"): row.get("value", "") for row in form.rows.get("variables", ())},
        "ws": ws,
    }


@pages.get("/workspaces/<ws>/blocks/<block>/runs")
def block_runs(ws: str, block: str) -> Response:
    """Show how a block's last runs ended; to a script that asks for no more than that."""
    if "HX-Request" not in request.headers:
        return redirect_to(url_for("pages.block", ws=ws, block=block, _anchor="runs"))
    return show("blocks/_runs.html", runs=_last_runs(block), block_name=block, ws=ws)


def _last_runs(block: str) -> Sequence[Event]:
    return BlockRuns(context.resources()).last(block, access=context.access(), limit=_RUNS).events


def _use_it(ws: str, found: Block, shared: Mapping[str, str]) -> Mapping[str, str]:
    """Return how a program runs a block as it is saved; what the workspace gives a value isn't for it to bring."""
    url = f"{request.host_url.rstrip('/')}{API_PREFIX}/workspaces/{ws}/blocks/{found.name}/run"
    defaults = dict(found.call.variables)
    brought = [name for name in _variables(_form(found)) if name in defaults or name not in shared]
    variables = {name: defaults.get(name, f"<{name}>") for name in brought}
    return use_it(url, variables, streams=found.answer == "stream")


def _missing(found: Block | None) -> Sequence[str]:
    """Return the secrets of a block that are gone."""
    problems = found.problems if found else ()
    return sorted({each.secret for each in problems if each.secret and each.code == "unknown_secret"})


def _lacking(found: Block | None) -> Sequence[str]:
    """Return the variables of a block that have a value only where a run brings one."""
    return [each.variable for each in (found.problems if found else ()) if each.variable]


def _variables(form: CallForm) -> Sequence[str]:
    """Return the variables that a call uses, in its own order; while it can't be read, those that were filled in."""
    try:
        template = parse_call(read(CallBody(), as_call(form)))
    except StrongroomError:
        return list(form.tests)
    return list(dict.fromkeys(name for field in template.fields for name in sorted(field.variables)))


# --- trying out -------------------------------------------------------------------------------------------------------


def _try(ws: str, form: CallForm, found: Block | None) -> Response:
    """Make the call that is on the page, or show how it would go out; only its answer where a script asks."""
    try:
        if request.headers.get("Accept") == MEDIA_TYPE:
            return respond(stream_reply(AsEvents(_stream_out(form, found))))
        answer: object = _try_out(form, found)
        status = 200
    except StrongroomError as error:
        if isinstance(error, NotFound):
            raise
        answer, status = refusal_of(error, form, allow=_hosts_to_allow(error, form)), STATUS[error.code]
        form = replace(faulty(form, error), problem=None)
    if request.headers.get("HX-Target") == "answer":
        return show("blocks/_answer.html", status, answer=answer, ws=ws)
    return _show(ws, form, found, status, answer=answer, changed=True)


def _hosts_to_allow(error: StrongroomError, form: CallForm) -> Sequence[tuple[str, str]]:
    """Return which secrets would have to be allowed to go to which host, where that is why a call was refused."""
    if error.extra.get("reason") != Reason.HOST or not may(Permission.SECRET_WRITE):
        return ()
    template = parse_call(read(CallBody(), as_call(form)))
    entries = [
        listing.get_entry(name, access=context.access(), resources=context.resources())[0] for name in template.secrets
    ]
    secrets = [entry.item for entry in entries if isinstance(entry.item, Secret)]
    for any_host in (True, False):  # where every one may go to public hosts, this is none
        found = [each.name for each in secrets if not matches(each.allowed_hosts, template.origin, any_host=any_host)]
        if found:
            return [(name, host_of(template.origin)) for name in found]
    return ()


def _stream_out(form: CallForm, found: Block | None) -> StreamedCall:
    """Make the call that is on the page, its answer as it comes."""
    written, tests, template = _call_on_page(form)
    access, cache, is_awaited = context.access(), context.cache(), presence_of(request.environ)
    if found is not None and found.answer == "stream" and _same(found.call, written):  # so the record names the block
        return BlockRuns(context.resources()).stream(
            found.name, tests, access=access, cache=cache, is_awaited=is_awaited
        )
    return Calls(context.resources()).stream(template, access=access, is_awaited=is_awaited)


def _try_out(form: CallForm, found: Block | None) -> object:
    written, tests, template = _call_on_page(form)
    uses = sorted({field.secret for field in template.fields if field.secret})
    resources, access = context.resources(), context.access()
    if request.form.get("do") == "preview":
        return outgoing(Calls(resources).preview(template, access=access), uses)
    if found is not None and _same(found.call, written):  # so the record names the block
        return show_call(BlockRuns(resources).run(found.name, tests, access=access, cache=context.cache()), uses)
    return show_call(Calls(resources).make(template, access=access), uses)


def _call_on_page(form: CallForm) -> tuple[WrittenCall, Mapping[str, object], CallTemplate]:
    """Return the call on the page as written, the variables that it is tried with, and the call with these."""
    written = read(CallBody(), as_call(form))
    kinds = {row.get("name"): row.get("type", "") for row in form.rows.get("variables", ())}
    tests = {name: typed_value(name, text, kinds.get(name, "")) for name, text in form.tests.items() if text}
    return written, tests, parse_call(replace(written, variables=tuple((dict(written.variables) | tests).items())))


# --- deleting ---------------------------------------------------------------------------------------------------------


@pages.get("/workspaces/<ws>/blocks/<block>/delete")
def delete_block_form(ws: str, block: str) -> Response:
    """Ask whether it should really go."""
    require(context.access(), Permission.BLOCK_WRITE)
    return show("blocks/delete.html", block=_block(block), form=FormState(), ws=ws)


@pages.post("/workspaces/<ws>/blocks/<block>/delete")
def delete_block(ws: str, block: str) -> Response:
    """Delete it."""
    confirm = request.form.get("confirm", "").strip()
    try:
        SavedBlocks(context.resources()).delete(block, confirm=confirm, revision=None, access=context.access())
    except NotFound:
        raise
    except StrongroomError as error:
        found = _block(block)
        return show("blocks/delete.html", STATUS[error.code], block=found, form=FormState.of_a_button(error), ws=ws)
    return redirect_with_message(f"The API block {block} was deleted.", url_for("pages.blocks", ws=ws), leave=True)
