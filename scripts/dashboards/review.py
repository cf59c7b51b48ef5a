"""Registration."""

from __future__ import annotations

from dashboards.panels import (
    CALLS,
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

REVIEW = Dashboard(
    "review",
    "registration and review",
    "Applications, decisions, messages, and how the feed takes them on.",
    rows=[
        Row(
            "Review",
            [
                Panel(
                    "Applications that wait",
                    COUNT,
                    {
                        "applications": "max(zikao_registration_pending_reviews)",
                        "profile changes": "max(zikao_registration_pending_profile_changes)",
                    },
                    "For an office, in all counties.",
                ),
                Panel(
                    "Oldest application",
                    SECONDS,
                    {"age": "max(zikao_registration_oldest_review_seconds)"},
                    "For how long it has waited.",
                    bad_above=259200,
                ),
                Panel(
                    "Decisions a minute",
                    COUNT,
                    {
                        "{{outcome}}": "60 * sum by (outcome)"
                        f" (rate(zikao_registration_decisions_total{RATE}))"
                    },
                    "OK: it counts. Else why not.",
                ),
                Panel(
                    "Time to store a batch of decisions",
                    SECONDS,
                    quantiles("zikao_registration_batch_seconds"),
                    "From its begin to the commit.",
                ),
                Panel(
                    "Feed of candidates: age",
                    SECONDS,
                    {
                        "{{job}}": "min by (job) (zikao_feed_lag_seconds"
                        '{source="registration.candidates"})'
                    },
                    "How old is what enrollment and tickets know.",
                    bad_above=30,
                ),
                Panel(
                    "Audit log: not sealed yet",
                    COUNT,
                    {"{{job}}": "max by (job) (zikao_audit_log_unsealed)"},
                    "Entries that are not in the chain of hashes.",
                ),
            ],
        ),
        Row(
            "People and messages",
            [
                Panel(
                    "Logins a second by status",
                    CALLS,
                    {
                        "{{grpc_code}}": "sum by (grpc_code) (rate(grpc_server_handled_total"
                        f'{{job="registration", grpc_method="LogIn"}}{RATE}))'
                    },
                    "With a password.",
                ),
                Panel(
                    "Messages that wait",
                    COUNT,
                    {
                        "{{channel}}": "max by (channel) (zikao_registration_messages_waiting)",
                    },
                    "To be handed over to the mail server and the SMS gateway.",
                    bad_above=500,
                ),
                Panel(
                    "Messages that ended",
                    PER_SECOND,
                    {
                        "{{channel}} {{outcome}}": "sum by (channel, outcome)"
                        f" (rate(zikao_registration_messages_ended_total{RATE}))"
                    },
                    "Sent, given up, expired, or for nobody.",
                ),
            ],
        ),
        calls("registration"),
        process("registration"),
    ],
)
