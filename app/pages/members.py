"""The Members tab."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, flash, request, url_for
from flask_login import current_user

from app.access import MEMBER_ROLES, Access, Permission, Role, require
from app.identity.users import Users
from app.kernel.errors import Conflict, NotFound, StrongroomError, in_body
from app.pages.filters import rights
from app.pages.forms import FormState, form_texts, read
from app.pages.layout import may, pages, redirect_to, redirect_with_message, show
from app.pages.list_pages import requested_page
from app.web import context
from app.web.errors import STATUS
from app.workspaces.members import Members
from app.workspaces.schemas import MemberBody


@pages.get("/workspaces/<ws>/members")
def members(ws: str) -> Response:
    """List members, and say what each role may do."""
    q = request.args.get("q", "").strip()[:128] or None
    asked, access, found = requested_page(), context.access(), _members()
    rows = found.list(access=access, limit=asked.size, offset=asked.offset, q=q)
    piece = request.headers.get("HX-Target") == "results"
    return show(
        "members/_results.html" if piece else "members/list.html",
        rows=[(member, _may_change(access, member.role)) for member in rows],
        place=replace(asked, total=found.count(access=access, q=q)),
        able=Users(context.resources().sessions, context.resources().clock).with_password([each.user for each in rows]),
        q=q,
        kept={"q": q},
        roles=MEMBER_ROLES,
        rights=rights(),
        ws=ws,
    )


def _members() -> Members:
    resources = context.resources()
    return Members(resources.sessions, resources.clock)


def _may_change(access: Access, role: Role) -> bool:
    needed = Permission.MEMBER_MANAGE_OWNERS if role is Role.OWNER else Permission.MEMBER_MANAGE
    return needed in access.permissions


def _roles() -> list[Role]:
    """Return the roles that whoever asks can give."""
    return [role for role in MEMBER_ROLES if role is not Role.OWNER or may(Permission.MEMBER_MANAGE_OWNERS)]


@pages.get("/workspaces/<ws>/members/new")
def add_member_form(ws: str) -> Response:
    """Ask for a new member."""
    require(context.access(), Permission.MEMBER_MANAGE)
    return show("members/new.html", form=FormState({"role": "editor"}), roles=_roles(), ws=ws)


@pages.post("/workspaces/<ws>/members/new")
def add_member(ws: str) -> Response:
    """Add them; somebody who is a member already keeps the role they have."""
    user = request.form.get("user", "").strip()
    try:
        _require_new(user)
        _put(user, revision=None)
    except StrongroomError as error:
        form = FormState.after(error, form_texts())
        return show("members/new.html", STATUS[error.code], form=form, roles=_roles(), ws=ws)
    return redirect_with_message(f"{user} is a member now.", url_for("pages.members", ws=ws))


def _require_new(user: str) -> None:
    try:
        _members().get(user, access=context.access())
    except NotFound:
        return
    raise Conflict(f"{user} is already a member.", errors={in_body("user"): ["This user is already a member."]})


def _put(user: str, *, revision: int | None) -> None:
    role = read(MemberBody(), {"role": request.form.get("role", "")})["role"]
    _members().put(user, role, revision=revision, access=context.access())


@pages.get("/workspaces/<ws>/members/<user>/edit")
def edit_member_form(ws: str, user: str) -> Response:
    """Ask for another role."""
    require(context.access(), Permission.MEMBER_MANAGE)
    member = _members().get(user, access=context.access())
    form = FormState({"role": member.role.value})
    return show("members/edit.html", member=member, form=form, roles=_roles(), ws=ws)


@pages.post("/workspaces/<ws>/members/<user>/edit")
def edit_member(ws: str, user: str) -> Response:
    """Give it."""
    member = _members().get(user, access=context.access())
    try:
        _put(user, revision=member.revision)
    except StrongroomError as error:
        form = FormState.after(error, form_texts())
        return show("members/edit.html", STATUS[error.code], member=member, form=form, roles=_roles(), ws=ws)
    return redirect_with_message(f"{user} has another role now.", url_for("pages.members", ws=ws))


@pages.get("/workspaces/<ws>/members/<user>/delete")
def remove_member_form(ws: str, user: str) -> Response:
    """Ask whether they should really go."""
    require(context.access(), Permission.MEMBER_MANAGE)
    member = _members().get(user, access=context.access())
    return show("members/delete.html", member=member, form=FormState(), ws=ws)


@pages.post("/workspaces/<ws>/members/<user>/delete")
def remove_member(ws: str, user: str) -> Response:
    """Remove them."""
    member = _members().get(user, access=context.access())
    try:
        _members().remove(user, confirm=request.form.get("confirm"), access=context.access())
    except StrongroomError as error:
        return show("members/delete.html", STATUS[error.code], member=member, form=FormState.of_a_button(error), ws=ws)
    if user == current_user.id:
        flash(f"You are no longer a member of {ws}.")
        return redirect_to(url_for("pages.workspaces"))
    return redirect_with_message(f"{user} is no longer a member.", url_for("pages.members", ws=ws))
