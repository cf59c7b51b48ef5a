"""What a dashboard is made of: titles, units, queries; and rows that several have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Units as Grafana names them.
PER_SECOND = "ops"
CALLS = "reqps"
SECONDS = "s"
SHARE = "percentunit"
COUNT = "short"
BYTES = "bytes"

RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """Queries by the legend of what they give; `is_number`: only how it stands now."""

    title: str
    unit: str
    queries: Mapping[str, str]
    says: str
    is_number: bool = False
    bad_above: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One file; `sessions_of` is the metric whose sessions can be chosen."""

    name: str
    title: str
    description: str
    rows: Sequence[Row]
    sessions_of: str = ""


def quantiles(metric: str, by: str = "", where: str = "") -> dict[str, str]:
    """Half, 95 and 99 of 100 took no longer."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return {
        f"{share:.0%}{legend}": f"histogram_quantile({share}, sum by ({labels})"
        f" (rate({metric}_bucket{where}{RATE})))"
        for share in ((0.95,) if by else (0.5, 0.95, 0.99))
    }


def calls(job: str) -> Row:
    """How a service answers."""
    of = f'{{job="{job}"}}'
    unary = f'{{job="{job}", grpc_type="unary"}}'
    handled = f"rate(grpc_server_handled_total{of}{RATE})"
    return Row(
        f"Calls of {job}",
        [
            Panel(
                "Calls a second by status",
                CALLS,
                {"{{grpc_code}}": f"sum by (grpc_code) ({handled})"},
                "OK, and refusals by rule (FAILED_PRECONDITION, …); INTERNAL and UNKNOWN are ours.",
            ),
            Panel(
                "Busiest methods",
                CALLS,
                {"{{grpc_method}}": f"topk(8, sum by (grpc_method) ({handled}))"},
                "The eight methods that are called most.",
            ),
            Panel(
                "Time of unary calls",
                SECONDS,
                quantiles("grpc_server_handling_seconds", where=unary),
                "From begin to end in the process, its queue included.",
                bad_above=1,
            ),
            Panel(
                "Faults",
                SHARE,
                {"5 minutes": f"zikao:calls_failed:ratio_rate5m{of}"},
                "Share of the calls that ended by a fault of ours; 0.1 % of a month's may.",
                bad_above=0.001,
            ),
            Panel(
                "Slow calls",
                SHARE,
                {"5 minutes": f"zikao:calls_slow:ratio_rate5m{of}"},
                "Share of the unary calls that took more than a second; 1 % of a month's may.",
                bad_above=0.01,
            ),
            Panel(
                "Sent away",
                CALLS,
                {
                    "{{priority}} {{cause}}": "sum by (priority, cause)"
                    f" (rate(zikao_calls_shed_total{of}{RATE}))"
                },
                "Waited in vain (queue), no place (full), or told that most wait (standing).",
            ),
        ],
    )


def process(job: str) -> Row:
    """What processes of a service use."""
    of = f'{{job="{job}"}}'
    cpu = f"rate(process_cpu_seconds_total{of}{RATE})"
    connections = f"sum by (instance, state) (zikao_database_connections{of})"
    return Row(
        f"Processes of {job}",
        [
            Panel(
                "Processor",
                COUNT,
                {"{{instance}}": cpu},
                "Cores in use; the event loop has one at most.",
            ),
            Panel(
                "Memory",
                BYTES,
                {"{{instance}}": f"process_resident_memory_bytes{of}"},
                "Resident memory.",
            ),
            Panel(
                "Database connections",
                COUNT,
                {
                    "{{instance}} {{state}}": connections,
                    "{{instance}} limit": f"zikao_database_connections_limit{of}",
                },
                "Of each process's pool.",
            ),
            Panel(
                "Wait for a connection",
                SECONDS,
                quantiles("zikao_database_wait_seconds", where=of),
                "Time until there was one.",
                bad_above=0.1,
            ),
            Panel(
                "Run again, and not to be had",
                PER_SECOND,
                {
                    "run again": f"sum(rate(zikao_database_repeated_total{of}{RATE}))",
                    "no connection": f"sum(rate(zikao_database_unavailable_total{of}{RATE}))",
                },
                "Transactions after a deadlock or a conflict, and connections that were not there.",
            ),
            Panel(
                "Work beside the calls that failed",
                COUNT,
                {
                    "{{work}}": "sum by (work)"
                    f" (increase(zikao_background_failures_total{of}[5m])) > 0"
                },
                "Faults within 5 minutes; the log has the cause.",
            ),
        ],
    )
