"""Who gets which seats: one batch decided in the order of arrival (DOMAIN section 4).

Pure: the caller has locked the ledger rows named by `seat_keys` and gives what is free in
them. All or nothing: a claim gets a seat in every slot it needs, in one county, or nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class SeatKey(NamedTuple):
    """A row of the session's seat ledger; their order is the order of locking."""

    county_code: str
    slot: int


class SeatChange(NamedTuple):
    """By how much a ledger row changes."""

    held: int
    confirmed: int


@dataclass(frozen=True)
class Claim:
    """A candidate wants a seat in each of `slots`, in the first county that has them all."""

    candidate_id: str
    slots: frozenset[int]
    county_codes: tuple[str, ...]


@dataclass(frozen=True)
class Holding:
    """What a candidate has in the session already, held or confirmed: always one county."""

    county_code: str
    slots: frozenset[int]


@dataclass(frozen=True)
class Granted:
    """A seat in every slot, in this county."""

    county_code: str


@dataclass(frozen=True)
class SoldOut:
    """No county has them all: the full slots of each, in the candidate's order."""

    full: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class AlreadyEnrolled:
    """The candidate sits in this county already, elsewhere or in one of these slots."""

    county_code: str


@dataclass(frozen=True)
class TooManyCourses:
    """With what the candidate has it would be more courses than this."""

    limit: int


Decision = Granted | SoldOut | AlreadyEnrolled | TooManyCourses


def seat_keys(claims: Iterable[Claim]) -> list[SeatKey]:
    """The ledger rows that decide these claims, in the one order in which rows are locked."""
    return sorted(
        {
            SeatKey(county_code, slot)
            for claim in claims
            for county_code in claim.county_codes
            for slot in claim.slots
        }
    )


def allocate(
    claims: Sequence[Claim],
    free: Mapping[SeatKey, int],
    holdings: Mapping[str, Holding],
    max_courses: int,
) -> list[Decision]:
    """Decide every claim, the first come first; the answer is in the order of `claims`.

    `holdings` by candidate id. A later claim sees what an earlier one of the batch has taken,
    of the seats and of the same candidate. A key missing in `free` has no seat.
    """
    left = dict(free)
    held = dict(holdings)
    decisions: list[Decision] = []
    for claim in claims:
        decision = decide(claim, left, held.get(claim.candidate_id), max_courses)
        if isinstance(decision, Granted):
            _take(claim, decision.county_code, left, held)
        decisions.append(decision)
    return decisions


def decide(
    claim: Claim, left: Mapping[SeatKey, int], holding: Holding | None, max_courses: int
) -> Decision:
    """Decide one claim by what is left and what its candidate holds; takes nothing."""
    counties = claim.county_codes
    if holding is not None:
        if holding.county_code not in counties or holding.slots & claim.slots:
            return AlreadyEnrolled(holding.county_code)
        if len(holding.slots) + len(claim.slots) > max_courses:
            return TooManyCourses(max_courses)
        counties = (holding.county_code,)
    full: list[tuple[str, tuple[int, ...]]] = []
    for county_code in counties:
        lacking = full_slots(claim.slots, county_code, left)
        if not lacking:
            return Granted(county_code)
        full.append((county_code, lacking))
    return SoldOut(tuple(full))


def full_slots(
    slots: Iterable[int], county_code: str, free: Mapping[SeatKey, int]
) -> tuple[int, ...]:
    """Those of `slots` in which the county has no seat, in order."""
    return tuple(slot for slot in sorted(slots) if free.get(SeatKey(county_code, slot), 0) < 1)


def is_hopeless(claim: Claim, free: Mapping[SeatKey, int]) -> bool:
    """Whether each county of a claim lacks a seat; one of which nothing is known does not."""
    return all(
        any(free.get(SeatKey(county_code, slot), 1) < 1 for slot in claim.slots)
        for county_code in claim.county_codes
    )


def _take(
    claim: Claim, county_code: str, left: dict[SeatKey, int], held: dict[str, Holding]
) -> None:
    for slot in claim.slots:
        left[SeatKey(county_code, slot)] -= 1
    before = held.get(claim.candidate_id)
    slots = claim.slots | (before.slots if before else frozenset())
    held[claim.candidate_id] = Holding(county_code, slots)
