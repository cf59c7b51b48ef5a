"""What an opening is like, as data: `examples/rush/*.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import yaml

ROLES_THAT_PAY = ("prompt", "twice", "late", "never", "wrong_amount")
WAYS = ("plan", "enrollment", "portal")


class ScenarioError(ValueError):
    """A scenario file says something that cannot be; the message names it."""


@dataclass(frozen=True)
class Paying:
    """Who of those with seats goes on to pay, and how.

    `share` of them open a payment, and begin after a time whose logarithm is normal: `median`
    seconds, `sigma`, at most `longest_seconds`. Of these so many pay `twice`, `late` (after the
    seats went back), `never`, or a `wrong_amount`; the rest promptly and once.
    """

    share: float = 0.03
    median_seconds: float = 3.0
    sigma: float = 0.8
    longest_seconds: float = 20.0
    late: float = 0.03
    twice: float = 0.02
    never: float = 0.10
    wrong_amount: float = 0.002

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        odd = (self.late, self.twice, self.never, self.wrong_amount)
        if not 0 <= self.share <= 1 or min(odd) < 0 or sum(odd) > 1:
            raise ScenarioError("pay: shares are from 0 to 1, and all odd ones together at most 1")
        if self.median_seconds <= 0 or self.sigma < 0:
            raise ScenarioError("pay: median_seconds is above 0, sigma at least 0")


@dataclass(frozen=True)
class Scenario:
    """An opening.

    `arrival`: points of relative time (0: the opening, 1: the end of the load) and relative rate,
    with straight lines between. `counties_zipf`: how skewed the wish for counties is, the largest
    first. `courses`: how many courses people take, to shares. `ways`: how they submit, to shares:
    a plan saved before, a choice, or through a portal's stream. `seats_scale`: seats for each
    100,000 candidates, in units of the session file. With a `waiting_room`, `waiting_share` of
    the people are in it before the opening, all of whom want seats at the opening itself; the
    others come in when they arrive; `tabs_share` of all have it open in so many `tabs`.
    `calm_seconds` come after the load. So many `portals` call for them, each with a throttle.
    """

    name: str = "opening"
    session: Path = Path("examples/sichuan-22.1.yaml")
    track: str = "social"
    candidates: int = 100_000
    load_factor: float = 3.0
    calibration_seconds: float = 12.0
    first_rate: float = 500.0
    early_seconds: float = 12.0
    longest_opening_seconds: float = 60.0
    calm_seconds: float = 15.0
    arrival: tuple[tuple[float, float], ...] = ((0, 1), (1, 1))
    counties_zipf: float = 1.1
    seats_scale: float = 1.0
    courses: Mapping[int, float] = field(default_factory=lambda: {1: 1.0})
    ways: Mapping[str, float] = field(default_factory=lambda: {"enrollment": 1.0})
    browse_share: float = 0.1
    portals: int = 4
    waiting_room: bool = False
    waiting_share: float = 0.6
    tabs: int = 3
    tabs_share: float = 0.25
    patience_seconds: float = 60.0
    logins: int = 300
    pay: Paying = field(default_factory=Paying)

    def __post_init__(self) -> None:
        """Refuse what no opening is like."""
        if self.candidates < 1 or self.load_factor <= 0 or min(self.tabs, self.portals) < 1:
            raise ScenarioError("candidates, tabs and portals are at least 1, load_factor above 0")
        times, rates = zip(*self.arrival, strict=True) if self.arrival else ((), ())
        if len(times) < 2 or times[0] != 0 or times[-1] != 1 or list(times) != sorted(times):
            raise ScenarioError("arrival: times go from 0 to 1, and never back")
        if min(rates) < 0 or max(rates) <= 0:
            raise ScenarioError("arrival: rates are at least 0, and one is above")
        _require_shares("courses", self.courses)
        _require_shares("ways", self.ways)
        if set(self.ways) - set(WAYS):
            raise ScenarioError(f"ways: only {', '.join(WAYS)}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file; `session` is relative to it. Raises ScenarioError, OSError."""
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ScenarioError(f"{path}: {error}") from error
        known = {each.name for each in fields(cls)}
        if not isinstance(content, dict):
            raise ScenarioError(f"{path}: unknown content, not keys with values")
        if unknown := set(content) - known:
            raise ScenarioError(f"{path}: unknown {', '.join(map(str, unknown))}")
        try:
            made = cls(**{key: _READERS.get(key, _as_is)(value) for key, value in content.items()})
        except (TypeError, ValueError, AttributeError) as error:
            raise ScenarioError(f"{path}: {error}") from error
        return replace(made, session=path.parent / made.session)

    def scaled(self, scale: float) -> Self:
        """With so many times the candidates (at least one)."""
        return replace(self, candidates=max(1, round(self.candidates * scale)))


def _require_shares(name: str, shares: Mapping[Any, float]) -> None:
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ScenarioError(f"{name}: shares are at least 0 and make 1 together")


def _as_is(value: Any) -> Any:
    return value


def _points(value: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(rate)) for at, rate in value)


def _paying(value: Mapping[str, float]) -> Paying:
    return Paying(**value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "session": Path,
    "arrival": _points,
    "pay": _paying,
}
