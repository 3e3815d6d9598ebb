"""What a caller says before a change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.kernel.errors import ConfirmationRequired, PreconditionFailed
from app.kernel.preconditions import check_revision, require_confirmation


@pytest.mark.parametrize(("wanted", "current"), [(None, 3), (0, 3), (3, 3), (1, 1)])
def test_no_revision_any_and_the_one_in_force_pass(wanted: int | None, current: int) -> None:
    check_revision(wanted, current)


@pytest.mark.parametrize(("wanted", "current"), [(2, 3), (4, 3), (-1, 3), (1, 0)])
def test_another_revision_is_refused(wanted: int, current: int) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check_revision(wanted, current)
    assert caught.value.extra == {}


def test_whoever_lost_the_race_is_told_who_won() -> None:
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(PreconditionFailed, match=r"by abe at 2030-01-02T03:04:05Z") as caught:
        check_revision(2, 3, by="abe", at=at)
    assert caught.value.extra == {"changed_by": "abe", "changed_at": "2030-01-02T03:04:05Z"}


@pytest.mark.parametrize("confirm", [None, "", "TOKEN ", "token", "TOKEN2"])
def test_only_the_very_name_confirms(confirm: str | None) -> None:
    require_confirmation("TOKEN", "TOKEN")
    with pytest.raises(ConfirmationRequired) as caught:
        require_confirmation(confirm, "TOKEN")
    assert [str(location) for location in caught.value.errors or {}] == ["query:confirm"]
