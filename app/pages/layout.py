"""What every page shares: the blueprint, who passes, how a page or a piece of one is answered, its headers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.utils import send_from_directory

from app import __version__
from app.access import Access, Actor, Permission, Principal, allows
from app.kernel.errors import Unauthenticated
from app.pages.forms import FormState
from app.web import context
from app.web.auth import API_PREFIX
from app.workspaces.members import enter
from app.workspaces.service import Workspace, Workspaces

F = TypeVar("F", bound=Callable[..., Any])

pages = Blueprint("pages", __name__, template_folder="templates")
csrf = CSRFProtect()

_STATIC: Final = Path(__file__).parent / "static"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Where a piece of a page goes, by the id of the element that asked for it.
_OUTLETS: Final = frozenset({"panel", "modal", "again"})
# Said of an answer to a script: who asked is signed in no more, or not as when the page was made.
SESSION_ENDED: Final = ("Strongroom-Session", "ended")
_MACHINES_ONLY: Final[set[str]] = set()
_PUBLIC: Final[set[str]] = {"pages.static"}
_SWITCHER: Final = 12
_BEFORE_NEW_PASSWORD: Final = frozenset({"pages.change_password_page", "pages.change_password", "pages.sign_out"})


def machines_only(view: F) -> F:
    """Mark a route that another server asks, with a proof of its own: it has no form and no form's token."""
    _MACHINES_ONLY.add(f"pages.{view.__name__}")
    return view


