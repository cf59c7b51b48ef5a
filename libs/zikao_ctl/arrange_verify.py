"""`zikao arrange --verify`: do the draw of an exported arrangement again, and check its proofs.

Needs nothing but the file: who sits where follows from the plan and the seed, the seed from its
hash that was published before, and the least number of rooms from weights that a table checks.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zikao_tickets.commands.export_arrangement import FORMAT
from zikao_tickets.domain.cannot_arrange import CannotArrange
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import Seat, draw


class ArrangementFileError(Exception):
    """The file is no whole export of an arrangement."""


@dataclass(frozen=True)
class ExportedArrangement:
    """What the file says; `in_force` are seats that a late change has kept."""

    head: Mapping[str, Any]
    plan: Plan
    seats: Sequence[Seat]
    in_force: Sequence[Seat]

    @property
    def roster(self) -> Roster:
        """Who sits what, by the seats."""
        sittings = (Sitting(s.candidate_id, s.slot, s.course_code) for s in self.seats)
        return Roster.of(sittings, self.head["accessible"])

    @property
    def rooms(self) -> list[Room]:
        """The county's rooms when it was exported."""
        return [
            Room(site, code, capacity, frozenset(accessible), RoomUse(use))
            for site, code, capacity, accessible, use in self.head["rooms"]
        ]


@dataclass(frozen=True)
class Verified:
    """What was found: nothing wrong when `problems` is empty."""

    seats: int
    rooms: int
    rooms_bound: int
    problems: Sequence[str]


def read_arrangement(path: Path) -> ExportedArrangement:
    """The arrangement of a file that `zikao arrange export` has written.

    Raises ArrangementFileError.
    """
    seats: dict[str, list[Seat]] = {"seats": [], "seats_in_force": []}
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(next(file))
            if head["format"] != FORMAT:
                raise ArrangementFileError(f"{path}: not the export of an arrangement")
            for line in file:
                ((kind, some),) = json.loads(line).items()
                seats[kind] += [Seat(*seat) for seat in some]
        text = json.dumps(head["plan"], ensure_ascii=False)
        plan = Plan.from_bytes(zlib.compress(text.encode()))
    except (OSError, StopIteration, ValueError, KeyError, TypeError) as error:
        raise ArrangementFileError(f"{path}: {error!r}") from error
    return ExportedArrangement(head, plan, seats["seats"], seats["seats_in_force"])


def verify_arrangement(exported: ExportedArrangement, *, solve: bool) -> Verified:
    """Draw again and compare; with `solve` also look for fewer rooms and site changes again.

    Published with its seed it must be. Solving needs as long as it took the service.
    """
    figures = exported.plan.figures
    problems = [
        *_seed_problems(exported),
        *_seat_problems(exported),
        *_proof_problems(exported),
        *(_solver_problems(exported) if solve else ()),
    ]
    return Verified(len(exported.seats), figures.rooms, figures.rooms_bound, problems)


def _seed_problems(exported: ExportedArrangement) -> Iterator[str]:
    seed = bytes.fromhex(exported.head["seed"])
    if not seed:
        yield "the seed is not revealed yet: the arrangement is not published"
    elif hashlib.sha256(seed).hexdigest() != exported.head["seed_sha256"]:
        yield "the seed is not the one whose hash was published"


def _seat_problems(exported: ExportedArrangement) -> Iterator[str]:
    if seats_sha256(exported.seats).hex() != exported.head["seats_sha256"]:
        yield "the seats are not those that were checked"
    try:
        seed = bytes.fromhex(exported.head["seed"])
        drawn = draw(exported.plan, exported.roster, seed, exported.in_force)
    except ValueError as error:
        yield f"the draw cannot be done again: {error}"
        return
    different = len(set(drawn) ^ set(exported.seats)) // 2
    if different:
        yield f"{different} seats are not as they are drawn"


def _proof_problems(exported: ExportedArrangement) -> Iterator[str]:
    if exported.plan.is_late:
        return
    counts = exported.roster.counts()
    used = {seat[:3] for seat in exported.seats}
    proofs = {proof.slot: proof for proof in exported.plan.proofs}
    for slot, courses in counts.items():
        proof = proofs.get(slot)
        if proof is None or not proof.holds(courses):
            yield f"slot {slot}: that no fewer rooms do is not proven"
        elif proof.rooms != sum(place[0] == slot for place in used):
            yield f"slot {slot}: not as many rooms as the proof says"


def _solver_problems(exported: ExportedArrangement) -> Iterator[str]:
    # Only here: the solver is large.
    make_plan = importlib.import_module("zikao_tickets.solving.planner").make_plan
    try:
        again: Plan = make_plan(
            exported.roster, exported.rooms, exported.in_force or None, lambda *_: None
        )
    except CannotArrange as cannot:
        yield f"it cannot be solved again: {cannot.in_words()}"
        return
    for name in ("rooms", "packs", "site_changes"):
        before, now = getattr(exported.plan.figures, name), getattr(again.figures, name)
        if before != now:
            yield f"solved again, {name} are {now}, not {before}"
