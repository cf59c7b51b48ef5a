"""Batch allocation: the rules that hold for any rush."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_enrollment.domain.allocation import (
    Allocation,
    AlreadyEnrolled,
    Claim,
    Decision,
    Granted,
    Holding,
    OnlyOnce,
    Rules,
    SeatKey,
    SoldOut,
    TooManyCourses,
    is_hopeless,
    is_plenty,
    seat_keys,
)

COUNTIES = ("510104", "510105", "510107")
SLOTS = (1, 2, 3, 4)
MAX_COURSES = 4
# Who claims what.
Theirs = tuple[str, Claim]

slot_sets = st.frozensets(st.sampled_from(SLOTS), min_size=1)
claim_lists = st.lists(
    st.tuples(
        st.integers(0, 25).map(str),
        st.builds(
            Claim,
            slots=slot_sets,
            county_codes=st.lists(
                st.sampled_from(COUNTIES), min_size=1, max_size=3, unique=True
            ).map(tuple),
            gives_up=st.none(),
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


def claim(candidate: str, *slots: int, counties: tuple[str, ...] = COUNTIES[:1]) -> Theirs:
    """A claim of one candidate."""
    return candidate, Claim(frozenset(slots), counties)


def allocate(
    claims: list[Theirs],
    free: dict[SeatKey, int],
    holdings: dict[str, Holding],
    max_courses: int,
) -> list[Decision]:
    """Decide claims one after the other."""
    allocation = Allocation(free, holdings, Rules(max_courses))
    return [allocation.decide(*each) for each in claims]


def change(
    candidate: str, *slots: int, gives_up: Holding, counties: tuple[str, ...] = COUNTIES[:1]
) -> Theirs:
    """A claim of one candidate for other seats than an order's."""
    return candidate, Claim(frozenset(slots), counties, gives_up)


def taken(claims: list[Theirs], decisions: list[Decision]) -> Counter[SeatKey]:
    """Seats that the decisions take from each ledger row."""
    return Counter(
        SeatKey(decision.county_code, slot)
        for (_, claim), decision in zip(claims, decisions, strict=True)
        if isinstance(decision, Granted)
        for slot in claim.slots
    )


@given(claim_lists, ledgers, holding_maps)
def test_never_oversells(
    claims: list[Theirs], free: dict[SeatKey, int], holdings: dict[str, Holding]
) -> None:
    """No row gives more seats than it had free."""
    used = taken(claims, allocate(claims, free, holdings, MAX_COURSES))
    assert all(count <= free[key] for key, count in used.items())


@given(claim_lists, ledgers, holding_maps)
def test_one_county_no_slot_twice(
    claims: list[Theirs], free: dict[SeatKey, int], holdings: dict[str, Holding]
) -> None:
    """A candidate ends in one county, at most once in a slot, with what was held before."""
    decisions = allocate(claims, free, holdings, MAX_COURSES)
    seats = Counter(
        (candidate, slot) for candidate, held in holdings.items() for slot in held.slots
    )
    counties = {candidate: {held.county_code} for candidate, held in holdings.items()}
    for (candidate, each), decision in zip(claims, decisions, strict=True):
        if isinstance(decision, Granted):
            seats.update((candidate, slot) for slot in each.slots)
            counties.setdefault(candidate, set()).add(decision.county_code)
            assert decision.county_code in each.county_codes
    assert all(count == 1 for count in seats.values())
    assert all(len(codes) == 1 for codes in counties.values())


@given(claim_lists, ledgers)
def test_ranked_order_and_no_needless_refusal(
    claims: list[Theirs], free: dict[SeatKey, int]
) -> None:
    """A claim gets its first county with all seats left by those before it, else learns why."""
    decisions = allocate(claims, free, {}, MAX_COURSES)
    left = Counter(free)
    for (_, each), decision in zip(claims, decisions, strict=True):
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
    claims: list[Theirs], free: dict[SeatKey, int], holdings: dict[str, Holding], cut: int
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
def test_rows_are_locked_in_one_order(claims: list[Theirs]) -> None:
    """The keys are sorted, once each, whatever the order of the claims."""
    wanted = [each for _, each in claims]
    keys = seat_keys(wanted)
    assert keys == sorted(set(keys)) == seat_keys(reversed(wanted))


@given(claim_lists, ledgers, holding_maps, st.integers(0, 3))
def test_where_there_is_plenty_all_get_what_they_like_best(
    claims: list[Theirs], free: dict[SeatKey, int], holdings: dict[str, Holding], spare: int
) -> None:
    """Nothing is to be decided then, and `spare` seats are left in each row that gives some."""
    claims = list(dict(claims).items())
    wanted = Counter(each for _, each in claims)
    if theirs := {who: holdings[who] for who, _ in claims if who in holdings}:
        assert not is_plenty(wanted, free, theirs, spare)
        holdings = {}
    decisions = allocate(claims, free, holdings, MAX_COURSES)
    best: list[Decision] = [Granted(each.county_codes[0]) for _, each in claims]
    used = taken(claims, best)
    plenty = all(free[key] >= count + spare for key, count in used.items())
    assert is_plenty(wanted, free, {}, spare) == plenty
    assert decisions == best or not plenty


