"""What calls cost on the machine that was measured (docs/capacity-figures.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class FiguresError(ValueError):
    """The file of figures is not in order."""


@dataclass(frozen=True)
class Call:
    """One call, or one submission of a stream: CPU in microseconds, bytes as TLS makes them.

    `bytes_in` go to the service. `wal_bytes` and `wal_flushes` are what the database has written
    and waited for, `commits` its transactions, `stored_bytes` what its files have grown by.
    """

    server_us: float
    postgres_us: float
    bytes_in: float
    bytes_out: float
    wal_bytes: float
    wal_flushes: float
    commits: float
    stored_bytes: float


@dataclass(frozen=True)
class Memory:
    """Of a process of enrollment: at rest, and what it grows by; CPU of streams.

    `message_us` is a message of all seats to one stream, `tick_us` one to a candidate who waits,
    who gets `ticks_a_second` of them; `watched_us` a candidate who is named on a portal's stream.
    """

    process_mib: float
    stream_kib: float
    connection_kib: float
    candidate_bytes: float
    message_us: float
    place_stream_kib: float
    tick_us: float
    ticks_a_second: float
    watched_us: float


@dataclass(frozen=True)
class Measured:
    """When and where; `empty_call_us` is the CPU of a call of a bare gRPC server over TLS."""

    on: str
    python: str
    postgresql: str
    empty_call_us: float


@dataclass(frozen=True)
class Figures:
    """All of them; `calls` by kind."""

    measured: Measured
    calls: Mapping[str, Call]
    memory: Memory


def read_figures(file: Path) -> Figures:
    """The figures of a file that `make capacity` has written. Raises FiguresError, OSError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Figures(
            measured=_read(Measured, content["measured"]),
            calls={name: _read(Call, each) for name, each in content["calls"].items()},
            memory=_read(Memory, content["memory"]),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise FiguresError(f"{file}: {type(error).__name__}: {error}") from error


def _read(cls: type[T], content: Mapping[str, Any]) -> T:
    names = [each.name for each in fields(cls)]  # type: ignore[arg-type]
    return cls(**{name: content[name] for name in names})
