"""Who changes site, against trying everything in counties of two sites."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from support.tickets_arranging import planned
from zikao_tickets.domain.itineraries import follow
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Kind, Roster, Sitting

SEATS, ROOMS_A_SITE = 3, 2
ROOMS = [Room(site, f"{n:03}", SEATS) for site in "AB" for n in range(1, ROOMS_A_SITE + 1)]
CHOICES = st.lists(
    st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from([None, "c", "d"])).filter(any),
    min_size=1,
    max_size=8,
)


@cache
def bins(sizes: tuple[int, ...]) -> int:
    """The fewest rooms for groups that are not split."""
    if not sizes:
        return 0
    return min(
        max(places) + 1
        for places in product(range(len(sizes)), repeat=len(sizes))
        if max(loads(places, sizes)) <= SEATS
    )


def loads(places: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """People by room."""
    return [
        sum(s for p, s in zip(places, sizes, strict=True) if p == at) for at in range(len(sizes))
    ]


def fits(courses: Sequence[str], sites: Sequence[int]) -> bool:
    """Tell whether a slot can be held like this in the fewest rooms, no remainder split."""
    there = [Counter(c for c, s in zip(courses, sites, strict=True) if s == at) for at in (0, 1)]
    whole = bins(tuple(sorted(n % SEATS for n in Counter(courses).values() if n % SEATS)))
    fewest = whole + sum(n // SEATS for n in Counter(courses).values())
    for course in set(courses):
        if all(each[course] % SEATS for each in there):
            return False
    rooms = [
        sum(n // SEATS for n in each.values())
        + bins(tuple(sorted(n % SEATS for n in each.values() if n % SEATS)))
        for each in there
    ]
    return max(rooms) <= ROOMS_A_SITE and sum(rooms) == fewest


def fewest_changes(choices: Sequence[tuple[str | None, str | None]]) -> int | None:
    """Sittings away from home at least, by trying every site for every sitting."""
    slots = [[at for at, choice in enumerate(choices) if choice[slot]] for slot in (0, 1)]

    def ways(slot: int) -> Iterator[dict[int, int]]:
        people = slots[slot]
        courses = [str(choices[at][slot]) for at in people]
        for sites in product((0, 1), repeat=len(people)):
            if fits(courses, sites):
                yield dict(zip(people, sites, strict=True))

    second = list(ways(1))
    return min(
        (
            sum(one[at] != two[at] for at in one.keys() & two.keys())
            for one in ways(0)
            for two in second
        ),
        default=None,
    )


@given(CHOICES)
@settings(max_examples=40, deadline=None)
def test_few_change_site_and_the_bound_holds(choices: list[tuple[str | None, str | None]]) -> None:
    """At least as many as any arrangement has, at most what is found; a gap has a reason."""
    roster = Roster.of(
        Sitting(f"{at}", slot, course)
        for at, choice in enumerate(choices)
        for slot, course in enumerate(choice, start=1)
        if course
    )
    figures = planned(roster, ROOMS).figures
    best = fewest_changes(choices)
    assert best is not None
    assert figures.site_changes_bound <= best <= figures.site_changes
    assert (figures.gap_reason is None) == (figures.site_changes == figures.site_changes_bound)


def test_a_bound_above_nothing_is_met() -> None:
    """Two courses of one room each whose people differ in the next slot: two must move."""
    choices = [("a", "c")] * 2 + [("b", "c"), ("b", "d")] * 2
    roster = Roster.of(
        Sitting(f"{at}", slot, choice[slot - 1])
        for at, choice in enumerate(choices)
        for slot in (1, 2)
    )
    figures = planned(roster, [Room(site, "001", 4) for site in "AB"]).figures
    assert (figures.site_changes, figures.site_changes_bound) == (2, 2)
    assert (figures.changers, figures.gap_reason) == (2, None)


def test_nobody_changes_site_where_courses_are_small() -> None:
    """Two sites, 12 courses a slot, of which the half have less than two rooms."""
    random = Random(1)
    liking = [1 / rank for rank in range(1, 13)]
    sittings = [
        Sitting(f"{person:04}", slot, f"{slot}{course:02}")
        for person in range(1_000)
        for slot in sorted(random.sample(range(1, 5), random.choice((1, 2, 3, 4))))
        for course in random.choices(range(12), liking)
    ]
    rooms = [Room(site, f"{n:03}", 30) for site in "AB" for n in range(1, 23)]
    figures = planned(Roster.of(sittings), rooms).figures
    assert (figures.rooms, figures.site_changes) == (figures.rooms_bound, 0)


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("AB")), min_size=1, max_size=9))
def test_ways_fill_every_quota_whatever_the_homes(sites: list[tuple[str, str]]) -> None:
    """Where rooms are elsewhere than homes, as many sittings leave as there are too many."""
    kind = Kind(((1, "a"), (2, "b")), accessible=False)
    homes = {kind: Counter(home for home, _ in sites)}
    quota = Counter(there for _, there in sites)
    ways = follow(homes, {(1, "a"): homes[kind], (2, "b"): quota})
    seated: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for way in ways:
        for (slot, _), site in zip(kind.choice, way.sites, strict=True):
            seated[slot][site] += way.people
    assert (seated[1], seated[2]) == (+homes[kind], +quota)
    away = sum(max(0, homes[kind][site] - quota[site]) for site in "AB")
    assert sum(way.people * way.changes for way in ways) == away
