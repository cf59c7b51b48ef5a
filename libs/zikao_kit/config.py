"""Configuration: the sections every service has. Loading is in `config_loading`.

Secrets are never values here: a `*_file` field names the file that holds one.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

from zikao_kit.config_loading import ConfigError, load_config

__all__ = [
    "CertFiles",
    "ClockConfig",
    "ConfigError",
    "DatabaseConfig",
    "LogConfig",
    "Network",
    "PeerConfig",
    "ServerConfig",
    "TracingConfig",
    "host_and_port",
    "load_config",
    "networks_of",
    "read_secret",
    "require_within",
    "tls_context",
]

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE
MAX_MESSAGE_BYTES = 4 * MEBIBYTE
# A token, a pass and what tracing adds have some 2 KiB.
MAX_METADATA_BYTES = 8 * 1024
FEWEST_METADATA_BYTES = 2 * 1024
DRAIN_GRACE_SECONDS = 20.0
# Long enough for load balancers and clients to see NOT_SERVING.
DRAIN_WAIT_SECONDS = 1.0
# Some 70 KiB each, more than the portals, services and balancers of an installation open.
MAX_CONNECTIONS = 4000
# Of one address: whoever takes all it can get leaves as many to others.
MAX_CONNECTIONS_PER_ADDRESS = 2000
# Each costs a handshake, a millisecond of a core. Five seconds' worth may come at once.
MAX_NEW_CONNECTIONS_PER_SECOND = 50.0
# The kernel deals connections out blindly, and a turn takes one call of each listener: with few of
# these, two dozen connections are four on one, whose calls wait five times as long as others'.
LISTENERS = 48
# Beyond this more gain nothing, and each costs a file and a queue.
MAX_LISTENERS = 64
# Connections are renewed so that clients see new pods (DESIGN section 3);
# gRPC spreads it by 10 % either way.
MAX_CONNECTION_AGE_SECONDS = 45.0
# One process answers 2,000 to 3,000 calls a second: 256 at once is a tenth of a second.
MAX_CONCURRENT_CALLS = 256
# Some 30 KiB each. Who is sent away for want of a place costs as much as who is answered.
MAX_QUEUE_DEPTH = 4000
MAX_QUEUE_SECONDS = 1.0
# More than that at once, of payments alone: nothing else keeps word of money waiting.
PAYMENT_SLOTS = 16
# What is open for long, in one process, and of one caller: a service's processes share a name.
MAX_SUBSCRIPTIONS = 1000
MAX_SUBSCRIPTIONS_PER_CALLER = 100
# Of those for which one need be no service: a portal may open one for each of its people.
MAX_PUBLIC_SUBSCRIPTIONS = 5000
MAX_PUBLIC_SUBSCRIPTIONS_PER_CALLER = 2000
MAX_WATCHERS = 1000
MAX_WATCHERS_PER_CALLER = 100
# Of one caller on behalf of one person: an office prints a county or two at once.
MAX_STREAMS = 256
MAX_STREAMS_PER_ACTOR = 8
# What goes beyond waits at the caller, in its channel: the best place for it. RFC 9113 advises so.
MAX_CALLS_PER_CONNECTION = 100
# However long a caller would wait; nothing that we do takes longer.
MAX_CALL_SECONDS = 60.0
MAX_STREAM_SECONDS = 900.0
MAX_WRITE_SECONDS = 30.0
# Bounds of settings: beyond them is a slip, such as a unit mistaken for another.
SHORTEST_SECONDS = 0.01
HOUR_SECONDS = 3600
MAX_DAYS = 36_500
# DOMAIN section 7: audit logs are kept for at least six months, the longest of which have 184 days.
LEAST_AUDIT_RETENTION_DAYS = 184
# What became of a ticket number or a seat is asked about within the years that a study takes.
AUDIT_RETENTION_DAYS = 1096
# A role's own settings are the same (zikao_kit.roles): they hold behind PgBouncer.
STATEMENT_TIMEOUT_SECONDS = 15.0
LOCK_TIMEOUT_SECONDS = 5.0
IDLE_IN_TRANSACTION_SECONDS = 30.0
POOL_MIN_CONNECTIONS = 2
SAMPLE_RATIO = 0.01
TRUSTED_CALLERS = ("registration", "enrollment", "tickets")
POOL_MAX_CONNECTIONS = 10
MAX_PORT = 65_535
Network = IPv4Network | IPv6Network
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"(?P<host>[^:\[\]]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class CertFiles:
    """Mutual TLS: a peer's certificate and key, and the authority whose peers it accepts (PEM)."""

    cert_file: Path
    key_file: Path
    ca_file: Path


