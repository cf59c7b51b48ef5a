"""From calls a second to cores, processes and a database; nothing is rounded before the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zikao_ctl.capacity.demand import PEAK_OVER_MEAN, USES, Question, Use
from zikao_ctl.capacity.figures import Call, Figures

UTILISATION = 0.6
"""How busy a core may be: beyond, waiting times grow faster than the load."""
SPARE_PODS = 1
"""One may be restarted or lost at the worst moment."""
CONNECTIONS_A_POD = 10
"""`database.pool_max`."""
_MICROSECONDS = 1e6
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Line:
    """A kind of call at the highest moment."""

    use: Use
    call: Call
    per_second: float

    @property
    def server_cores(self) -> float:
        """Cores of enrollment that it keeps busy."""
        return self.per_second * self.call.server_us / _MICROSECONDS

    @property
    def postgres_cores(self) -> float:
        """Cores of the database that it keeps busy."""
        return self.per_second * self.call.postgres_us / _MICROSECONDS


@dataclass(frozen=True)
class Size:
    """What the highest moment needs."""

    lines: Sequence[Line]

    @property
    def server_busy(self) -> float:
        """Cores of enrollment."""
        return sum(line.server_cores for line in self.lines)

    @property
    def postgres_busy(self) -> float:
        """Cores of the database."""
        return sum(line.postgres_cores for line in self.lines)

    @property
    def pods(self) -> int:
        """Processes of enrollment, a core each, with the spare one."""
        return math.ceil(self.server_busy / UTILISATION) + SPARE_PODS

    @property
    def postgres_cores(self) -> int:
        """Cores that the database should have."""
        return math.ceil(self.postgres_busy / UTILISATION)

    def total(self, figure: str) -> float:
        """A figure of all calls together, a second."""
        return sum(line.per_second * float(getattr(line.call, figure)) for line in self.lines)


def size_of(question: Question, figures: Figures, *, room: bool) -> Size:
    """What a question needs, with the waiting room or with everybody at once."""
    return Size(
        [Line(use, figures.calls[use.kind], _rate(question, use, room=room)) for use in USES]
    )


def _rate(question: Question, use: Use, *, room: bool) -> float:
    factor = 1.0 if room and use.flattened else PEAK_OVER_MEAN
    return question.per_second * use.each * factor


@dataclass(frozen=True)
class Drain:
    """What a database of so many cores lets through the waiting room."""

    postgres_cores: int
    candidates_per_second: float
    minutes: float
    pods: int


def drain_with(cores: int, question: Question, figures: Figures) -> Drain:
    """How long the crowd of the first minutes takes with a database of this size."""
    (postgres_us, server_us) = (
        sum(use.each * float(getattr(figures.calls[use.kind], name)) for use in USES)
        for name in ("postgres_us", "server_us")
    )
    rate = cores * UTILISATION * _MICROSECONDS / postgres_us
    return Drain(
        postgres_cores=cores,
        candidates_per_second=rate,
        minutes=question.crowd / rate / 60,
        pods=math.ceil(rate * server_us / _MICROSECONDS / UTILISATION) + SPARE_PODS,
    )


def process_memory(question: Question, figures: Figures, streams: int, connections: int) -> float:
    """MiB of a process that knows all candidates and carries so many streams and connections."""
    memory = figures.memory
    return (
        memory.process_mib
        + question.candidates * memory.candidate_bytes / _MEBIBYTE
        + (streams * memory.stream_kib + connections * memory.connection_kib) / 1024
    )
