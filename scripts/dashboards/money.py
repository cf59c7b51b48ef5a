"""Money."""

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
    quantiles,
)

VIOLATIONS = "max by (invariant) (zikao_enrollment_invariant_violations)"
PLATFORM = '{job="enrollment", grpc_service="zikao.payment.v1.PaymentPlatformService"}'
MONEY = Dashboard(
    "money",
    "money",
    "Payments, refunds, statements, and what must hold.",
    sessions_of="zikao_enrollment_orders",
    rows=[
        Row(
            "What must hold",
            [
                Panel(
                    "Invariants that do not hold",
                    COUNT,
                    {"violations": f"sum({VIOLATIONS})"},
                    "Above 0 somebody must look at once: `zikao audit`.",
                    is_number=True,
                    bad_above=1,
                ),
                Panel(
                    "Oldest check of an invariant",
                    SECONDS,
                    {"age": "min(zikao_enrollment_audit_age_seconds)"},
                    "How long a violation may have gone unseen.",
                    is_number=True,
                    bad_above=900,
                ),
                Panel(
                    "Audit log does not hold",
                    COUNT,
                    {"{{job}}": "max by (job) (zikao_audit_log_broken)"},
                    "1: the chain of hashes is broken.",
                    is_number=True,
                    bad_above=1,
                ),
                Panel(
                    "Open differences",
                    COUNT,
                    {"differences": "max(zikao_enrollment_open_differences)"},
                    "From the platform's statements; 10000 or more show as 10000.",
                    is_number=True,
                    bad_above=1,
                ),
                Panel(
                    "Days without a compared statement",
                    COUNT,
                    {"days": "max(zikao_enrollment_unreconciled_days)"},
                    "Days that have ended, statement hour and all.",
                    is_number=True,
                    bad_above=1,
                ),
                Panel(
                    "Acts that wait for a second officer",
                    COUNT,
                    {"acts": "max(zikao_enrollment_pending_office_acts)"},
                    "Refunds to be asked for again, differences to be resolved, closings.",
                    is_number=True,
                ),
            ],
        ),
        Row(
            "Payments",
            [
                Panel(
                    "Orders",
                    COUNT,
                    {"{{state}}": 'max by (state) (zikao_enrollment_orders{session="$session"})'},
                    "By state, counted once a minute.",
                ),
                Panel(
                    "Payments settled a second",
                    PER_SECOND,
                    {
                        "{{outcome}}": "sum by (outcome)"
                        f" (rate(zikao_enrollment_till_payments_total{RATE}))"
                    },
                    "Word of payments that batches have settled.",
                ),
                Panel(
                    "Time to settle a batch",
                    SECONDS,
                    quantiles("zikao_enrollment_till_batch_seconds"),
                    "From its begin to the commit.",
                ),
                Panel(
                    "Payments that wait for a batch",
                    COUNT,
                    {"payments": "sum(zikao_enrollment_till_waiting_payments)"},
                    "Notified, and not settled yet.",
                ),
                Panel(
                    "Odd payments of 24 hours",
                    COUNT,
                    {"{{flag}}": "max by (flag) (zikao_enrollment_odd_payments)"},
                    "Payments with which something is wrong, by what.",
                ),
                Panel(
                    "Overdue hold",
                    SECONDS,
                    {"overdue": "min(zikao_enrollment_hold_overdue_seconds)"},
                    "For how long the hold that ended first has not been released.",
                    bad_above=300,
                ),
            ],
        ),
        Row(
            "Refunds and the platform",
            [
                Panel(
                    "Refunds owed",
                    COUNT,
                    {
                        "owed": "max(zikao_enrollment_owed_refunds)",
                        "for more than an hour": "max(zikao_enrollment_long_waiting_refunds)",
                        "refused": "max(zikao_enrollment_refused_refunds)",
                    },
                    "Money is back within minutes; what the platform refuses waits for people.",
                ),
                Panel(
                    "Oldest refund",
                    SECONDS,
                    {"age": "max(zikao_enrollment_oldest_refund_seconds)"},
                    "For how long it has been owed.",
                    bad_above=3600,
                ),
                Panel(
                    "Platform connected",
                    COUNT,
                    {"{{instance}}": 'zikao_peer_connected{peer="platform"}'},
                    "1 while a process can reach it.",
                ),
                Panel(
                    "Calls to the platform by status",
                    CALLS,
                    {
                        "{{grpc_method}} {{grpc_code}}": "sum by (grpc_method, grpc_code)"
                        f" (rate(grpc_client_handled_total{PLATFORM}{RATE}))"
                    },
                    "What enrollment asks it.",
                ),
                Panel(
                    "Time of calls to the platform",
                    SECONDS,
                    quantiles("grpc_client_handling_seconds", "grpc_method", PLATFORM),
                    "95 of 100 take no longer, by method.",
                ),
            ],
        ),
    ],
)
