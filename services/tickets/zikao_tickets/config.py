"""What the tickets service is told: its own settings beside the kit's sections."""

from dataclasses import dataclass, field
from pathlib import Path

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

RENDER_PROCESSES = 1
MAX_RENDER_PROCESSES = 256
SOLVE_PROCESSES = 1
MAX_SOLVE_PROCESSES = 256
POLL_SECONDS = 1.0
PHOTO_AGAIN_SECONDS = 30.0
ARRANGEMENT_LEASE_SECONDS = 120.0
# An act that waits for a second officer: over a night, not over a weekend.
OFFICE_ACTION_HOURS = 24.0
LONGEST_OFFICE_ACTION_HOURS = 14 * 24
# Versions of tickets that one officer issues a day: a busy desk, not a county.
VERSIONS_PER_OFFICER = 200
MOST_VERSIONS_PER_OFFICER = 10_000
PROOF_KEY_LEAD_HOURS = 24.0
LONGEST_PROOF_KEY_LEAD_HOURS = 24.0 * 90
# Documents are printed in the days before a session and, rarely, again after it.
DOCUMENT_RETENTION_DAYS = 90
OLD_DOCUMENTS_PAUSE_SECONDS = 600.0
# Every process reads the keys of the proof again within this time.
PROOF_KEYS_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class TicketsConfig:
    """Settings of one process; `key_ring_file` holds the keys of personal data."""

    server: ServerConfig
    database: DatabaseConfig
    key_ring_file: Path
    registration: PeerConfig
    enrollment: PeerConfig
    render_processes: int = RENDER_PROCESSES
    font_directories: tuple[Path, ...] = ()
    solve_processes: int = SOLVE_PROCESSES
    poll_seconds: float = POLL_SECONDS
    photo_again_seconds: float = PHOTO_AGAIN_SECONDS
    arrangement_lease_seconds: float = ARRANGEMENT_LEASE_SECONDS
    office_action_hours: float = OFFICE_ACTION_HOURS
    versions_per_officer: int = VERSIONS_PER_OFFICER
    proof_key_lead_hours: float = PROOF_KEY_LEAD_HOURS
    # 0: for ever
    document_retention_days: int = DOCUMENT_RETENTION_DAYS
    audit_retention_days: int = AUDIT_RETENTION_DAYS
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig = field(default_factory=TracingConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)

    def __post_init__(self) -> None:
        """Refuse a service that could not print, or that works without a pause."""
        for directory in self.font_directories:
            if not directory.is_dir():
                raise ValueError(f"font_directories: {directory} is no directory")
        require_audit_retention(self.audit_retention_days)
        require_within(
            self,
            render_processes=(1, MAX_RENDER_PROCESSES),
            solve_processes=(1, MAX_SOLVE_PROCESSES),
            poll_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            photo_again_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            arrangement_lease_seconds=(1, HOUR_SECONDS),
            office_action_hours=(SHORTEST_SECONDS / HOUR_SECONDS, LONGEST_OFFICE_ACTION_HOURS),
            versions_per_officer=(1, MOST_VERSIONS_PER_OFFICER),
            proof_key_lead_hours=(0, LONGEST_PROOF_KEY_LEAD_HOURS),
            document_retention_days=(0, MAX_DAYS),
        )
