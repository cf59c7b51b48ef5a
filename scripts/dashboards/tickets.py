"""Arrangement and tickets."""

from __future__ import annotations

from dashboards.panels import (
    COUNT,
    PER_SECOND,
    RATE,
    SECONDS,
    Dashboard,
    Panel,
    Row,
    calls,
    process,
    quantiles,
)

TICKETS = Dashboard(
    "tickets",
    "arrangement and tickets",
    "From seats to paper, and the door.",
    sessions_of="zikao_tickets_counties",
    rows=[
        Row(
            "Arrangement",
            [
                Panel(
                    "Counties by state",
                    COUNT,
                    {"{{state}}": 'max by (state) (zikao_tickets_counties{session="$session"})'},
                    "Of the arrangement that was started last; published: one is in force.",
                ),
                Panel(
                    "Feeds: age",
                    SECONDS,
                    {"{{source}}": 'min by (source) (zikao_feed_lag_seconds{job="tickets"})'},
                    "Who enrolls later is in no arrangement yet.",
                    bad_above=30,
                ),
                Panel(
                    "Acts that wait for a second officer",
                    COUNT,
                    {"acts": "max(zikao_tickets_pending_office_acts)"},
                    "Publications, rooms, new versions.",
                ),
            ],
        ),
        Row(
            "Printing",
            [
                Panel(
                    "Sheets a second",
                    PER_SECOND,
                    {"{{outcome}}": f"sum by (outcome) (rate(zikao_tickets_sheets_total{RATE}))"},
                    "Printed, or why not.",
                ),
                Panel(
                    "Time to render",
                    SECONDS,
                    quantiles("zikao_tickets_rendering_seconds", "work"),
                    "95 of 100 take no longer, by what is rendered.",
                ),
                Panel(
                    "Waiting for rendering",
                    COUNT,
                    {
                        "candidates": "sum(zikao_tickets_pages_waiting)",
                        "parts of documents": "sum(zikao_tickets_parts_waiting)",
                    },
                    "Candidates come first.",
                ),
                Panel(
                    "Failures of rendering",
                    COUNT,
                    {
                        "processes that died": "sum(increase"
                        "(zikao_tickets_rendering_deaths_total[5m]))",
                        "not rendered": "sum(increase(zikao_tickets_rendering_failures_total[5m]))",
                    },
                    "Within 5 minutes.",
                    bad_above=1,
                ),
                Panel(
                    "Tickets that cannot be printed",
                    COUNT,
                    {
                        "{{reason}}": "max by (reason)"
                        ' (zikao_tickets_unprintable{session="$session"})'
                    },
                    "An office must see to them: a picture of a character, another photo.",
                ),
            ],
        ),
        calls("tickets"),
        process("tickets"),
    ],
)
