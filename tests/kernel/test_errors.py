"""The tree of refusals and failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from app.kernel import errors
from app.kernel.errors import Party, StrongroomError, in_body


def tree(kind: type[StrongroomError]) -> Iterator[type[StrongroomError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


KINDS = [kind for kind in tree(StrongroomError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_has_a_code_a_party_a_title_and_says_when_it_is_raised(kind: type[StrongroomError]) -> None:
    assert kind.code.replace("_", "").isalpha()
    assert kind.code == kind.code.lower()
    assert kind.party in get_args(Party)
    assert kind.title
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")
    assert kind.__doc__


def test_the_sentence_is_all_that_it_prints() -> None:
    error = errors.ValidationFailed(
        "A sentence.", errors={in_body("value"): ["canary"]}, extra={"more": "canary"}, retry_after=3
    )
    assert str(error) == error.detail == "A sentence."
    assert "canary" not in repr(error)
    assert (error.retry_after, error.extra) == (3, {"more": "canary"})


def test_a_refused_redirect_says_what_was_sent_and_nothing_of_the_upstreams() -> None:
    refused = errors.RedirectRefused("it leads elsewhere", reason="host_not_allowed", status=302, sent_bytes=7)
    assert refused.detail == "The call was sent, and the upstream's redirect isn't followed: it leads elsewhere."
    assert refused.extra == {"reason": "host_not_allowed", "upstream_status": 302}
    assert refused.facts == {"status": 302, "sent_bytes": 7, "redirect_refused": "host_not_allowed"}


def test_what_a_class_leaves_out_is_as_in_the_class_above_it() -> None:
    class Above(errors.Conflict, party="vault", code="in_use", title="Above"):
        """Says all of itself."""

    class Below(Above):
        """Says nothing."""

    class Aside(Above, title="Aside"):
        """Says one thing."""

    assert (Above.party, Above.code, Above.title) == ("vault", "in_use", "Above")
    assert (Below.party, Below.code, Below.title) == ("vault", "in_use", "Above")
    assert (Aside.party, Aside.code, Aside.title) == ("vault", "in_use", "Aside")
    assert (errors.Conflict.party, errors.Conflict.code, errors.Conflict.title) == ("caller", "conflict", "Conflict")
