"""Users: what a password is compared with where there is none."""

from __future__ import annotations

from argon2 import PasswordHasher, extract_parameters

from app.identity import users


def test_a_user_who_is_not_there_is_compared_by_the_same_work_as_one_who_is() -> None:
    real = PasswordHasher().hash("a sentence to sign in with")
    assert extract_parameters(users._NO_USERS_HASH) == extract_parameters(real)
    assert not users.password_matches(None, "a sentence to sign in with")
    assert users.password_matches(real, "a sentence to sign in with")
