"""From the sites that rooms are at to ways over the sites: whoever can, stays at one."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from zikao_tickets.domain.plan import Itinerary
from zikao_tickets.domain.roster import Kind

Quotas = Mapping[tuple[int, str], Mapping[str, int]]
"""(Slot, course) to site to people that its rooms there take."""

Homes = Mapping[Kind, Mapping[str, int]]
"""Kind to site to people who should sit there in all their slots."""


def follow(homes: Homes, quotas: Quotas) -> list[Itinerary]:
    """Ways that fill every quota; a sitting leaves home only where its home has too many.

    Both sides of a course have the same sum over the sites.
    """
    ways = {
        (kind, (site,) * len(kind.choice)): people
        for kind, sites in sorted(homes.items())
        for site, people in sorted(sites.items())
        if people
    }
    for taken, sites in sorted(quotas.items()):
        ways = _with_quota(ways, taken, sites)
    return [Itinerary(kind, sites, people) for (kind, sites), people in sorted(ways.items())]


Ways = dict[tuple[Kind, tuple[str, ...]], int]


def _with_quota(ways: Ways, taken: tuple[int, str], quota: Mapping[str, int]) -> Ways:
    """The ways with one course brought to its quota."""
    takers = [
        (kind, sites, kind.choice.index(taken)) for kind, sites in ways if taken in kind.choice
    ]
    there: Counter[str] = Counter()
    for kind, sites, at in takers:
        there[sites[at]] += ways[kind, sites]
    over = {site: there[site] - quota.get(site, 0) for site in there}
    missing = [(site, quota[site] - there[site]) for site in sorted(quota)]
    missing = [(site, people) for site, people in missing if people > 0]
    changed: defaultdict[tuple[Kind, tuple[str, ...]], int] = defaultdict(int, ways)
    # Last who needs an accessible seat; first who changes already, then who has few sittings.
    takers.sort(key=lambda each: (each[0].accessible, -len(set(each[1])), len(each[1]), each))
    for kind, sites, at in takers:
        while changed[kind, sites] and over[sites[at]] > 0:
            site, people = missing.pop()
            moved = min(people, changed[kind, sites], over[sites[at]])
            changed[kind, sites] -= moved
            changed[kind, (*sites[:at], site, *sites[at + 1 :])] += moved
            over[sites[at]] -= moved
            if people > moved:
                missing.append((site, people - moved))
    return {way: people for way, people in changed.items() if people}