def test_who_gives_up_seats_is_decided() -> None:
    """Whether what is given up is enough the rows alone say."""
    _, moving = change("a", 1, gives_up=Holding("510105", frozenset({1})))
    _, new = claim("a", 1)
    free = {SeatKey("510104", 1): 9}
    assert is_plenty({new: 1}, free, {}, 8)
    assert not is_plenty({new: 1}, free, {}, 9)
    assert not is_plenty({moving: 1}, free, {}, 0)


@given(st.data(), ledgers, holding_maps)
def test_changes_neither_lose_nor_make_seats(
    data: st.DataObject, free: dict[SeatKey, int], holdings: dict[str, Holding]
) -> None:
    """Whatever is changed, added or given up: free seats and those that people have add up."""
    left, has = Counter(free), dict(holdings)
    allocation = Allocation(free, holdings, Rules(MAX_COURSES))
    for candidate, wish in data.draw(claim_lists):
        own = has.get(candidate)
        gives_up = own if data.draw(st.booleans()) else None
        nothing_more = gives_up is not None and data.draw(st.booleans())
        wanted: frozenset[int] = frozenset() if nothing_more else wish.slots
        counties = (gives_up.county_code,) if gives_up and not wanted else wish.county_codes
        decision = allocation.decide(candidate, Claim(wanted, counties, gives_up))
        if not isinstance(decision, Granted):
            continue
        kept = own if own and not gives_up else None
        slots = wanted | (kept.slots if kept else frozenset())
        left.update(own.keys if own else ())
        has.pop(candidate, None)
        if slots:
            has[candidate] = Holding(decision.county_code, slots)
            left.subtract(has[candidate].keys)
        assert min(left.values()) >= 0
    for key in free:
        decision = allocation.decide(*claim(str(key), key.slot, counties=(key.county_code,)))
        assert isinstance(decision, Granted) == (left[key] > 0)


def test_a_change_keeps_what_it_has_and_wants() -> None:
    """A full slot in which the candidate sits is no obstacle; a full new one is, and all stays."""
    full = {SeatKey("510104", slot): 0 for slot in SLOTS}
    own = Holding("510104", frozenset({1, 2}))
    free = full | {SeatKey("510104", 3): 1}
    both = change("a", 1, 3, gives_up=own), claim("b", 2)
    assert allocate([*both], free, {"a": own}, 2) == [Granted("510104"), Granted("510104")]
    refused = change("a", 1, 4, gives_up=own), claim("b", 2)
    lacking = SoldOut((("510104", (4,)),))
    assert allocate([*refused], free, {"a": own}, 2) == [lacking, SoldOut((("510104", (2,)),))]
    assert not is_hopeless(both[0][1], free)
    assert is_hopeless(refused[0][1], free)


def test_a_change_of_county_gives_every_seat_back() -> None:
    """The next one in the batch has them; another order of the candidate forbids the change."""
    free = {SeatKey("510105", slot): 1 for slot in SLOTS}
    free |= {SeatKey("510104", slot): 0 for slot in SLOTS}
    own = Holding("510104", frozenset({1}))
    moving = change("a", 1, gives_up=own, counties=("510105",))
    assert allocate([moving, claim("b", 1)], free, {"a": own}, 4) == [
        Granted("510105"),
        Granted("510104"),
    ]
    more = Holding("510104", frozenset({1, 2}))
    assert allocate([moving], free, {"a": more}, 4) == [AlreadyEnrolled("510104")]


def test_what_is_given_up_is_free_for_the_next() -> None:
    """A claim without slots takes nothing and is always granted."""
    own = Holding("510104", frozenset({1, 2}))
    free = dict.fromkeys(own.keys, 0)
    nothing = change("a", gives_up=own)
    decisions = allocate([nothing, claim("b", 1, 2), claim("a", 1)], free, {"a": own}, 4)
    assert decisions == [Granted("510104"), Granted("510104"), SoldOut((("510104", (1,)),))]


@pytest.mark.parametrize("single_submission", [False, True])
def test_additions_can_be_forbidden(single_submission: bool) -> None:
    """Who sits may add nothing then, but change what is there."""
    own = Holding("510104", frozenset({1}))
    free = {SeatKey("510104", slot): 9 for slot in SLOTS}
    rules = Rules(MAX_COURSES, single_submission)
    allocation = Allocation(free, {"a": own}, rules)
    assert allocation.decide(*claim("a", 2)) == (
        OnlyOnce() if single_submission else Granted("510104")
    )
    assert allocation.decide(*change("a", 3, gives_up=own)) == Granted("510104")


def test_who_only_gives_up_is_never_refused() -> None:
    """Also when a limit was lowered below what the candidate has besides."""
    given_up = change("a", gives_up=Holding(COUNTIES[0], frozenset({3})))
    holdings = {"a": Holding(COUNTIES[0], frozenset({1, 2, 3}))}
    assert allocate([given_up], {SeatKey(COUNTIES[0], 3): 0}, holdings, max_courses=1) == [
        Granted(COUNTIES[0])
    ]
