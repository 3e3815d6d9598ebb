"""The guides to read where the service runs: the documentation that it was built with, as pages without a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from flask import Response, make_response, request
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from werkzeug.utils import send_from_directory

from app.kernel.errors import NotFound
from app.pages.layout import pages, public, show

_PACKAGED: Final = Path(__file__).parent / "guides"
_CHECKOUT: Final = Path(__file__).parents[2] / "docs"
_FOLDER: Final = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
_MARKDOWN: Final = MarkdownIt("commonmark").enable("table")  # with HTML in it: who wrote the guides wrote the pages
_PAGE: Final = re.compile(r"([\w/-]+)\.md(#.*)?")
_NO_LETTER: Final = re.compile(r"[^\w\- ]")


def _names() -> Mapping[str, Path]:
    found = {path.relative_to(_FOLDER).with_suffix("").as_posix(): path for path in _FOLDER.rglob("*.md")}
    return {"" if name == "index" else name: path for name, path in found.items()}


_GUIDES: Final = _names()
_PICTURES: Final = frozenset(path.relative_to(_FOLDER).as_posix() for path in _FOLDER.glob("screenshots/*.png"))


@pages.get("/docs/", defaults={"name": ""})
@pages.get("/docs/<path:name>")
@public
def guide(name: str) -> Response:
    """Show a guide, or a picture in one."""
    if name in _PICTURES:
        return make_response(send_from_directory(_FOLDER, name, request.environ))
    if name not in _GUIDES:
        raise NotFound("There is no such guide.")
    title, text = _render(name)
    return show("guide.html", title=title, text=text)


@lru_cache(maxsize=64)
def _render(name: str) -> tuple[str, Markup]:
    tokens = _MARKDOWN.parse(_GUIDES[name].read_text())
    headings = [each for each in pairwise(tokens) if each[0].type == "heading_open"]
    for opening, content in headings:
        opening.attrSet("id", _anchor(content))
    for inline in tokens:
        _mend_links(inline.children or [])
    html = str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))
    for before, after in (
        ("<pre>", '<pre tabindex="0">'),  # what scrolls is reached by keyboard
        ("<table>", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'),
        ("</table>", "</table></div>"),
        ("<th></th>", "<td></td>"),
    ):
        html = html.replace(before, after)
    return next((content.content for _, content in headings), "Documentation"), Markup(html)  # noqa: S704


def _anchor(heading: Token) -> str:
    """Return a heading's anchor as code forges make it, since the guides link to those."""
    return _NO_LETTER.sub("", heading.content.lower()).replace(" ", "-")


def _mend_links(tokens: list[Token]) -> None:
    """Lead from guide to guide; what lies outside of them isn't here, and stays as words."""
    outside = False
    for each in tokens:
        if each.type == "link_open":
            target = str(each.attrGet("href") or "")
            if found := _PAGE.fullmatch(target):
                each.attrSet("href", found[1] + (found[2] or ""))
            outside = target.startswith("../")
        if outside and each.type in ("link_open", "link_close"):
            outside, each.tag, each.attrs = each.type == "link_open", "span", {}
