"""Checks a chain from its anchor to its end, and everything that it must agree with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from zikao_kit.audit_chain import Break, Head, Link, first_break, genesis
from zikao_kit.audit_reading import ChainReader, Waiting
from zikao_kit.config import LEAST_AUDIT_RETENTION_DAYS
from zikao_kit.office_audit import CUT_ACTION

LEAST_RETENTION = timedelta(days=LEAST_AUDIT_RETENTION_DAYS)
# How commands end that check what should be.
CLEAN, VIOLATED, NOT_CHECKED = 0, 1, 2
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Seen:
    """A head that was seen: `entry_at` is the time of its entry."""

    head: Head
    entry_at: datetime


@dataclass(frozen=True)
class Plan:
    """How to check: `now` by the installation's clock.

    Entries may wait for the chain for `max_unsealed_seconds`. `since`: only from the head on that
    was seen last.
    """

    now: datetime
    max_unsealed_seconds: float
    since: bool = False


@dataclass(frozen=True)
class Verdict:
    """What became of a service's chain; no problems: it holds."""

    service: str
    start: Head
    head: Seen | None
    entries: int
    waiting: Waiting
    problems: Sequence[Break]
    seconds: float


@dataclass
class _Walk:
    """How far a chain was followed."""

    head: Head
    wanted: dict[int, list[Head]]
    entries: int = 0
    last: Link | None = None
    problems: list[Break] = field(default_factory=list)

    def take(self, links: Sequence[Link]) -> Break | None:
        """Follow a page; return where it does not hold."""
        head, broken = first_break(self.head, links)
        held = links[: head.number - self.head.number]
        for link in held:
            self.problems += _not_as_seen(self.wanted.pop(link.number, ()), link.hash)
        self.entries += len(held)
        self.last = held[-1] if held else self.last
        self.head = head
        return broken


async def verify(
    reader: ChainReader, seen: Sequence[Seen], plan: Plan, show: OnProgress = lambda *_: None
) -> Verdict:
    """Check one service's chain; `seen` are its heads of before, the oldest first."""
    began = time.monotonic()
    anchor = await reader.anchor()
    if anchor is None:
        problems: list[Break] = [Break(0, None, "the anchor is gone")]
        nothing = Waiting(0, 0.0)
        return Verdict(reader.service, Head(0, b""), None, 0, nothing, problems, 0.0)
    walk = _begin(reader.service, anchor, seen)
    if plan.since and seen and seen[-1].head.number > anchor.number:
        await _skip(reader, walk, seen[-1].head)
    start = walk.head
    await _follow(reader, walk, show)
    waiting = await reader.waiting()
    problems = [
        *walk.problems,
        *_cut_off(walk),
        *_gone_too_early(anchor, seen, plan.now),
        *await _not_told(reader, anchor),
        *(Break(0, audit_id, reason) for reason, audit_id in await reader.odd()),
        *_late(waiting, plan.max_unsealed_seconds),
    ]
    head = _seen_now(walk, seen)
    took = time.monotonic() - began
    return Verdict(reader.service, start, head, walk.entries, waiting, problems, took)


def _begin(service: str, anchor: Head, seen: Sequence[Seen]) -> _Walk:
    first = genesis(service)
    walk = _Walk(anchor, {})
    if anchor.number == first.number and anchor != first:
        walk.problems.append(Break(0, None, "the chain does not begin as this service's does"))
    for each in seen:
        if each.head.number == anchor.number:
            walk.problems += _not_as_seen([each.head], anchor.hash)
        if each.head.number > anchor.number:
            walk.wanted.setdefault(each.head.number, []).append(each.head)
    return walk


async def _skip(reader: ChainReader, walk: _Walk, to: Head) -> None:
    """Begin at a head that was seen, if the chain still has it."""
    found = await reader.hash_of(to.number)
    if found is not None:
        walk.problems += _not_as_seen([to], found)
        walk.wanted = {n: heads for n, heads in walk.wanted.items() if n > to.number}
        walk.head = to


