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
    ways: Ways = {
        kind: {(site,) * len(kind.choice): people for site, people in sites.items() if people}
        for kind, sites in sorted(homes.items())
    }
    takers: defaultdict[tuple[int, str], list[Kind]] = defaultdict(list)
    for kind in ways:
        for taken in kind.choice:
            takers[taken].append(kind)
    for taken, quota in sorted(quotas.items()):
        _bring_to(quota, taken, {kind: ways[kind] for kind in takers[taken]})
    return [
        Itinerary(kind, sites, people)
        for kind, there in ways.items()
        for sites, people in sorted(there.items())
        if people
    ]


Ways = dict[Kind, dict[tuple[str, ...], int]]


def _bring_to(quota: Mapping[str, int], taken: tuple[int, str], ways: Ways) -> None:
    """Change the ways of who takes a course such that each site has its quota of it."""
    takers = [
        (kind, sites, kind.choice.index(taken)) for kind, there in ways.items() for sites in there
    ]
    there: Counter[str] = Counter()
    for kind, sites, at in takers:
        there[sites[at]] += ways[kind][sites]
    over = {site: there[site] - quota.get(site, 0) for site in there}
    missing = [(site, quota[site] - there[site]) for site in sorted(quota)]
    missing = [(site, people) for site, people in missing if people > 0]
    if not missing:
        return
    # Last who needs an accessible seat; first who changes already, then who has few sittings.
    takers.sort(key=lambda each: (each[0].accessible, -len(set(each[1])), len(each[1]), each))
    for kind, sites, at in takers:
        while ways[kind][sites] and over[sites[at]] > 0:
            site, people = missing.pop()
            moved = min(people, ways[kind][sites], over[sites[at]])
            ways[kind][sites] -= moved
            elsewhere = (*sites[:at], site, *sites[at + 1 :])
            ways[kind][elsewhere] = ways[kind].get(elsewhere, 0) + moved
            over[sites[at]] -= moved
            if people > moved:
                missing.append((site, people - moved))
