"""What a rehearsal writes down: ticks while it runs, and its report (`report.json`).

Seconds are those since the opening (negative before it), rates are per second, latencies are in
milliseconds, money in fen. Blobs are HDR histograms (V2, base64) of microseconds, which standard
tools read and which can be added to each other.

`offered` counts every attempt at its intended time, also of those whom their own client held back
(`held_back`): a candidate wanted it then. `sent` left the generator; of these each was `accepted`,
`shed` (OVERLOADED: come again), `refused` for good (such as SOLD_OUT), or is `doubtful` (no
answer, to be asked again). `dropped` is what the generator could not send in time: a fault of the
measurement.

Who makes what of them: `verdict.judge(metrics, inconclusive_because)` gives the verdict and an
ObjectiveResult for each objective; `display.showing()` is a context with a function that is
given a Live twice a second; `report.page.write_page(report, path)` makes the page for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

REPORT_VERSION = 2

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]

# Kinds of latencies: `journey` from a candidate's first intended start to the final answer, with
# all pauses between; the others from an attempt's intended start to its answer.
JOURNEY, SUBMIT, BROWSE, JOIN, PAY, NOTIFY = (
    "journey",
    "submit",
    "browse",
    "join",
    "pay",
    "notify",
)


class Counts(TypedDict):
    """Of submissions alone; see the module."""

    offered: int
    held_back: int
    sent: int
    accepted: int
    shed: int
    refused: int
    doubtful: int
    dropped: int


class Tick(Counts):
    """Half a second of one generator process, or of all of them in a report."""

    at: float  # its end
    phase: str
    waiting: int  # candidates who have begun and have no final answer
    in_flight: int
    lag_ms: float  # 99th percentile: how late the generator was
    came: int  # for the first time
    browsed: int
    paid: int  # payments made at the platform
    hist: dict[str, str]  # kind -> blob, of accepted calls


class Latency(TypedDict):
    """A distribution."""

    kind: str
    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    hist: str


class Phase(Counts):
    """A part of the rehearsal: calibration, early, opening, calm."""

    name: str
    begins: float
    ends: float
    goodput: float  # accepted per second
    submit_p50_ms: float
    submit_p99_ms: float
    cpu: dict[str, float]  # cores used, by server (all services), postgres, generator
    lag_p99_ms: float
    generator_bound: bool


class CountySeats(TypedDict):
    """Free seats of a county over time: `[at, free in its fullest slot]`."""

    county_code: str
    name: str
    capacity: int  # of that slot
    free: list[tuple[float, int]]


class RoomTick(TypedDict):
    """The waiting room at a moment."""

    at: float
    waiting: int
    admitted_until: int
    rate: float  # as asked for, per second


class Draw(TypedDict):
    """What candidates were told of the draw; `told`: how many of those drawn."""

    told: int
    chi_square: float
    chi_square_p: float | None  # None: nothing drawn, or too few were told
    table: list[list[int]]  # order of joining by number told, in equal parts


class Room(Draw):
    """The waiting room of a rehearsal."""

    places: int
    joins: int  # calls: several tabs each
    drawn: int
    ticks: list[RoomTick]


class Payments(TypedDict):
    """Money: what the platform took, and what was booked."""

    made: int
    booked_within_1s: int
    booked: int
    late: int
    twice: int
    wrong_amount: int
    never: int
    refunded: int
    series: list[tuple[float, int, int]]  # at, made, booked; per tick


class FaultRecord(TypedDict):
    """A fault that was injected."""

    at: float
    kind: str
    victim: str
    seconds: float
    recovered_after: float | None
    note: str


class InvariantRecord(TypedDict):
    """A rule, counted at the end."""

    name: str
    title_zh: str
    violations: int


class Check(TypedDict):
    """What the generator knows, compared with the databases; `examples` are ids."""

    name: str
    title_zh: str
    looked_at: int
    violations: int
    examples: list[str]


class ObjectiveResult(TypedDict):
    """An objective of objectives.yaml, judged; `value` None: not measured."""

    name: str
    title_zh: str
    metric: str
    op: str
    limit: float
    value: float | None
    passed: bool | None


class Machine(TypedDict):
    """Where it ran."""

    cores: int
    python: str
    postgres: str
    zikao: str
    generators: int  # processes


class Report(TypedDict):
    """`report.json`, version 1."""

    version: int
    verdict: Verdict
    violations: int
    inconclusive_because: list[str]
    began_at: str  # ISO 8601, UTC
    took_seconds: float
    target: str  # "embedded", or the address
    scenario: str
    seed: int
    plan_sha256: str
    candidates: int
    counties_count: int
    seats: int
    opening_seconds: float
    peak: float  # goodput that the calibration found
    load_factor: float  # those who came in the busiest second / peak
    machine: Machine
    phases: list[Phase]
    ticks: list[Tick]  # all processes together
    latencies: list[Latency]
    counties: list[CountySeats]  # the hottest first
    room: Room | None
    payments: Payments
    faults: list[FaultRecord]
    invariants: list[InvariantRecord]
    checks: list[Check]
    metrics: dict[str, float]
    objectives: list[ObjectiveResult]
    notes_zh: list[str]  # how it was prepared, and what it does not show


class Live(TypedDict):
    """What the display shows, twice a second; rates over the last second."""

    at: float
    phase: str
    offered: float
    sent: float
    held_back: float
    accepted: float
    shed: float
    accepted_in_all: int
    waiting: int
    submit_p50_ms: float
    submit_p99_ms: float
    seats: list[tuple[str, int, int]]  # county's name, free, capacity; the hottest first
    room: RoomTick | None
    paid: int
    booked: int
    invariants_held: int
    invariants_broken: list[str]
    faults: list[str]  # the last ones, for people


# Names in `Report.metrics`, which objectives.yaml may name. What was not measured is not there.
METRICS: Mapping[str, str] = {
    "violations": "all invariants and checks",
    "oversold": "seats beyond the capacity",
    "lost_acknowledgements": "accepted answers that the database does not have so",
    "unacknowledged_orders": "orders of candidates who were refused for good",
    "double_charges": "candidates who paid more than their confirmed orders, not refunded",
    "two_counties": "candidates with seats in two counties of the session",
    "doubtful_unresolved": "calls whose outcome was not found out",
    "load_factor": "those who came in the busiest second, retries apart, over the peak",
    "load_of_sustained": "the same over what was done while overloaded, where that is more",
    "peak": "answered for good a second in the calibration, while a little more was wanted",
    "goodput_overloaded_ratio": "answered for good a second while more is wanted than that, to it",
    "goodput_first_10s_ratio": "the same from one second after it begins to ten",
    "accepted_share": "candidates who got seats or a final no, of all who came",
    "seats_given": "submissions that were accepted in the opening",
    "odd_refusals_share": "refused for another reason than that no seats are left, of all who came",
    "submit_p99_overloaded_ms": "of accepted calls, while overloaded",
    "submit_p99_calm_ms": "of accepted calls, when less than 70 % of the peak is offered",
    "submit_p99_ratio": "the first to the second",
    "journey_p99_seconds": "from wanting to the final answer",
    "payers_failed_share": "who could not pay, of all who were to; there where people pay at all",
    "payments_within_1s_share": "notifications booked within a second",
    "recovery_seconds": "from when no more is wanted than the peak until nobody is turned away",
    "faults_not_recovered": "after which it was not well again in time",
    "faults_without_effect_share": "of the faults, those that found nothing to break",
    "unseen_share": "of a deployment's candidates, those whose orders could not be had afterwards",
    "dropped_share": "of what was offered: the generator's own fault",
    "lag_p99_ms": "how late the generator was",
    "generator_bound_phases": "phases in which it was the bottleneck",
    "room_places_per_candidate": "places over those who joined: 1",
    "numbers_not_as_drawn": "candidates who were told a number that seed and places do not give",
    "room_chi_square_p": "of the numbers that candidates were told, by their order of coming in",
}
