"""Who gets which seats: one batch decided in the order of arrival (DOMAIN section 4).

Pure: the caller has locked the ledger rows named by `seat_keys` and gives what is free in
them. All or nothing: a claim gets a seat in every slot it needs, in one county, or nothing.
A claim about an order that holds seats gives these up when it is granted, and only then.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

# A rush wants the same few combinations; of 3 sessions all counties, each with 30 of them.
KEYS_KEPT = 16_384
# What tells candidates apart: their id.
P = TypeVar("P", bound=Hashable)


class SeatKey(NamedTuple):
    """A row of the session's seat ledger; their order is the order of locking."""

    county_code: str
    slot: int


class SeatChange(NamedTuple):
    """By how much a ledger row changes."""

    held: int
    confirmed: int


@lru_cache(maxsize=KEYS_KEPT)
def keys_of(county_code: str, slots: frozenset[int]) -> tuple[SeatKey, ...]:
    """The ledger rows of slots in a county, in order."""
    return tuple(SeatKey(county_code, slot) for slot in sorted(slots))


class Holding(NamedTuple):
    """What a candidate has in the session already, held or confirmed: always one county."""

    county_code: str
    slots: frozenset[int]

    @property
    def keys(self) -> tuple[SeatKey, ...]:
        """Its ledger rows."""
        return keys_of(self.county_code, self.slots)


class Claim(NamedTuple):
    """Somebody wants a seat in each of `slots`, in the first county that has them all.

    It names nobody: thousands claim the same. `gives_up` is what the order has that the claim is
    about. What it has and wants is kept, so a full slot in which it sits is no obstacle. A claim
    without slots only gives up.
    """

    slots: frozenset[int]
    county_codes: tuple[str, ...]
    gives_up: Holding | None = None

    def new_slots(self, county_code: str) -> frozenset[int]:
        """The slots in which it needs a seat that it does not have, in this county."""
        given = self.gives_up
        if given is None or given.county_code != county_code:
            return self.slots
        return self.slots - given.slots

    def freed(self, county_code: str) -> frozenset[SeatKey]:
        """The rows that get a seat back when it is granted in this county."""
        if self.gives_up is None:
            return frozenset()
        return frozenset(self.gives_up.keys).difference(keys_of(county_code, self.slots))


class Granted(NamedTuple):
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
class OnlyOnce:
    """The candidate sits already, and the session takes no additions."""


@dataclass(frozen=True)
class TooManyCourses:
    """With what the candidate has it would be more courses than this."""

    limit: int


Decision = Granted | SoldOut | AlreadyEnrolled | OnlyOnce | TooManyCourses


@dataclass(frozen=True)
class Rules:
    """A session's limits of what one candidate may have."""

    max_courses: int
    # Who has an order may add no courses.
    single_submission: bool = False


def seat_keys(claims: Iterable[Claim]) -> list[SeatKey]:
    """The ledger rows that these claims take or free, in the one order in which rows are locked."""
    keys: set[SeatKey] = set()
    for claim in set(claims):
        if claim.gives_up is not None:
            keys.update(claim.gives_up.keys)
        for county_code in claim.county_codes:
            keys.update(keys_of(county_code, claim.slots))
    return sorted(keys)


class Allocation(Generic[P]):
    """A batch as it is decided: each claim sees what those before it have taken and freed.

    `holdings` by candidate. A key missing in `free` has no seat.
    """

    def __init__(
        self, free: Mapping[SeatKey, int], holdings: Mapping[P, Holding], rules: Rules
    ) -> None:
        self._left = dict(free)
        self._holdings = dict(holdings)
        self._rules = rules

    def decide(self, candidate: P, claim: Claim) -> Decision:
        """Decide the next claim, and give its candidate the seats when it is granted."""
        decision = decide(claim, self._left, self._holdings.get(candidate), self._rules)
        if isinstance(decision, Granted):
            self._take(candidate, claim, decision.county_code)
        return decision

    def decide_hopeless(
        self, candidate: P, claim: Claim, surely_full: Mapping[SeatKey, int]
    ) -> Decision:
        """Refuse a claim that `is_hopeless` by what was free a moment ago."""
        return decide(claim, surely_full, self._holdings.get(candidate), self._rules)

    def _take(self, candidate: P, claim: Claim, county_code: str) -> None:
        for key in keys_of(county_code, claim.new_slots(county_code)):
            self._left[key] -= 1
        for key in claim.freed(county_code):
            self._left[key] += 1
        rest = _rest(self._holdings.pop(candidate, None), claim.gives_up)
        if slots := claim.slots | (rest.slots if rest else frozenset()):
            self._holdings[candidate] = Holding(county_code, slots)


def decide(
    claim: Claim, left: Mapping[SeatKey, int], holding: Holding | None, rules: Rules
) -> Decision:
    """Decide one claim by what is left and what its candidate holds; takes nothing."""
    counties = claim.county_codes
    if not claim.slots:
        # Whatever else the candidate has, also more than a limit that was lowered since.
        return Granted(counties[0])
    rest = _rest(holding, claim.gives_up)
    if rest is not None:
        if rest.county_code not in counties or rest.slots & claim.slots:
            return AlreadyEnrolled(rest.county_code)
        if rules.single_submission and claim.gives_up is None:
            return OnlyOnce()
        if len(rest.slots) + len(claim.slots) > rules.max_courses:
            return TooManyCourses(rules.max_courses)
        counties = (rest.county_code,)
    full: list[tuple[str, tuple[int, ...]]] = []
    for county_code in counties:
        keys = keys_of(county_code, claim.new_slots(county_code))
        lacking = [key.slot for key in keys if left.get(key, 0) < 1]
        if not lacking:
            return Granted(county_code)
        full.append((county_code, tuple(lacking)))
    return SoldOut(tuple(full))


def is_plenty(
    claims: Mapping[Claim, int],
    free: Mapping[SeatKey, int],
    holdings: Mapping[P, Holding],
    spare: int,
) -> bool:
    """Whether all surely get the county that they like best, and `spare` seats are left.

    `claims` says how many claim what, of whom none claims twice, `holdings` what some of these
    have. Nothing is to be decided then. Never so where somebody has or gives up seats.
    """
    if holdings or any(claim.gives_up is not None for claim in claims):
        return False
    wanted: Counter[SeatKey] = Counter()
    for claim, count in claims.items():
        for key in keys_of(claim.county_codes[0], claim.slots):
            wanted[key] += count
    return all(free.get(key, 0) >= count + spare for key, count in wanted.items())


def is_hopeless(claim: Claim, free: Mapping[SeatKey, int]) -> bool:
    """Whether each county of a claim lacks a seat; one of which nothing is known does not."""
    for county_code in claim.county_codes:
        for key in keys_of(county_code, claim.new_slots(county_code)):
            if free.get(key, 1) < 1:
                break
        else:
            return False
    return True


def _rest(holding: Holding | None, given_up: Holding | None) -> Holding | None:
    """What a candidate has besides what is given up."""
    if holding is None or given_up is None:
        return holding
    slots = holding.slots - given_up.slots
    return Holding(holding.county_code, slots) if slots else None
