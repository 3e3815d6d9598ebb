"""Basic auth: encoded where it is sent, readable where it is only shown."""

from __future__ import annotations

from base64 import b64encode

from app.kernel.secret import SecretValue
from app.outbound.inject import inject, preview
from app.outbound.model import Call, Field, Origin, Slot, Text

ACCEPT = ("Accept", "*/*")
CALL = Call(
    method="GET",
    origin=Origin("https", "api.example.com", 443),
    path=Field((Text("/"),)),
    basic=(Field((Text("me"),)), Field((Slot("PW"),))),
)


def test_a_value_that_looks_like_a_previews_marker_is_encoded_as_any_other() -> None:
    sent = inject(CALL, {"PW": SecretValue("[secret:PW]")})
    assert sent.headers == (("Authorization", "Basic " + b64encode(b"me:[secret:PW]").decode()), ACCEPT)


def test_a_preview_shows_where_the_value_goes() -> None:
    assert preview(CALL).headers == (("Authorization", "Basic me:[secret:PW]"), ACCEPT)