@dataclass(frozen=True)
class ServerConfig:
    """How a gRPC server listens, sheds load and stops."""

    listen: str
    tls: CertFiles
    reflection: bool = False
    # Plaintext, for probes: it answers grpc.health.v1 alone (`zikao_kit.admin_health`).
    admin_listen: str | None = None
    # Full service name -> names in certificates that may call it at all; "*" for all not named,
    # health left out. A service without a list is for whoever has a certificate.
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Whoever shows a certificate with one of these public keys is refused: its SHA-256
    # (SubjectPublicKeyInfo, DER) in hexadecimal.
    refused_certificates: tuple[str, ...] = ()
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    max_receive_bytes: int = MAX_MESSAGE_BYTES
    max_send_bytes: int = MAX_MESSAGE_BYTES
    max_metadata_bytes: int = MAX_METADATA_BYTES
    max_connections: int = MAX_CONNECTIONS
    max_connections_per_address: int = MAX_CONNECTIONS_PER_ADDRESS
    max_new_connections_per_second: float = MAX_NEW_CONNECTIONS_PER_SECOND
    # Networks (CIDR) of gateways and address translators: behind one address there are many.
    shared_addresses: tuple[str, ...] = ()
    max_connection_age_seconds: float = MAX_CONNECTION_AGE_SECONDS
    max_concurrent_calls: int = MAX_CONCURRENT_CALLS
    max_queue_depth: int = MAX_QUEUE_DEPTH
    max_queue_seconds: float = MAX_QUEUE_SECONDS
    payment_slots: int = PAYMENT_SLOTS
    max_subscriptions: int = MAX_SUBSCRIPTIONS
    max_subscriptions_per_caller: int = MAX_SUBSCRIPTIONS_PER_CALLER
    max_public_subscriptions: int = MAX_PUBLIC_SUBSCRIPTIONS
    max_public_subscriptions_per_caller: int = MAX_PUBLIC_SUBSCRIPTIONS_PER_CALLER
    max_watchers: int = MAX_WATCHERS
    max_watchers_per_caller: int = MAX_WATCHERS_PER_CALLER
    max_streams: int = MAX_STREAMS
    max_streams_per_actor: int = MAX_STREAMS_PER_ACTOR
    max_calls_per_connection: int = MAX_CALLS_PER_CONNECTION
    max_call_seconds: float = MAX_CALL_SECONDS
    max_stream_seconds: float = MAX_STREAM_SECONDS
    max_write_seconds: float = MAX_WRITE_SECONDS
    drain_wait_seconds: float = DRAIN_WAIT_SECONDS
    drain_grace_seconds: float = DRAIN_GRACE_SECONDS
    reuse_port: bool = False
    # Calls that the process takes at once, of as many connections (`zikao_kit.listeners`).
    listeners: int = LISTENERS
    # A third more calls a core; milliseconds more a call where others keep the core busy.
    # None: unless the service itself computes in threads.
    batch_scheduling: bool | None = None
    # Full method name -> one access log line for every n calls; 0 for none. Faults have theirs.
    access_log_every: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would keep the server from answering at all."""
        host_and_port(self.listen)
        if self.admin_listen is not None:
            host_and_port(self.admin_listen)
        networks_of(self.shared_addresses)
        require_fingerprints(self.refused_certificates)
        if not 1 <= self.listeners <= MAX_LISTENERS:
            raise ValueError(f"listeners must be from 1 to {MAX_LISTENERS}")
        connections = min(self.max_connections, self.max_connections_per_address)
        if min(self.max_concurrent_calls, self.max_calls_per_connection, connections) < 1:
            raise ValueError("max_concurrent_calls, _per_connection, max_connections: at least 1")
        if self.max_new_connections_per_second < 1:
            raise ValueError("max_new_connections_per_second of an address: at least 1")
        open_for_long = (
            *(self.max_subscriptions, self.max_subscriptions_per_caller),
            *(self.max_public_subscriptions, self.max_public_subscriptions_per_caller),
            *(self.max_watchers, self.max_watchers_per_caller),
            *(self.max_streams, self.max_streams_per_actor),
        )
        if self.max_metadata_bytes < FEWEST_METADATA_BYTES:
            raise ValueError(f"max_metadata_bytes: at least {FEWEST_METADATA_BYTES}, for tokens")
        if min(self.max_queue_depth, self.payment_slots, *open_for_long) < 0:
            raise ValueError("no limit of calls (max_*, payment_slots) may be negative")
        if min(self.access_log_every.values(), default=0) < 0:
            raise ValueError("access_log_every must be 0 (faults only) or more for each method")
        if min(self.max_call_seconds, self.max_stream_seconds, self.max_write_seconds) <= 0:
            raise ValueError("max_call_seconds, _stream_ and _write_ must be above 0")


@dataclass(frozen=True)
class DatabaseConfig:
    """Where the service's own schema is. The DSN may hold a password: prefer `dsn_file`."""

    dsn: str | None = field(default=None, repr=False)
    dsn_file: Path | None = None
    pool_min: int = POOL_MIN_CONNECTIONS
    pool_max: int = POOL_MAX_CONNECTIONS
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS
    connect_timeout_seconds: float = 5.0
    # How long a starting service waits for its database; for ever when not set.
    max_wait_seconds: float | None = None

    def __post_init__(self) -> None:
        """Exactly one of dsn and dsn_file, and a pool that can exist."""
        if (self.dsn is None) == (self.dsn_file is None):
            raise ValueError("exactly one of dsn and dsn_file is needed")
        if not 0 <= self.pool_min <= self.pool_max or self.pool_max < 1:
            raise ValueError("0 <= pool_min <= pool_max and pool_max >= 1 must hold")

    def resolved_dsn(self) -> str:
        """Return the DSN itself, from its file when there is one."""
        return read_secret(self.dsn_file) if self.dsn_file else self.dsn or ""


