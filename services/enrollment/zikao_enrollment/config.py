"""What the enrollment service is told: its own settings beside the kit's sections."""

from dataclasses import dataclass, field
from zoneinfo import available_timezones

from zikao_kit.config import (
    AUDIT_RETENTION_DAYS,
    HOUR_SECONDS,
    MAX_DAYS,
    SHORTEST_SECONDS,
    ClockConfig,
    DatabaseConfig,
    LogConfig,
    PeerConfig,
    ServerConfig,
    TracingConfig,
    require_audit_retention,
    require_within,
)

# From 100 on a transaction costs little a submission (DESIGN section 4): more wait for its commit.
MAX_BATCH = 1_000
BATCHES_IN_FLIGHT = 2
# What is known of seats is never older than a second (DOMAIN section 4): read twice as often.
BOARD_SECONDS = 0.5
POLL_SECONDS = 1.0
# An act that waits for a second officer: over a night, not over a weekend.
OFFICE_ACTION_HOURS = 24.0
LONGEST_OFFICE_ACTION_HOURS = 24.0 * 14
AUDIT_SECONDS = 60.0
REFUND_DEADLINE_HOURS = 24.0
# By then word of most payments has come by itself.
PAYMENT_QUERY_SECONDS = 300.0
BIGGEST_BATCH = 10_000
DAY_SECONDS = 24 * HOUR_SECONDS
# About 300 bytes each, 100 MB: the candidates of a whole province (DOMAIN section 9).
VERIFIED_TOKENS = 300_000
MOST_VERIFIED_TOKENS = 10_000_000
# Of a portal's stream; some 1 KB each.
STREAM_SUBMISSIONS = 4000
FEWEST_STREAM_SUBMISSIONS = 200
MOST_STREAM_SUBMISSIONS = 100_000
TIME_ZONE = "Asia/Shanghai"
# Platforms state a day in the night after it.
STATEMENT_HOUR = 2


@dataclass(frozen=True)
class EnrollmentConfig:
    """Settings of one process; `platform` is the fiscal payment platform."""

    server: ServerConfig
    database: DatabaseConfig
    registration: PeerConfig
    platform: PeerConfig
    max_batch: int = MAX_BATCH
    batches_in_flight: int = BATCHES_IN_FLIGHT
    stream_submissions: int = STREAM_SUBMISSIONS
    verified_tokens: int = VERIFIED_TOKENS
    board_seconds: float = BOARD_SECONDS
    poll_seconds: float = POLL_SECONDS
    office_action_hours: float = OFFICE_ACTION_HOURS
    audit_seconds: float = AUDIT_SECONDS
    refund_deadline_hours: float = REFUND_DEADLINE_HOURS
    time_zone: str = TIME_ZONE
    statement_hour: int = STATEMENT_HOUR
    payment_query_seconds: float = PAYMENT_QUERY_SECONDS
    # 0: for ever
    audit_retention_days: int = AUDIT_RETENTION_DAYS
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig = field(default_factory=TracingConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)

    def __post_init__(self) -> None:
        """Refuse a service that could take no seats, or whose batches starve its other work."""
        require_audit_retention(self.audit_retention_days)
        require_within(
            self,
            max_batch=(1, BIGGEST_BATCH),
            batches_in_flight=(1, self.database.pool_max),
            stream_submissions=(FEWEST_STREAM_SUBMISSIONS, MOST_STREAM_SUBMISSIONS),
            verified_tokens=(1, MOST_VERIFIED_TOKENS),
            board_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            poll_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            office_action_hours=(SHORTEST_SECONDS / HOUR_SECONDS, LONGEST_OFFICE_ACTION_HOURS),
            audit_seconds=(SHORTEST_SECONDS, DAY_SECONDS),
            refund_deadline_hours=(0, MAX_DAYS * 24),
            statement_hour=(0, 23),
            payment_query_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
        )
        if self.database.pool_max <= self.batches_in_flight:
            raise ValueError("database.pool_max must be greater than batches_in_flight")
        if self.time_zone not in available_timezones():
            raise ValueError(f"time_zone: there is none named {self.time_zone!r}")
