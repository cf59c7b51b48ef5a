"""Which faults happen in which order: drawn from a seed, every kind at least once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

SERVICES = ("registration", "enrollment", "enrollment-2", "tickets", "payment")
# One in so many comes together with another.
PAIRS = 10
CLOCK_JUMP = "clock_jump"
# Kinds that need the whole installation to themselves: they end, or wait for, everything else.
ALONE = frozenset({"full_disk", "clock_jump", "kill_database", "kill_backend"})
# Kinds of the proxy between services and database: there is one, and it does one of them at a time.
OF_THE_PROXY = frozenset(
    {
        "cut_before_commit",
        "cut_during_commit",
        "cut_after_commit",
        "cut_all",
        "lose_network",
        "refuse_connections",
    }
)


@dataclass(frozen=True)
class Fault:
    """What is broken, whose, and for how long; `at` in seconds from the start of a rehearsal.

    `seed` decides what is left to chance, so that it can be had again.
    """

    kind: str
    victim: str
    at: float
    seconds: float
    seed: int


@dataclass(frozen=True)
class Plan:
    """Of one kind: its share of all faults, whom it may hit, and how long it lasts at most."""

    weight: float
    victims: Sequence[str]
    seconds: tuple[float, float] = (0.0, 0.0)


PLANS: Mapping[str, Plan] = {
    "kill": Plan(20, (*SERVICES, "enrollment", "enrollment-2", "outside")),
    "kill_database": Plan(4, ("postgres",)),
    "kill_backend": Plan(4, ("zikao_enrollment", "zikao_tickets", "zikao_registration")),
    "freeze": Plan(12, (*SERVICES, "enrollment", "enrollment-2"), (0.5, 6.0)),
    "freeze_backend": Plan(6, ("zikao_enrollment",), (0.5, 6.5)),
    "cut_before_commit": Plan(8, ("zikao_enrollment", "zikao_enrollment", "zikao_tickets")),
    "cut_during_commit": Plan(8, ("zikao_enrollment", "zikao_enrollment", "zikao_tickets")),
    "cut_after_commit": Plan(8, ("zikao_enrollment", "zikao_enrollment", "zikao_tickets")),
    "cut_all": Plan(4, ("database connections",)),
    "lose_network": Plan(3, ("database connections",), (0.5, 2.0)),
    "refuse_connections": Plan(2, ("database connections",), (0.5, 2.0)),
    "platform_slow": Plan(3, ("payment",), (1.0, 2.0)),
    "platform_repeats": Plan(3, ("payment",), (1.0, 2.0)),
    "platform_reorders": Plan(3, ("payment",), (1.0, 2.0)),
    "platform_down": Plan(3, ("payment",), (1.0, 2.5)),
    "platform_loses_answers": Plan(3, ("payment",), (1.0, 2.0)),
    "full_disk": Plan(4, ("tables", "write-ahead log"), (1.0, 2.0)),
    "clock_jump": Plan(5, ("+31 min", "-5 min", "+2 h")),
}
KINDS = tuple(PLANS)


def draw_faults(
    seed: int, count: int, kinds: Sequence[str] = KINDS, every_seconds: float = 0.0
) -> list[Fault]:
    """`count` faults, each kind by its weight and at least once, `every_seconds` one."""
    chance = Random(f"faults:{seed}")  # noqa: S311 - to be drawn again
    names = list(_shares(count, kinds).elements())
    chance.shuffle(names)
    return [_fault(name, number * every_seconds, chance) for number, name in enumerate(names)]


def _fault(kind: str, at: float, chance: Random) -> Fault:
    plan = PLANS[kind]
    seconds = round(chance.uniform(*plan.seconds), 2)
    return Fault(kind, chance.choice(plan.victims), at, seconds, chance.randrange(2**32))


def _shares(count: int, kinds: Sequence[str]) -> Counter[str]:
    """How often each kind: by weight, the largest remainders rounded up, none left out."""
    if count < len(kinds):
        raise ValueError(f"{count} faults are too few for {len(kinds)} kinds")
    rest, total = count - len(kinds), sum(PLANS[kind].weight for kind in kinds)
    exact = {kind: rest * PLANS[kind].weight / total for kind in kinds}
    shares = Counter({kind: 1 + int(exact[kind]) for kind in kinds})
    by_remainder = sorted(kinds, key=lambda kind: exact[kind] - int(exact[kind]), reverse=True)
    shares.update(by_remainder[: count - shares.total()])
    return shares


def grouped(faults: Sequence[Fault], seed: int) -> Iterator[tuple[Fault, ...]]:
    """The faults in their order, now and then two at once of different victims."""
    chance, left = Random(f"pairs:{seed}"), list(faults)  # noqa: S311 - to be drawn again
    while left:
        first = left.pop(0)
        together = left and chance.randrange(PAIRS) == 0 and _go_together(first, left[0])
        yield (first, left.pop(0)) if together else (first,)


def _go_together(first: Fault, second: Fault) -> bool:
    kinds = {first.kind, second.kind}
    if len(kinds) < 2 or kinds & ALONE or kinds <= OF_THE_PROXY:
        return False
    return first.victim != second.victim