def public(view: F) -> F:
    """Mark a page that anybody may ask for."""
    _PUBLIC.add(f"pages.{view.__name__}")
    return view


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(_STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(_STATIC).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


# Part of every asset's path, so that it may be kept for good and a new version has another address.
ASSETS: Final = _fingerprint()


@pages.get("/static/<version>/<path:filename>")
def static(version: str, filename: str) -> Response:
    """Send a stylesheet, script or picture."""
    response = send_from_directory(_STATIC, filename, request.environ)
    known = version == ASSETS
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if known else "no-cache"
    return make_response(response)


@pages.before_request
def _pass_gate() -> ResponseReturnValue | None:
    """Let in whoever signed in, into the workspace of the URL; nothing passes by forgetting."""
    if request.endpoint == "pages.static":
        return None
    if request.endpoint not in _PUBLIC:
        if not current_user.is_authenticated:
            return to_sign_in()
        if current_user.must_change_password and request.endpoint not in _BEFORE_NEW_PASSWORD:
            return redirect_to(url_for("pages.change_password"))
        session.modified = True  # a session ends by idleness: every request begins its time anew
    if request.endpoint not in _MACHINES_ONLY:
        csrf.protect()
    if request.endpoint not in _PUBLIC:
        principal = Principal(Actor("user", current_user.id))
        workspace = (request.view_args or {}).get("ws")
        context.set_principal(principal, _enter(principal, workspace) if workspace is not None else None)
    return None


def _enter(principal: Principal, workspace: str) -> Access:
    return enter(principal, workspace, request_id=context.request_id(), cache=context.cache())


def access_by_session() -> Access | None:
    """Return the standing of whoever is signed in, in the workspace of the URL if there is one.

    Raises:
        Unauthenticated: The session has ended.
        NotFound: They are no member any more.
    """
    if not current_user.is_authenticated or current_user.must_change_password:
        raise Unauthenticated("The session has ended.")
    workspace = (request.view_args or {}).get("ws")
    return _enter(Principal(Actor("user", current_user.id)), workspace) if workspace is not None else None


@pages.after_app_request
def _protect(response: Response) -> Response:
    if request.path.startswith(f"{API_PREFIX}/"):
        return response
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "pages.static":
        response.headers["Cache-Control"] = "no-store"
    return response


@pages.app_context_processor
def _words() -> dict[str, object]:
    """Give every template what the layout needs."""
    return {
        "asset": lambda name: f"/static/{ASSETS}/{name}",
        "version": __version__,
        "layout": "fragment.html" if requested_dialog() else "page.html",
        "outlet": requested_dialog(),
        "tabs": tabs,
        "may": may,
        "Permission": Permission,
        "workspace": workspace,
        "my_workspaces": my_workspaces,
        "me": _me(),
        "role": _role(),
    }


def _role() -> str | None:
    access = context.incoming().access
    return access.role.value if access is not None and access.role is not None else None


def _me() -> str | None:
    return str(current_user.id) if not g.get("nobody") and current_user.is_authenticated else None


@dataclass(frozen=True, slots=True)
class Tab:
    """One of a workspace's tabs."""

    label: str
    url: str
    here: bool


def tabs() -> list[Tab]:
    """Return the tabs that whoever asks can use."""
    allowed = {
        "variables": ("Variables", Permission.VARIABLE_READ),
        "blocks": ("API blocks", Permission.BLOCK_READ),
        "members": ("Members", Permission.MEMBER_READ),
        "audit": ("Audit", Permission.AUDIT_READ),
        "settings": ("Settings", Permission.TOKEN_MANAGE),
    }
    root = f"/workspaces/{workspace().name}/"
    here = request.path.removeprefix(root).partition("/")[0]
    return [Tab(label, root + path, path == here) for path, (label, needed) in allowed.items() if may(needed)]


def requested_dialog() -> str | None:
    """Return which dialog asks for its content, or None where a whole page is wanted."""
    target = request.headers.get("HX-Target", "")
    return target if "HX-Request" in request.headers and target in _OUTLETS else None


def may(permission: Permission) -> bool:
    """Tell whether whoever asks may do this in the workspace of the URL."""
    access = context.incoming().access
    return access is not None and allows(access, permission)


def workspace() -> Workspace:
    """Return the workspace of the URL, for the heading that every tab has."""
    if "workspace" not in g:
        g.workspace = Workspaces(context.resources()).get(access=context.access())
    found: Workspace = g.workspace
    return found


def my_workspaces() -> Sequence[Workspace]:
    """Return the first of the workspaces of whoever asks, for the switcher."""
    return Workspaces(context.resources()).list(principal=context.principal(), limit=_SWITCHER)


def show(template: str, status: int = 200, **names: object) -> Response:
    """Answer with a page, or with the piece of it that a dialog asks for."""
    page = render_template(template, **names)
    form = names.get("form")
    if isinstance(form, FormState) and (told := form.with_every_fault()) is not form:
        page = render_template(template, **names | {"form": told})
    return make_response(page, status)


def show_to_nobody(template: str, status: int, **names: object) -> Response:
    """Answer with a page that asks the database nothing, since it doesn't answer: not even who looks at it."""
    g.nobody, context.incoming().access = True, None
    return show(template, status, **names)


def redirect_to(url: str) -> Response:
    """Send the browser on, also where htmx asks in its name."""
    if "HX-Request" in request.headers:
        return Response("", 200, {"HX-Redirect": url})
    return make_response(redirect(url, 303))


def redirect_with_message(message: str, url: str, *, name: str | None = None, leave: bool = False) -> Response:
    """Send the browser back to a list, where the message stays until the next action.

    Where a dialog was opened over another page than that list, that page stays: it is told by an event, with the name
    of what was made or changed. Unless it has to ``leave``: it shows what is gone now.
    """
    seen = urlsplit(request.headers.get("HX-Current-URL", ""))
    if requested_dialog() and seen.path != url and not leave:
        told = json.dumps({"strongroom:done": {"message": message, "name": name}})
        return Response("", 204, {"HX-Trigger": told})
    flash(message)
    if seen.path == url and seen.query:  # the same list, as it was searched and sorted
        url = f"{url}?{seen.query}"
    return redirect_to(url)


def is_dialog_over(url: str) -> bool:
    """Tell whether the dialog that asks was opened over this page."""
    return urlsplit(request.headers.get("HX-Current-URL", "")).path == url


def to_sign_in() -> Response:
    """Ask for a sign-in, and remember the page that it leads back to; a script's page stays, and asks by itself."""
    if "HX-Request" in request.headers or request.headers.get("Accept") == "application/json":
        response = Response("{}", 401, content_type="application/json")
        response.headers.add(*SESSION_ENDED)
        return response
    here = request.full_path.rstrip("?") if request.method == "GET" else _page_of_form()
    url = url_for("pages.sign_in") + (f"?{urlencode({'next': here})}" if here not in ("", "/") else "")
    return make_response(redirect(url, 303))


def _page_of_form() -> str:
    """Return the page that a form stands on: it is sent to where it was asked for, but for a lone button's."""
    try:
        current_app.create_url_adapter(request).match(request.path, method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return ""
    return request.path