@dataclass(frozen=True)
class PeerConfig:
    """Another service: `host:port` (or a gRPC target), and the name in its certificate."""

    target: str
    server_name: str


@dataclass(frozen=True)
class LogConfig:
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


@dataclass(frozen=True)
class TracingConfig:
    """Where spans go, as OTLP over gRPC; none are made when `endpoint` is not set.

    `ca_file` proves the collector, `cert_file` and `key_file` are for one that asks for them;
    `insecure` is for a collector on the same machine.
    """

    endpoint: str | None = None
    insecure: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    # Of the traces that begin here, or come from callers that are not trusted.
    sample_ratio: float = SAMPLE_RATIO
    # Names in certificates: whether their traces are kept is theirs to say.
    trusted_callers: tuple[str, ...] = TRUSTED_CALLERS

    def __post_init__(self) -> None:
        """Refuse half a certificate, and a collector of which nobody says how it is reached."""
        require_within(self, sample_ratio=(0.0, 1.0))
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if self.endpoint is not None:
            host_and_port(self.endpoint)
            if self.insecure == (self.ca_file is not None):
                raise ValueError("an endpoint needs either ca_file or insecure: true")


@dataclass(frozen=True)
class ClockConfig:
    """Rehearsals move all processes' clocks with one file; empty in production."""

    offset_file: Path | None = None


def host_and_port(address: str) -> tuple[str, int]:
    """Host (an IPv6 one in brackets) and port of "host:port"; ValueError when it is no such."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > MAX_PORT:
        raise ValueError("listen must be host:port, such as 0.0.0.0:7101 or [::1]:7101")
    return found["host"], int(found["port"])


def networks_of(addresses: Iterable[str]) -> list[Network]:
    """Networks of `shared_addresses`; ValueError when one is none."""
    try:
        return [ip_network(each) for each in addresses]
    except ValueError as error:
        raise ValueError(f"shared_addresses must be networks (10.0.0.0/8): {error}") from None


def require_fingerprints(refused: Iterable[str]) -> None:
    """Raise ValueError for what can be no fingerprint of a key: a slip would refuse nobody."""
    wrong = [each for each in refused if not _FINGERPRINT.fullmatch(each)]
    if wrong:
        raise ValueError(
            "refused_certificates must be SHA-256 of public keys, 64 digits 0-9a-f in quotes"
            f" (docs/operations.md says how to get them), not {', '.join(wrong)}"
        )


def require_within(section: object, **ranges: tuple[float, float]) -> None:
    """Raise ValueError for the fields of a section that are outside their ranges, naming all."""
    problems = [
        f"{name} must be from {low:g} to {high:g}"
        for name, (low, high) in ranges.items()
        # So also for what is no number and compares with none.
        if not low <= getattr(section, name) <= high
    ]
    if problems:
        raise ValueError("; ".join(problems))


def require_audit_retention(days: int) -> None:
    """Raise ValueError for a retention of the audit that is too short; 0 is for ever."""
    if days != 0 and not LEAST_AUDIT_RETENTION_DAYS <= days <= MAX_DAYS:
        raise ValueError(
            f"audit_retention_days must be from {LEAST_AUDIT_RETENTION_DAYS} to {MAX_DAYS},"
            " or 0 for ever"
        )


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """TLS towards servers of the authority in `ca_file`, or of the public ones without it.

    Raises ConfigError when the file cannot be read or holds no certificate; the text names it.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also ssl.SSLError
        raise ConfigError([f"ca_file {ca_file}: {type(error).__name__}"]) from error


def read_secret(path: Path) -> str:
    """Return the content of a secret's file without the final line break.

    Raises ConfigError when it cannot be read or is empty; the text names the
    file, never its content.
    """
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"secret {path}: {type(error).__name__}"]) from error
    if not secret:
        raise ConfigError([f"secret {path}: the file is empty"])
    return secret
