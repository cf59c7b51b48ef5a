"""An opening."""

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

RUSH = Dashboard(
    "rush",
    "rush",
    "An opening: what is wanted, what is done, what is left.",
    sessions_of="zikao_enrollment_seats",
    rows=[
        Row(
            "Seats",
            [
                Panel(
                    "Free seats",
                    COUNT,
                    {
                        "slot {{slot}}": "max by (slot) (zikao_enrollment_seats"
                        '{session="$session", state="free"})'
                    },
                    "Of all counties, by slot.",
                ),
                Panel(
                    "Held and confirmed seats",
                    COUNT,
                    {
                        "{{state}}": "sum by (state) (max by (slot, state) (zikao_enrollment_seats"
                        '{session="$session", state=~"held|confirmed"}))'
                    },
                    "Held: not paid yet.",
                ),
                Panel(
                    "Counties without a free seat",
                    COUNT,
                    {
                        "slot {{slot}}": "max by (slot) (zikao_enrollment_full_counties"
                        '{session="$session"})',
                        "counties": 'max(zikao_enrollment_counties{session="$session"})',
                    },
                    "By slot, and how many counties there are.",
                ),
                Panel(
                    "Submissions decided a second",
                    PER_SECOND,
                    {
                        "{{outcome}}": "sum by (outcome)"
                        f" (rate(zikao_enrollment_submissions_total{RATE}))"
                    },
                    "OK: seats were taken. Else why not.",
                ),
                Panel(
                    "Orders",
                    COUNT,
                    {"{{state}}": 'max by (state) (zikao_enrollment_orders{session="$session"})'},
                    "By state, counted once a minute.",
                ),
                Panel(
                    "Time of a submission",
                    SECONDS,
                    quantiles(
                        "grpc_server_handling_seconds",
                        where='{job="enrollment", grpc_method=~"SubmitPlan|SubmitEnrollment"}',
                    ),
                    "Unary ones; from begin to end in the process.",
                    bad_above=1,
                ),
            ],
        ),
        Row(
            "Batches and queues",
            [
                Panel(
                    "Size of batches",
                    COUNT,
                    {
                        "mean": f"sum(rate(zikao_enrollment_batch_size_sum{RATE}))"
                        f" / sum(rate(zikao_enrollment_batch_size_count{RATE}))",
                        **quantiles("zikao_enrollment_batch_size"),
                    },
                    "Submissions decided in one transaction; they grow with the rush.",
                ),
                Panel(
                    "Time of a batch",
                    SECONDS,
                    quantiles("zikao_enrollment_batch_seconds"),
                    "From its begin to the commit.",
                ),
                Panel(
                    "Queues",
                    COUNT,
                    {
                        "calls": 'sum(zikao_admission_queue_depth{job="enrollment"})',
                        "submissions": "sum(zikao_enrollment_waiting_submissions)",
                        "joins": "sum(zikao_enrollment_room_waiting_joins)",
                    },
                    "Calls that wait to be let in, and entries that wait for a batch.",
                ),
                Panel(
                    "Calls at once",
                    COUNT,
                    {"{{instance}}": 'zikao_concurrency_limit{job="enrollment"}'},
                    "How many may run; follows what gets done.",
                ),
                Panel(
                    "Age of what is known of seats",
                    SECONDS,
                    {"{{instance}}": "zikao_enrollment_board_age_seconds"},
                    "Above a second a process answers UNAVAILABLE who looks.",
                    bad_above=1,
                ),
                Panel(
                    "Candidate feed: age",
                    SECONDS,
                    {
                        "{{instance}}": 'zikao_feed_lag_seconds{job="enrollment"}',
                    },
                    "Who was approved later is asked for at registration.",
                    bad_above=30,
                ),
            ],
        ),
        Row(
            "Waiting room",
            [
                Panel(
                    "Waiting",
                    COUNT,
                    {
                        "{{track}}": "max by (track)"
                        ' (zikao_enrollment_admission_queue{session="$session"})'
                    },
                    "Candidates who wait to be let in.",
                ),
                Panel(
                    "Let in a second",
                    PER_SECOND,
                    {
                        "{{track}}": "max by (track)"
                        ' (zikao_enrollment_admission_rate{session="$session"})'
                    },
                    "What the leader allows; 0 while it is held.",
                ),
                Panel(
                    "Let in",
                    COUNT,
                    {"{{track}}": 'max by (track) (zikao_enrollment_admitted{session="$session"})'},
                    "Since the room was drawn.",
                ),
            ],
        ),
        calls("enrollment"),
        process("enrollment"),
    ],
)
