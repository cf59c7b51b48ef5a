"""What a bench is to show, and whether it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Target:
    """A figure and its limit; `is_owed` when beyond it something is wrong, and not just slow.

    None is a figure that could not be had: it keeps to no limit.
    """

    figure: float | None
    at_least: float | None = None
    at_most: float | None = None
    is_owed: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the figure is within the limit."""
        figure = self.figure
        return (
            figure is not None
            and (self.at_least is None or figure >= self.at_least)
            and (self.at_most is None or figure <= self.at_most)
        )

    def in_words(self) -> str:
        """The limit, and whether it is kept."""
        limits = {"at least": self.at_least, "at most": self.at_most}
        said = ", ".join(f"{name} {at:g}" for name, at in limits.items() if at is not None)
        judged = "kept" if self.is_kept else "FALLS SHORT"
        return f"({said}: {'NOT MEASURED' if self.figure is None else judged})"

    def described(self) -> dict[str, float | None]:
        """As a report stores it."""
        limits = {key: value for key, value in asdict(self).items() if value is not None}
        return {"figure": self.figure} | limits | {"is_kept": self.is_kept}


def nothing_owed(targets: Mapping[str, Target]) -> bool:
    """Whether all that is no matter of speed is kept."""
    return all(target.is_kept for target in targets.values() if target.is_owed)
