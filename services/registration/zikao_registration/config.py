"""What the registration service is told: its own settings beside the kit's sections."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from zikao_kit.config import (
    AUDIT_RETENTION_DAYS,
    HOUR_SECONDS,
    MAX_DAYS,
    MEBIBYTE,
    SHORTEST_SECONDS,
    ClockConfig,
    DatabaseConfig,
    LogConfig,
    ServerConfig,
    TracingConfig,
    require_audit_retention,
    require_within,
)

from zikao_registration.clients.identity_tokens import IdentityProviderConfig
from zikao_registration.clients.mail import MailConfig
from zikao_registration.clients.sms import SmsConfig
from zikao_registration.domain.signing_keys import SigningRotation

# Photos and materials come with up to 5 MB, and 50 photos of 200 KB leave in one answer.
MIN_RECEIVE_BYTES = 6 * MEBIBYTE
MIN_SEND_BYTES = 12 * MEBIBYTE
# Each may bring a picture: together they must fit into memory.
MAX_CALLS_PER_CONNECTION = 300
# Longer than choosing, submitting and paying take, and than registration may be away.
CANDIDATE_TOKEN_MINUTES = 120.0
STAFF_TOKEN_MINUTES = 15.0
SIGNING_KEY_DAYS = 30
LEASE_MINUTES = 15.0
POLL_SECONDS = 1.0
# Registrations that came to nothing are kept for half a year: no law needs them longer.
ABANDONED_RETENTION_DAYS = 180
# Offices correct the bad rows of an import within weeks.
IMPORT_RETENTION_DAYS = 180
LOGIN_ATTEMPTS = 5
# A portal calls for all of its candidates, of whom some mistype: only one that fails by the
# thousand, and at least as often as not, is trying names.
LOGIN_ATTEMPTS_PER_CALLER = 5000
LOGIN_CALLER_FAILURE_SHARE = 0.5
LOGIN_WINDOW_MINUTES = 15.0
# DOMAIN section 3, Recovery.
RECOVERY_ATTEMPTS = 3
RECOVERY_ATTEMPTS_PER_TICKET_NUMBER = 30
RECOVERY_WINDOW_HOURS = 24.0
# A day of choosing and paying; an office's day.
CANDIDATE_LOGIN_HOURS = 12.0
STAFF_LOGIN_HOURS = 8.0
STAFF_IDLE_MINUTES = 30.0
# OWASP's second choice for Argon2id: the memory of a login storm stays small.
ARGON2_TIME_COST = 2
ARGON2_MEMORY_KIB = 19456
ARGON2_PARALLELISM = 1
# Beyond these a setting is a slip, such as a unit mistaken for another.
MAX_ATTEMPTS = 10**9
WEEK_HOURS = 7 * 24
WEEK_MINUTES = WEEK_HOURS * 60
SECOND_MINUTES = 1 / 60
MINUTE_HOURS = 1 / 60
MAX_TIME_COST = 100
MAX_MEMORY_KIB = 4 * 1024 * 1024
MAX_LANES = 64


@dataclass(frozen=True)
class LoginConfig:
    """How many wrong passwords are taken within a window, of one login name and of one caller.

    A caller's limit holds for each way to recover as well, and for activation.

    Logins end after `*_hours`, of staff also when nothing was refreshed for `staff_idle_minutes`.
    """

    attempts: int = LOGIN_ATTEMPTS
    attempts_per_caller: int = LOGIN_ATTEMPTS_PER_CALLER
    caller_failure_share: float = LOGIN_CALLER_FAILURE_SHARE
    window_minutes: float = LOGIN_WINDOW_MINUTES
    candidate_hours: float = CANDIDATE_LOGIN_HOURS
    staff_hours: float = STAFF_LOGIN_HOURS
    staff_idle_minutes: float = STAFF_IDLE_MINUTES
    second_factor_required: bool = True

    def __post_init__(self) -> None:
        """Refuse limits that would keep everybody out, or nobody."""
        require_within(
            self,
            attempts=(1, MAX_ATTEMPTS),
            attempts_per_caller=(1, MAX_ATTEMPTS),
            caller_failure_share=(0, 1),
            window_minutes=(SECOND_MINUTES, WEEK_MINUTES),
            candidate_hours=(MINUTE_HOURS, WEEK_HOURS),
            staff_hours=(MINUTE_HOURS, WEEK_HOURS),
            staff_idle_minutes=(1, WEEK_MINUTES),
        )


@dataclass(frozen=True)
class Argon2Config:
    """Costs of a new password's hash; stored hashes keep their own."""

    time_cost: int = ARGON2_TIME_COST
    memory_kib: int = ARGON2_MEMORY_KIB
    parallelism: int = ARGON2_PARALLELISM

    def __post_init__(self) -> None:
        """Refuse what Argon2 refuses."""
        require_within(
            self,
            time_cost=(1, MAX_TIME_COST),
            parallelism=(1, MAX_LANES),
            memory_kib=(8 * self.parallelism, MAX_MEMORY_KIB),
        )


