"""`zikao arrange --verify`: do the draw of an exported arrangement again, and check its proofs.

Needs nothing but the file, and the hash that was published before: who sits where follows from the
plan and the seed, and the least number of rooms from weights that a table checks. What it tells and
what it does not: docs/tickets.md, "Checking a draw".
"""

from __future__ import annotations

import hashlib
import importlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zikao_tickets.commands.export_arrangement import FORMAT
from zikao_tickets.domain.cannot_arrange import CannotArrange
from zikao_tickets.domain.certificate import SlotProof
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import Seat, draw


class ArrangementFileError(Exception):
    """The file is no whole export of an arrangement."""


@dataclass(frozen=True)
class ExportedArrangement:
    """What the file says; `in_force` are seats that a late change has kept, of `based_on`.

    `rooms` are the county's when it was exported, `seed` is empty before the publication.
    """

    seed: bytes
    seed_sha256: str
    seats_sha256: str
    based_on: str
    rooms: Sequence[Room]
    roster: Roster
    plan: Plan
    seats: Sequence[Seat]
    in_force: Sequence[Seat]

    @property
    def rooms_used(self) -> Counter[int]:
        """How many rooms somebody sits in, by slot."""
        return Counter(slot for slot, _, _ in {seat[:3] for seat in self.seats})


@dataclass(frozen=True)
class Verified:
    """What was found: nothing wrong when `problems` is empty.

    `rooms_bound` is None of late changes, which keep seats and prove nothing; `unproven` is what
    the file claims without a proof in it.
    """

    seats: int
    rooms: int
    rooms_bound: int | None
    problems: Sequence[str]
    unproven: Sequence[str]


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
        return _exported(head, seats["seats"], seats["seats_in_force"])
    except (OSError, StopIteration, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArrangementFileError(f"{path}: {error!r}") from error


def _exported(
    head: Mapping[str, Any], seats: Sequence[Seat], in_force: Sequence[Seat]
) -> ExportedArrangement:
    text = json.dumps(head["plan"], ensure_ascii=False)
    sittings = (Sitting(seat.candidate_id, seat.slot, seat.course_code) for seat in seats)
    return ExportedArrangement(
        seed=bytes.fromhex(head["seed"]),
        seed_sha256=str(head["seed_sha256"]),
        seats_sha256=str(head["seats_sha256"]),
        based_on=str(head["based_on"]),
        rooms=[
            Room(site, code, capacity, frozenset(accessible), RoomUse(use))
            for site, code, capacity, accessible, use in head["rooms"]
        ],
        roster=Roster.of(sittings, head["accessible"]),
        plan=Plan.from_bytes(zlib.compress(text.encode())),
        seats=seats,
        in_force=in_force,
    )


def verify_arrangement(
    exported: ExportedArrangement, *, published_sha256: str = "", solve: bool = False
) -> Verified:
    """Draw again and compare; with `solve` also look for fewer rooms and site changes again.

    `published_sha256` is the hash of the seed that was published before, without which only the
    file's own is left to compare. Solving needs as long as it took the service.
    """
    is_late = exported.plan.is_late
    proofs = exported.plan.proofs
    return Verified(
        seats=len(exported.seats),
        rooms=exported.rooms_used.total(),
        rooms_bound=None if is_late else sum(proof.bound for proof in proofs),
        problems=[
            *_seed_problems(exported, published_sha256),
            *_seat_problems(exported),
            *(() if is_late else _proof_problems(exported)),
            *(_solver_problems(exported) if solve else ()),
        ],
        unproven=[
            *(() if published_sha256 else [HASH_NOT_GIVEN]),
            *(_unproven_base(exported) if is_late else _unproven_rooms(exported, solved=solve)),
        ],
    )


HASH_NOT_GIVEN = (
    "that the hash of the seed was published before: give what was published as --seed-sha256"
)


def _seed_problems(exported: ExportedArrangement, published_sha256: str) -> Iterator[str]:
    if published_sha256 and published_sha256 != exported.seed_sha256:
        yield "the hash of the seed is not the one that was published before"
    if not exported.seed:
        yield "the seed is not revealed yet: the arrangement is not published"
    elif hashlib.sha256(exported.seed).hexdigest() != exported.seed_sha256:
        yield "the seed is not the one whose hash was published"


def _seat_problems(exported: ExportedArrangement) -> Iterator[str]:
    if seats_sha256(exported.seats).hex() != exported.seats_sha256:
        yield "the seats are not those that were checked"
    if exported.plan.is_late and not exported.based_on:
        yield "a late change that changes no arrangement"
    try:
        drawn = draw(exported.plan, exported.roster, exported.seed, exported.in_force)
    except (ValueError, LookupError) as error:
        yield f"the draw cannot be done again: {error}"
        return
    different = len(set(drawn) ^ set(exported.seats)) // 2
    if different:
        yield f"{different} seats are not as they are drawn"


def _proofs(exported: ExportedArrangement) -> Iterator[tuple[int, SlotProof | None]]:
    """Every slot in which somebody sits, with its proof."""
    proofs = {proof.slot: proof for proof in exported.plan.proofs}
    for slot in exported.roster.counts():
        yield slot, proofs.get(slot)


def _proof_problems(exported: ExportedArrangement) -> Iterator[str]:
    counts, used = exported.roster.counts(), exported.rooms_used
    for slot, proof in _proofs(exported):
        if proof is None or not proof.holds(counts[slot]):
            yield f"slot {slot}: that no fewer rooms do is not proven"
        elif proof.rooms != used[slot]:
            yield f"slot {slot}: not as many rooms as the proof says"
        elif proof.rooms > proof.bound and len(proof.sizes) == 1:
            yield f"slot {slot}: {proof.rooms} rooms, although {proof.bound} are said to do"
    figures, proofs = exported.plan.figures, exported.plan.proofs
    told = sum(proof.rooms for proof in proofs), sum(proof.bound for proof in proofs)
    if told != (figures.rooms, figures.rooms_bound) or len(proofs) != len(counts):
        yield "the figures of the arrangement are not those of its proofs"


def _unproven_rooms(exported: ExportedArrangement, *, solved: bool) -> Iterator[str]:
    counts = exported.roster.counts()
    capacities = [room.capacity for room in exported.rooms if room.use is RoomUse.NORMAL]
    for slot, proof in _proofs(exported):
        if proof is None:
            continue
        proven = proof.proven(counts[slot])
        if proof.bound > proven and not solved:
            yield (
                f"slot {slot}: that {proof.bound} rooms are needed is a solver's word, "
                f"{proven} are proven: not proven without --solve"
            )
        if proof.rooms > proof.bound and len(proof.sizes) > 1:
            yield (
                f"slot {slot}: that fewer rooms than {proof.rooms} do not suffice "
                f"(at least {proof.bound} are needed): whoever published it has waived that"
            )
        if not proof.reckons_with(capacities):
            yield f"slot {slot}: the county has rooms that the proof does not reckon with"


def _unproven_base(exported: ExportedArrangement) -> Iterator[str]:
    digest = seats_sha256(exported.in_force).hex()
    yield (
        f"that the seats it keeps were in force: verify {exported.based_on}, too, "
        f"whose seats_sha256 must be {digest}"
    )


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
    for name in ("rooms", "rooms_bound", "packs", "site_changes"):
        before, now = getattr(exported.plan.figures, name), getattr(again.figures, name)
        if before != now:
            yield f"solved again, {name} are {now}, not {before}"
