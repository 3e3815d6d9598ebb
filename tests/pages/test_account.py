"""What a browser calls itself, as a person is told it. Needs no server."""

from __future__ import annotations

import pytest

from app.pages.account import browser_name

_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (_CHROME, "Chrome on Linux"),
        (_CHROME.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64"), "Chrome on Windows"),
        (_CHROME.replace("X11; Linux x86_64", "Windows NT 10.0") + " Edg/141.0", "Edge on Windows"),
        (_CHROME.replace("X11; Linux x86_64", "Linux; Android 10; K"), "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on macOS"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.6 Safari/605.1", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile Safari/604.1", "Safari on iPhone"),
        ("python-requests/2.32.5", "python-requests/2.32.5"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_a_session_says_which_browser_it_is_of(agent: str, name: str) -> None:
    assert browser_name(agent) == name
