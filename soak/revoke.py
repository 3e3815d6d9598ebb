"""How long after the answer to a delete, a revoke or a member's removal a call can still use the secret.

Callers on both copies, past the proxy, run a block as fast as they can; meanwhile the secret, the token or the member
goes. A call that starts after the answer has arrived must be refused, and its value must not have reached the upstream.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from soak.client import Client, new_value
from soak.things import call
from soak.world import OWNER, WORKSPACE, World
from tests.support.topology import COPIES

BEFORE: Final = 0.3
AFTER: Final = 0.4
"""Seconds that the callers go on before the deed and after its answer."""
_CALLERS: Final = 4
_SECRET: Final = "GOING"
_BLOCK: Final = "going"
_MEMBER: Final = "mo"
_PATH: Final = f"/workspaces/{WORKSPACE}"
# A token that proves nothing any more is soon refused for being sent so often.
_NOT_PROVEN: Final = frozenset({"unauthenticated", "rate_limited"})
_numbers = itertools.count(1)


@dataclass(slots=True)
class Ended:
    """What was measured of one kind of end, over all repeats. Times are seconds after the answer."""

    kind: str
    repeats: int = 0
    before: int = 0
    started_after: int = 0
    used_after: int = 0
    latest_use: float = 0.0
    in_flight: float = 0.0
    wrongly_refused: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Call:
    number: str
    began: float
    ended: float
    code: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """What goes, how callers call until then, and how they are refused from then on."""

    name: str
    refusals: frozenset[str]
    caller: Callable[[World, str], Client]
    deed: Callable[[World, str], None]


def measure(world: World, seconds: float) -> Sequence[Ended]:
    """Let each kind of end happen again and again for this long altogether, through one copy and the other in turn."""
    _make_secret(world)
    _must(world.owner().ask("POST", f"{_PATH}/variables", {"name": "not_going", "value": "plain"}))
    body = call(f"http://{world.far.host}/check", _SECRET, plain="not_going", mark="going")
    _must(world.owner().ask("POST", f"{_PATH}/blocks", {"name": _BLOCK, "call": body}))
    measured = []
    for kind in _kinds():
        ended, until = Ended(kind.name), time.monotonic() + seconds / len(_kinds())
        for copy in itertools.cycle(COPIES):
            _once(world, kind, copy, ended)
            if time.monotonic() > until:
                break
        measured.append(ended)
    return measured


def _kinds() -> Sequence[_Kind]:
    made: dict[str, Any] = {}

    def deleted(world: World, base: str) -> None:
        _must(world.owner(base).ask("DELETE", f"{_PATH}/secrets/{_SECRET}?confirm={_SECRET}&force=true"))

    def with_token(world: World, act_as: str) -> str:
        issued = _must(world.owner(act_as=act_as).ask("POST", f"{_PATH}/tokens", {"role": "runtime"}))
        made["token"] = issued["id"]
        return str(issued["token"])

    def own_token(world: World, base: str) -> Client:
        if "bearer" not in made:
            made["bearer"] = with_token(world, OWNER)
        return world.caller(base, token=made["bearer"])

    def revoked(world: World, base: str) -> None:
        made.pop("bearer")
        _must(world.owner(base).ask("DELETE", f"{_PATH}/tokens/{made['token']}"))

    def member(world: World, base: str) -> Client:
        _must(world.owner().ask("PUT", f"{_PATH}/members/{_MEMBER}", {"role": "admin"}))
        return world.owner(base, act_as=_MEMBER)

    def members_token(world: World, base: str) -> Client:
        if "bearer" not in made:
            member(world, base)
            made["bearer"] = with_token(world, _MEMBER)
        return world.caller(base, token=made["bearer"])

    def removed(world: World, base: str) -> None:
        made.pop("bearer", None)
        _must(world.owner(base).ask("DELETE", f"{_PATH}/members/{_MEMBER}?confirm={_MEMBER}"))

    return (
        _Kind("secret deleted", frozenset({"unknown_secret"}), lambda world, base: world.caller(base), deleted),
        _Kind("token revoked", _NOT_PROVEN, own_token, revoked),
        _Kind("member removed", frozenset({"not_found"}), member, removed),
        _Kind("member removed, their token", _NOT_PROVEN, members_token, removed),
    )


def _once(world: World, kind: _Kind, copy: str, ended: Ended) -> None:
    if world.owner().ask("GET", f"{_PATH}/secrets/{_SECRET}").code == "not_found":
        _make_secret(world)
    stop, calls = threading.Event(), list[_Call]()
    clients = [kind.caller(world, world.direct(COPIES[number % 2])) for number in range(_CALLERS)]
    threads = [threading.Thread(target=_press, args=(client, stop, calls)) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(BEFORE)
    kind.deed(world, world.direct(copy))
    answered = time.monotonic()
    time.sleep(AFTER)
    stop.set()
    for thread in threads:
        thread.join()
    _enter(ended, kind, calls, answered, world)


def _press(client: Client, stop: threading.Event, calls: list[_Call]) -> None:
    while not stop.is_set():
        number = f"ends-{next(_numbers)}"
        answer = client.ask("POST", f"{_PATH}/blocks/{_BLOCK}/run", {"variables": {"number": number}})
        calls.append(_Call(number, answer.began, answer.ended, answer.code))
        if answer.code:
            stop.wait(0.02)


def _enter(ended: Ended, kind: _Kind, calls: Sequence[_Call], answered: float, world: World) -> None:
    ended.repeats += 1
    used = [each for each in calls if not each.code or each.number in world.far.with_secret]
    late = [each for each in calls if each.began > answered]
    ended.before += sum(each.ended <= answered and not each.code for each in calls)
    ended.started_after += len(late)
    ended.used_after += sum(each in used for each in late)
    ended.latest_use = max([ended.latest_use, *(each.began - answered for each in late if each in used)])
    ended.in_flight = max([ended.in_flight, *(each.ended - answered for each in used if each.began <= answered)])
    ended.wrongly_refused |= {each.code for each in late if each.code and each.code not in kind.refusals}


def _make_secret(world: World) -> None:
    body = {"name": _SECRET, "value": new_value(), "visibility": "restricted", "allowed_hosts": [world.far.host]}
    _must(world.owner().ask("POST", f"{_PATH}/secrets", body))


def _must(answer: Any) -> Any:
    if answer.code:
        raise RuntimeError(f"Nothing can be measured: {answer.status} {answer.code}")
    return answer.document
