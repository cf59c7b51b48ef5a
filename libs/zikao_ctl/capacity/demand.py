"""What an opening asks for: how many candidates, and what each calls. All of it is assumed.

A rehearsal (`zikao rush`) makes far fewer calls a candidate (examples/rush/opening.yaml): what it
passes with is no measure of this. An office that knows its portals better changes the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PEAK_OVER_MEAN = 1.5
"""The highest rate of the first minutes over their mean, where nobody holds candidates back: of the
arrival curve of a rehearsal."""

JOINING_SECONDS = 300.0
"""In which those who wait come into the room before the opening."""
TABS = 3
"""That a candidate has open."""
ASKED_EVERY_SECONDS = 10
"""How often somebody without a stream asks for the place: answers recommend 2 to 30 seconds."""


@dataclass(frozen=True)
class Question:
    """`share` of the candidates come in the first minutes."""

    candidates: int
    first_minutes: float
    share: float

    @property
    def crowd(self) -> float:
        """Who comes in the first minutes."""
        return self.candidates * self.share

    @property
    def per_second(self) -> float:
        """The mean of those minutes."""
        return self.crowd / (self.first_minutes * 60)


@dataclass(frozen=True)
class Use:
    """Calls of a kind for each candidate who submits; `flattened`: the waiting room spreads them.

    `kind` is a key of the figures.
    """

    kind: str
    method: str
    each: float
    why: str
    flattened: bool = True


USES: Sequence[Use] = (
    Use("browse", "GetAvailability", 3, "looks at seats before and after", flattened=False),
    Use("plan", "SavePlan", 0.1, "one in ten changes the plan after the opening", flattened=False),
    Use("submit", "SubmitPlan, SubmitEnrollment", 1.1, "once; one in ten repeats a lost answer"),
    Use("refusal", "the same, refused", 0.35, "SOLD_OUT of a first wish; OVERLOADED, told to wait"),
    Use("orders", "ListOrders", 1, "looks at the order"),
    Use("payment_code", "CreatePayment", 0.5, "half pay within the first minutes"),
    Use("payment", "NotifyPayment", 0.55, "the platform tells one in ten twice"),
)
