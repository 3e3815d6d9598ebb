"""``make soak``: a mixed load on the whole installation while one thing after the other breaks; docs/deployment.md.

Exit 0 where everything held: no acknowledged write lost, no wrong answer, no value leaked, memory flat, back to normal
in time after each fault's end, and no call that starts after a delete, a revoke or a removal uses the secret. In time:
within ten seconds, or ten times the longest wait of its own quiet phase on a machine that is busy with something else.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soak import checks, load, revoke
from soak.faults import FAULTS, let_happen
from soak.journal import Pace, recovery, unexcused
from soak.load import Slot, Visitor
from soak.memory import Memory
from soak.report import Fell, Report
from soak.streams import stream
from soak.world import OWNER, WORKSPACE, World, world
from tests.support.topology import COPIES

WRITERS: Final = 2
SLOTS: Final = 4
STRAGGLERS: Final = 2.5
"""Times the pace after a fault's end in which requests that began before may still be refused."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How the time is divided. Every fault happens at least once, so that a soak may go on for somewhat longer.

    ``growth`` is how much more memory a copy may have at the end than after its warm-up: a short soak ends before the
    last buffers and threads have come to their size.
    """

    seconds: float
    quiet: float
    ends: float
    fault: float
    warm_up: float
    growth: float

    @classmethod
    def of(cls, seconds: float) -> Scale:
        """Divide so many seconds."""
        short = seconds < 300
        return cls(
            seconds=seconds,
            quiet=min(15.0, seconds / 20),
            ends=seconds / 10,
            fault=2.5 if short else 13.0,
            warm_up=30.0 if short else 120.0,
            growth=1.25 if short else 1.1,
        )


def main() -> None:
    """Run, print the table, and say by the exit code whether everything held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="how long the load goes on (600; at least 60)")
    parser.add_argument("--folder", type=Path, help="keep logs and everything else there, an empty folder")
    wanted = parser.parse_args()
    with _folder(wanted.folder) as folder, world(folder) as running:
        report = soak(running, Scale.of(max(60.0, wanted.seconds)))
    tell(report.text())
    sys.exit(1 if report.misses else 0)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="strongroom-soak-") as folder:
        yield Path(folder)


def tell(text: str) -> None:
    """Print, so that whoever waits sees it now."""
    print(text, flush=True)


def soak(running: World, scale: Scale) -> Report:
    """Let everybody work, measure the ends, break things, and judge."""
    began = time.monotonic()
    shares = [
        load.slots(WORKSPACE, running.far.host, range(writer * SLOTS, (writer + 1) * SLOTS))
        for writer in range(WRITERS)
    ]
    all_slots = [slot for share in shares for slot in share]
    memory, stop, stop_watching = Memory(), threading.Event(), threading.Event()
    watch = [threading.Thread(target=memory.watch, args=(running.topology, stop_watching))]
    with load.running(watch, stop_watching), load.running(_everybody(running, shares, stop), stop):
        time.sleep(scale.quiet)
        pace = Pace.of(running.journal.between(began, time.monotonic()))
        tell(f"quiet: every kind of request succeeds within {pace.straight:.1f} s, so that much is straight")
        ended = revoke.measure(running, scale.ends)
        tell("measured: what a delete, a revoke and a removal end")
        fallen = list(_break_things(running, scale, pace, until=began + scale.seconds))
    return _judge(
        running,
        all_slots,
        Report(fallen, ended, memory.lives(warm_up=scale.warm_up, shortest=30), scale.growth, {}, pace=pace),
    )


def _everybody(running: World, shares: Sequence[Sequence[Slot]], stop: threading.Event) -> list[threading.Thread]:
    all_slots = [slot for share in shares for slot in share]
    writers = [
        threading.Thread(target=load.write, args=(running.owner(), share, stop, number))
        for number, share in enumerate(shares)
    ]
    callers = [
        threading.Thread(target=load.call, args=(running.caller(base), kind, all_slots, stop))
        for kind, base in (
            ("call", running.topology.url),
            *((f"call {copy}", running.direct(copy)) for copy in COPIES),
        )
    ]
    callers.append(threading.Thread(target=stream, args=(running.caller(), WORKSPACE, stop)))
    visitor = Visitor(running.owner(), OWNER, running.password)
    return [*writers, *callers, threading.Thread(target=visitor.visit, args=(all_slots, stop))]


def _break_things(running: World, scale: Scale, pace: Pace, *, until: float) -> Iterator[Fell]:
    for number, fault in enumerate(itertools.cycle(FAULTS)):
        if number >= len(FAULTS) and time.monotonic() > until:
            return
        happened = let_happen(fault, running, scale.fault, grace=pace.back_within)
        took = _await_normal(running, happened.ended, pace)
        refused = sum(bool(each.code) for each in running.journal.between(happened.began, time.monotonic()))
        back = "not back to normal" if took is None else f"back to normal after {took:.1f} s"
        tell(f"{fault.name}: {refused} requests refused, {back}")
        yield Fell(happened, refused, took)


def _await_normal(running: World, ended: float, pace: Pace) -> float | None:
    """Wait until everything is as before, for as long as that may take, and a moment more for what comes late."""
    time.sleep(STRAGGLERS * pace.straight)
    while True:
        now = time.monotonic()
        took = recovery(running.journal.between(ended - 30 * pace.straight, now), ended, now, pace.straight)
        if took is not None or now > ended + pace.back_within + 2 * pace.straight:
            return took
        time.sleep(0.5)


def _judge(running: World, all_slots: Sequence[Slot], report: Report) -> Report:
    ledger, journal = running.ledger, running.journal
    checks.finish_what_was_cut_off(running)
    checks.everything_is_there(running, all_slots)
    ledger.leaked += checks.places_with_values(running)
    checks.audit_verifies(running)
    refused = unexcused(journal.outcomes, [fell.happened for fell in report.fallen])
    unrecorded = checks.unrecorded_calls(running)
    report.counts = {
        "requests": len(journal.outcomes),
        "writes acknowledged": ledger.acknowledged,
        "writes left in doubt by a fault": ledger.doubtful,
        "writes put off until such a one was finished": ledger.put_off,
        "calls answered": len(ledger.calls),
        "acknowledged writes lost": len(ledger.lost),
        "wrong answers": len(ledger.wrong),
        "values leaked": len(ledger.leaked),
        "calls that arrived twice": running.far.twice,
        "calls answered without intent and outcome": unrecorded,
        "refusals that no fault explains": sum(refused.values()),
    }
    report.misses += [*ledger.lost, *ledger.wrong, *(f"leaked: {place}" for place in ledger.leaked)]
    report.misses += [f"unexplained: {number} times {what}" for what, number in refused.items()]
    report.misses += checks.red_lights(running)
    if running.far.twice or unrecorded:
        report.misses.append(f"{running.far.twice} calls arrived twice, {unrecorded} aren't recorded as done")
    return report


if __name__ == "__main__":
    main()