@dataclass(frozen=True)
class RecoveryConfig:
    """How often one may try to recover of one document, and to activate one number, in a window."""

    attempts: int = RECOVERY_ATTEMPTS
    attempts_per_ticket_number: int = RECOVERY_ATTEMPTS_PER_TICKET_NUMBER
    window_hours: float = RECOVERY_WINDOW_HOURS

    def __post_init__(self) -> None:
        """Refuse limits that would keep everybody out, or nobody."""
        require_within(
            self,
            attempts=(1, MAX_ATTEMPTS),
            attempts_per_ticket_number=(1, MAX_ATTEMPTS),
            window_hours=(MINUTE_HOURS, WEEK_HOURS),
        )


@dataclass(frozen=True)
class RegistrationConfig:
    """Settings of one process.

    `key_ring_file` holds the keys of personal data, `rare_characters_file` what the private
    characters of the province's old systems were.
    """

    server: ServerConfig
    database: DatabaseConfig
    key_ring_file: Path
    candidate_token_minutes: float = CANDIDATE_TOKEN_MINUTES
    staff_token_minutes: float = STAFF_TOKEN_MINUTES
    # 0: only by command
    signing_key_days: int = SIGNING_KEY_DAYS
    lease_minutes: float = LEASE_MINUTES
    poll_seconds: float = POLL_SECONDS
    # 0: for ever
    abandoned_retention_days: int = ABANDONED_RETENTION_DAYS
    import_retention_days: int = IMPORT_RETENTION_DAYS
    audit_retention_days: int = AUDIT_RETENTION_DAYS
    login: LoginConfig = field(default_factory=LoginConfig)
    argon2: Argon2Config = field(default_factory=Argon2Config)
    recovery: RecoveryConfig = field(default_factory=RecoveryConfig)
    # What is not configured cannot be chosen: CHANNEL_NOT_CONFIGURED.
    mail: MailConfig | None = None
    sms: SmsConfig | None = None
    identity_provider: IdentityProviderConfig | None = None
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig = field(default_factory=TracingConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)
    rare_characters_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what has ended before anybody can use it, and what would erase at once."""
        require_audit_retention(self.audit_retention_days)
        require_within(
            self,
            candidate_token_minutes=(SECOND_MINUTES, WEEK_MINUTES),
            staff_token_minutes=(SECOND_MINUTES, WEEK_MINUTES),
            signing_key_days=(0, MAX_DAYS),
            lease_minutes=(SECOND_MINUTES, WEEK_MINUTES),
            poll_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            abandoned_retention_days=(0, MAX_DAYS),
            import_retention_days=(0, MAX_DAYS),
        )

    @property
    def signing_rotation(self) -> SigningRotation:
        """When there is to be another key of access tokens."""
        every = timedelta(days=self.signing_key_days) if self.signing_key_days else None
        longest = max(self.candidate_token_minutes, self.staff_token_minutes)
        return SigningRotation(every, timedelta(minutes=longest))

    @property
    def abandoned_retention(self) -> timedelta:
        """How long an abandoned registration is kept; none: for ever."""
        return timedelta(days=self.abandoned_retention_days)

    @property
    def import_retention(self) -> timedelta:
        """How long an import is kept after its last row; none: for ever."""
        return timedelta(days=self.import_retention_days)

    @property
    def server_with_room(self) -> ServerConfig:
        """The server's settings, with room for this service's messages, and not for too many."""
        receive = max(self.server.max_receive_bytes, MIN_RECEIVE_BYTES)
        send = max(self.server.max_send_bytes, MIN_SEND_BYTES)
        calls = min(self.server.max_calls_per_connection, MAX_CALLS_PER_CONNECTION)
        return replace(
            self.server,
            max_receive_bytes=receive,
            max_send_bytes=send,
            max_calls_per_connection=calls,
        )
