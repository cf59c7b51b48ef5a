"""What operators see of rendering."""

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram
from zikao_kit.metrics import SECONDS_BUCKETS

from zikao_tickets.domain.ticket import Refusal

PRINTED = "printed"

SECONDS = Histogram(
    "zikao_tickets_rendering_seconds",
    "Time from wanting something rendered to having it, by what.",
    ["work"],
    buckets=SECONDS_BUCKETS,
)
DEATHS = Counter(
    "zikao_tickets_rendering_deaths_total",
    "Times that what was being rendered was lost, for a rendering process died.",
)
FAILURES = Counter(
    "zikao_tickets_rendering_failures_total",
    "What was not rendered at all: after two deaths, or by a fault of ours.",
    ["work"],
)
SHEETS = Counter(
    "zikao_tickets_sheets_total",
    "Tickets and sheets that were drawn (printed), or the reason why one was not.",
    ["outcome"],
)
PAGES_WAITING = Gauge("zikao_tickets_pages_waiting", "Candidates who wait for their page.")
PARTS_WAITING = Gauge(
    "zikao_tickets_parts_waiting", "Parts of documents that wait for their turn, or are made."
)

SHEETS.labels(PRINTED)


def note_sheets(refusals: Sequence[Refusal | None]) -> None:
    """Count what became of sheets."""
    outcomes = Tally(refusal.reason if refusal else PRINTED for refusal in refusals)
    for outcome, count in outcomes.items():
        SHEETS.labels(outcome).inc(count)
