"""Handing the record out as one stream, and verifying such a stream later, without the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import IO, Final, Literal

from app.access import Access, Permission, require
from app.audit.chain import Checkpoint, Fault, Verdict, rfc3339, verify
from app.audit.checkpoints import checkpoints_of, genuine_by, head_of, sign_now
from app.audit.ndjson import ExportLine, InvalidLine, csv_head, read_back, to_csv, to_json
from app.audit.service import (
    SERVICE_CHAIN,
    Deed,
    Filters,
    Target,
    check_filters,
    conclude,
    read_page,
    recorded,
)
from app.db import Sessions
from app.kernel.clock import Clock
from app.kernel.errors import ValidationFailed, VaultError
from app.vault import Vault

Format = Literal["ndjson", "csv"]
_AT_ONCE: Final = 500
_WRITERS: Final[Mapping[Format, Callable[[ExportLine], bytes]]] = {"ndjson": to_json, "csv": to_csv}


@dataclass(frozen=True, slots=True)
class _Source:
    """What is exported: a chain as far as ``head``, narrowed or not, and the checkpoints on the way."""

    chain: str
    head: int
    filters: Filters
    checkpoints: Mapping[int, Checkpoint]

    @property
    def whole(self) -> bool:
        return self.filters == Filters()


def export_events(
    filters: Filters, form: Format, *, access: Access, sessions: Sessions, vault: Vault, clock: Clock
) -> Iterator[bytes]:
    """Return a workspace's events, newest first, as they were when this was asked for; recorded as ``audit.export``.

    Read some at a time, while they are taken. A whole export begins with an event that Vault has signed, unless Vault
    can't just now; the record says how many events were taken, and whether that were all.

    Raises:
        Forbidden, ValidationFailed, RecordUnavailable
    """
    target = Target("audit")
    with recorded(sessions=sessions, clock=clock, access=access, action="audit.export", target=target) as deed:
        require(access, Permission.AUDIT_READ)
        check_filters(filters)
        deed.detail |= {"format": form} | _filter_facts(filters)
        source = _source(filters, access.workspace or SERVICE_CHAIN, sessions=sessions, vault=vault, clock=clock)
        deed.closed = True
    pieces = _pieces(source, form, deed, sessions=sessions, clock=clock)
    next(pieces)  # from here on it ends as told, also where nobody takes anything
    return pieces


def _filter_facts(filters: Filters) -> dict[str, object]:
    given = {name: getattr(filters, name) for name in Filters.__slots__}
    told = {name: _filter_fact(value) for name, value in given.items() if value}
    return {"filters": told} if told else {}


def _filter_fact(value: str | datetime | frozenset[str]) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value if isinstance(value, str) else sorted(value)


def _source(filters: Filters, chain: str, *, sessions: Sessions, vault: Vault, clock: Clock) -> _Source:
    if filters != Filters():
        return _Source(chain, head_of(chain, sessions).seq, filters, {})
    with suppress(VaultError):
        sign_now(chain, sessions=sessions, vault=vault, clock=clock)
    checkpoints = {each.seq: each for each in checkpoints_of(chain, sessions)}
    return _Source(chain, head_of(chain, sessions).seq, filters, checkpoints)


def _pieces(source: _Source, form: Format, deed: Deed, *, sessions: Sessions, clock: Clock) -> Iterator[bytes]:
    taken, whole = 0, False
    try:
        yield b""
        if form == "csv":
            yield csv_head()
        for lines in _pages(source, sessions=sessions):
            yield b"".join(map(_WRITERS[form], lines))
            taken += len(lines)
        whole = True
    finally:
        deed.detail |= {"events": taken} | ({} if whole else {"reason": "the client broke off"})
        conclude(deed, "done" if whole else "failed", sessions=sessions, clock=clock)


def _pages(source: _Source, *, sessions: Sessions) -> Iterator[Sequence[ExportLine]]:
    below: int | None = source.head + 1
    while below is not None:
        page = read_page(source.filters, chain=source.chain, sessions=sessions, limit=_AT_ONCE, below=below)
        if source.whole:
            # As recorded, which is what the hash covers: an intent stays one.
            yield [
                ExportLine(
                    replace(event, outcome="intended") if event.outcome == "unknown" else event,
                    source.checkpoints.get(event.seq),
                    source.head,
                )
                for event in page.events
            ]
        else:
            yield [ExportLine(event, None, None) for event in page.events]
        below = page.below


def verify_export(file: IO[bytes], keys: Mapping[int, str]) -> Sequence[Verdict]:
    """Verify a whole NDJSON export with the public keys of ``_record``, by key version; one verdict for each chain.

    Raises:
        ValidationFailed: it is no such export.
    """
    genuine = genuine_by(keys)
    try:
        checkpoints = [line.checkpoint for line in read_back(file) if line.checkpoint]
        return [
            _verdict(chain, lines, [each for each in checkpoints if each.chain == chain], genuine)
            for chain, lines in groupby(read_back(file), lambda line: line.event.chain)
        ]
    except InvalidLine as error:
        cut = " It breaks off there: the end of the export is missing." if error.cut_off else ""
        raise ValidationFailed(f"Line {error.number} isn't an event of an NDJSON export.{cut}") from None


def _verdict(
    chain: str, lines: Iterator[ExportLine], checkpoints: Sequence[Checkpoint], genuine: Callable[[Checkpoint], bool]
) -> Verdict:
    heads: set[int | None] = set()

    def _events() -> Iterator[ExportLine]:
        for line in lines:
            heads.add(line.head)
            yield line

    verdict = verify(chain, (line.event for line in _events()), checkpoints, genuine=genuine)
    if None in heads:
        raise ValidationFailed("The export was narrowed by filters; only a whole one can be verified.")
    furthest = max((head for head in heads if head is not None), default=0)
    if verdict.fault is None and furthest > verdict.end.seq:
        return replace(verdict, fault=Fault("end_missing", verdict.end.seq + 1))
    return verdict
