"""Batch allocation: the rules that hold for any rush."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from zikao_enrollment.domain.allocation import (
    AlreadyEnrolled,
    Claim,
    Decision,
    Granted,
    Holding,
    SeatKey,
    SoldOut,
    TooManyCourses,
    allocate,
    seat_keys,
)

COUNTIES = ("510104", "510105", "510107")
SLOTS = (1, 2, 3, 4)
MAX_COURSES = 4

slot_sets = st.frozensets(st.sampled_from(SLOTS), min_size=1)
claim_lists = st.lists(
    st.builds(
        Claim,
        candidate_id=st.integers(0, 25).map(str),
        slots=slot_sets,
        county_codes=st.lists(st.sampled_from(COUNTIES), min_size=1, max_size=3, unique=True).map(
            tuple
        ),
    ),
    max_size=40,
)
ledgers = st.fixed_dictionaries(
    {SeatKey(county, slot): st.integers(0, 8) for county in COUNTIES for slot in SLOTS}
)
holding_maps = st.dictionaries(
    st.integers(0, 25).map(str), st.builds(Holding, st.sampled_from(COUNTIES), slot_sets)
)


def claim(candidate: str, *slots: int, counties: tuple[str, ...] = COUNTIES[:1]) -> Claim:
    """A claim of one candidate."""
    return Claim(candidate, frozenset(slots), counties)


def taken(claims: list[Claim], decisions: list[Decision]) -> Counter[SeatKey]:
    """Seats that the decisions take from each ledger row."""
    return Counter(
        SeatKey(decision.county_code, slot)
        for claim, decision in zip(claims, decisions, strict=True)
        if isinstance(decision, Granted)
        for slot in claim.slots
    )


@given(claim_lists, ledgers, holding_maps)
def test_never_oversells(
    claims: list[Claim], free: dict[SeatKey, int], holdings: dict[str, Holding]
) -> None:
    """No row gives more seats than it had free."""
    used = taken(claims, allocate(claims, free, holdings, MAX_COURSES))
    assert all(count <= free[key] for key, count in used.items())


@given(claim_lists, ledgers, holding_maps)
def test_one_county_no_slot_twice(
    claims: list[Claim], free: dict[SeatKey, int], holdings: dict[str, Holding]
) -> None:
    """A candidate ends in one county, at most once in a slot, with what was held before."""
    decisions = allocate(claims, free, holdings, MAX_COURSES)
    seats = Counter(
        (candidate, slot) for candidate, held in holdings.items() for slot in held.slots
    )
    counties = {candidate: {held.county_code} for candidate, held in holdings.items()}
    for each, decision in zip(claims, decisions, strict=True):
        if isinstance(decision, Granted):
            seats.update((each.candidate_id, slot) for slot in each.slots)
            counties.setdefault(each.candidate_id, set()).add(decision.county_code)
            assert decision.county_code in each.county_codes
    assert all(count == 1 for count in seats.values())
    assert all(len(codes) == 1 for codes in counties.values())


@given(claim_lists, ledgers)
def test_ranked_order_and_no_needless_refusal(
    claims: list[Claim], free: dict[SeatKey, int]
) -> None:
    """A claim gets its first county with all seats left by those before it, else learns why."""
    decisions = allocate(claims, free, {}, MAX_COURSES)
    left = Counter(free)
    for each, decision in zip(claims, decisions, strict=True):
        full = tuple(
            (county, tuple(slot for slot in sorted(each.slots) if left[SeatKey(county, slot)] < 1))
            for county in each.county_codes
        )
        open_counties = [county for county, slots in full if not slots]
        if isinstance(decision, Granted):
            assert decision.county_code in open_counties
            left.subtract(SeatKey(decision.county_code, slot) for slot in each.slots)
        elif isinstance(decision, SoldOut):
            assert set(decision.full) <= set(full)
            assert all(slots for _, slots in decision.full)


@given(claim_lists, ledgers, holding_maps, st.integers(0, 40))
def test_later_claims_change_nothing_before_them(
    claims: list[Claim], free: dict[SeatKey, int], holdings: dict[str, Holding], cut: int
) -> None:
    """Who arrives first is decided as if nobody came after."""
    whole = allocate(claims, free, holdings, MAX_COURSES)
    assert allocate(claims[:cut], free, holdings, MAX_COURSES) == whole[:cut]


def test_all_or_nothing() -> None:
    """One full slot refuses the whole claim and takes no seat from the next one."""
    free = {SeatKey(COUNTIES[0], 1): 1, SeatKey(COUNTIES[0], 2): 0}
    decisions = allocate([claim("a", 1, 2), claim("b", 1)], free, {}, MAX_COURSES)
    assert decisions == [SoldOut(((COUNTIES[0], (2,)),)), Granted(COUNTIES[0])]


def test_sold_out_names_the_full_slots_of_every_county() -> None:
    """The refusal lists each county of the choice in its order, with its full slots."""
    free = {SeatKey("510104", 1): 1, SeatKey("510105", 2): 1}
    decisions = allocate([claim("a", 1, 2, counties=("510105", "510104"))], free, {}, MAX_COURSES)
    assert decisions == [SoldOut((("510105", (1,)), ("510104", (2,))))]


def test_additions_stay_in_the_county() -> None:
    """More courses only where the candidate sits already, in other slots, up to the limit."""
    free = {SeatKey(county, slot): 9 for county in COUNTIES for slot in SLOTS}
    holdings = {"a": Holding("510104", frozenset({1, 2}))}
    both = ("510105", "510104")
    claims = [
        claim("a", 3, counties=("510105",)),
        claim("a", 2, counties=both),
        claim("a", 3, counties=both),
        claim("a", 4, counties=both),
    ]
    assert allocate(claims, free, holdings, 3) == [
        AlreadyEnrolled("510104"),
        AlreadyEnrolled("510104"),
        Granted("510104"),
        TooManyCourses(3),
    ]


@given(claim_lists)
def test_rows_are_locked_in_one_order(claims: list[Claim]) -> None:
    """The keys are sorted, once each, whatever the order of the claims."""
    keys = seat_keys(claims)
    assert keys == sorted(set(keys)) == seat_keys(reversed(claims))