async def _follow(reader: ChainReader, walk: _Walk, show: OnProgress) -> None:
    """To the end, or to the first break; retention may overtake us."""
    show(reader.service, walk.head.number, await reader.last_number())
    while links := await reader.links(walk.head.number):
        broken = walk.take(links)
        show(reader.service, walk.head.number, walk.head.number)
        if broken is None:
            continue
        anchor = await reader.anchor()
        if anchor is None or anchor.number <= walk.head.number:
            walk.problems.append(broken)
            return
        walk.head = anchor


def _not_as_seen(heads: Iterable[Head], found: bytes) -> list[Break]:
    return [
        Break(head.number, None, "a checkpoint has another hash for this number: written anew")
        for head in heads
        if head.hash != found
    ]


def _cut_off(walk: _Walk) -> list[Break]:
    """Heads that were seen behind the end; where the chain is broken nothing is known of them."""
    if walk.problems:
        return []
    return [
        Break(number, None, f"a checkpoint was here, and the chain ends at {walk.head.number}")
        for number in sorted(walk.wanted)
        if number > walk.head.number
    ][:1]


def _gone_too_early(anchor: Head, seen: Sequence[Seen], now: datetime) -> list[Break]:
    gone = [each for each in seen if each.head.number < anchor.number]
    return [
        Break(each.head.number, None, "a checkpoint was here: removed before its time")
        for each in gone
        if now - each.entry_at < LEAST_RETENTION
    ][:1]


async def _not_told(reader: ChainReader, anchor: Head) -> list[Break]:
    """Entries that went must be told of by one that is there, and have been old enough."""
    if anchor.number == 0:
        return []
    rows = await reader.entries_of(CUT_ACTION)
    notes = [json.loads(row["before"]) for row in rows]
    for place, (row, told) in enumerate(zip(rows, notes, strict=True)):
        if (told.get("last"), told.get("hash")) != (anchor.number, anchor.hash.hex()):
            continue
        if row["at"] - _before(told) < LEAST_RETENTION:
            return [Break(anchor.number, None, "entries were removed before their time")]
        return _not_following(anchor, told, notes[place + 1 : place + 2])
    return [Break(anchor.number, None, "entries up to here are gone, and none tells of it")]


def _not_following(anchor: Head, told: Any, earlier: Sequence[Any]) -> list[Break]:
    """What retention removes follows on what it removed before, and is never from before that."""
    for each in earlier:
        if told["first"] != each["last"] + 1 or _before(told) < _before(each):
            reason = "what is told of the removed entries does not follow on what was told before"
            return [Break(anchor.number, None, reason)]
    return []


def _before(told: Any) -> datetime:
    return datetime.fromisoformat(told["before"])


def _late(waiting: Waiting, allowed: float) -> list[Break]:
    if waiting.age_seconds <= allowed:
        return []
    reason = f"entries wait for the chain for {waiting.age_seconds:.0f} s: does the service run?"
    return [Break(0, None, reason)]


def _seen_now(walk: _Walk, seen: Sequence[Seen]) -> Seen | None:
    if walk.last is not None and walk.last.entry is not None:
        return Seen(walk.head, walk.last.entry.at)
    return seen[-1] if seen and seen[-1].head == walk.head else None


def told(verdict: Verdict) -> dict[str, Any]:
    """What programs are told of it."""
    return {
        "from": verdict.start.number,
        "entries": verdict.entries,
        "head": None if verdict.head is None else _head(verdict),
        "unsealed": verdict.waiting.entries,
        "oldest_unsealed_seconds": round(verdict.waiting.age_seconds, 3),
        "problems": [
            {"number": each.number, "audit_id": each.audit_id, "reason": each.reason}
            for each in verdict.problems
        ],
        "seconds": round(verdict.seconds, 3),
    }


def _head(verdict: Verdict) -> dict[str, Any]:
    assert verdict.head is not None
    return {"number": verdict.head.head.number, "sha256": verdict.head.head.hash.hex()}
