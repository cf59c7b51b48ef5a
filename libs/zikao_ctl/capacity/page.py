"""The answer as Markdown, with its arithmetic; the generated part of docs/capacity.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from zikao_ctl.capacity.demand import (
    ASKED_EVERY_SECONDS,
    JOINING_SECONDS,
    PEAK_OVER_MEAN,
    TABS,
    Question,
)
from zikao_ctl.capacity.figures import Figures
from zikao_ctl.capacity.sizing import (
    CONNECTIONS_A_POD,
    SPARE_PODS,
    UTILISATION,
    Size,
    drain_with,
    process_memory,
    size_of,
)

BEGIN = "<!-- `make capacity` writes from here -->"
END = "<!-- to here -->"
DATABASE_CORES = (1, 2, 4, 8, 16)
# A pod that carries its part of the crowd, each candidate with a stream of their own.
STREAMS_A_POD = 5_000
CONNECTIONS = 100
# Most candidates on a portal's stream, as its contract says.
ON_A_STREAM = 20_000


class NoMarkers(ValueError):  # noqa: N818 - it is what the page has
    """The page has no place for what is generated."""


def insert(page: str, generated: str) -> str:
    """The page with its generated part replaced. Raises NoMarkers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarkers(f"the page has no {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{generated}\n{END}{after}"


def markdown(question: Question, figures: Figures) -> str:
    """All sections, ending with a line break."""
    waiting = size_of(question, figures, room=True)
    rushing = size_of(question, figures, room=False)
    sections = (
        _answer(question, waiting, rushing),
        _costs(figures),
        _peak(waiting, rushing),
        _database(question, waiting),
        _drain(question, figures),
        _waiting(question, figures),
        _process(question, figures),
    )
    return "\n".join("\n".join(section) + "\n" for section in sections)


def _answer(question: Question, waiting: Size, rushing: Size) -> Iterator[str]:
    yield "## The answer"
    yield ""
    yield (
        f"{_n(question.candidates)} candidates, of whom {question.share:.0%} come in the first"
        f" {question.first_minutes:g} minutes:"
    )
    yield ""
    yield from _table(
        ("", "through the waiting room", "all at once"),
        [
            ("processes of enrollment, a core each", waiting.pods, rushing.pods),
            ("cores of PostgreSQL", waiting.postgres_cores, rushing.postgres_cores),
        ],
    )
    yield ""
    yield f"    {_n(question.candidates)} × {question.share:g} = {_n(question.crowd)} candidates"
    yield (
        f"    {_n(question.crowd)} ÷ ({question.first_minutes:g} × 60 s)"
        f" = {_n(question.per_second)} candidates a second through the waiting room"
    )
    yield (
        f"    {_n(question.per_second)} × {PEAK_OVER_MEAN} (the highest rate over the mean)"
        f" = {_n(question.per_second * PEAK_OVER_MEAN)} a second all at once"
    )


def _costs(figures: Figures) -> Iterator[str]:
    at = figures.measured
    yield "## What calls cost"
    yield ""
    yield (
        f"Measured on {at.on}: Python {at.python}, PostgreSQL {at.postgresql}. The"
        f" empty call of a bare gRPC server over TLS cost {at.empty_call_us:.0f} µs there: where it"
        " costs twice as much, all else does, too."
    )
    yield ""
    yield from _table(
        (
            "figure",
            "server, CPU µs",
            "PostgreSQL, CPU µs",
            "bytes in",
            "bytes out",
            "log bytes",
            "log flushes",
            "transactions",
        ),
        (
            (
                f"`{name}`",
                f"{call.server_us:.0f}",
                f"{call.postgres_us:.0f}",
                f"{call.bytes_in:.0f}",
                f"{call.bytes_out:.0f}",
                _n(call.wal_bytes),
                f"{call.wal_flushes:.3f}",
                f"{call.commits:.3f}",
            )
            for name, call in figures.calls.items()
        ),
    )
    yield ""
    yield (
        "`submit` is with 8 calls at once, which share few commits: as where many processes share a"
        " load. `submit_full` is the same with 64 at once, `submit_stream` a portal's stream. What"
        " follows reckons with the dearest, `submit`."
    )


def _peak(waiting: Size, rushing: Size) -> Iterator[str]:
    yield "## The highest second"
    yield ""
    yield (
        "Calls of each candidate, times candidates a second, times CPU a call. The waiting room"
        " spreads what follows from a submission; looks and plans come as people please"
        f" (× {PEAK_OVER_MEAN}). A rehearsal (`zikao rush`) makes fewer calls each than"
        " assumed here."
    )
    yield ""
    yield from _table(
        (
            "call",
            "each",
            "why",
            "a second",
            "× server µs = cores",
            "× PostgreSQL µs = cores",
        ),
        (
            (
                line.use.method,
                f"{line.use.each:g}",
                line.use.why,
                _n(line.per_second),
                f"× {line.call.server_us:.0f} = {line.server_cores:.2f}",
                f"× {line.call.postgres_us:.0f} = {line.postgres_cores:.2f}",
            )
            for line in waiting.lines
        ),
    )
    yield ""
    for name, size in (("waiting room", waiting), ("all at once", rushing)):
        yield (
            f"    {name}: enrollment {size.server_busy:.2f} cores busy ÷ {UTILISATION:g},"
            f" rounded up, + {SPARE_PODS} spare = {size.pods} processes"
        )
        yield (
            f"    {name}: PostgreSQL {size.postgres_busy:.2f} cores busy ÷ {UTILISATION:g},"
            f" rounded up = {size.postgres_cores} cores"
        )


def _database(question: Question, size: Size) -> Iterator[str]:
    stored = sum(
        question.candidates * line.use.each * line.call.stored_bytes for line in size.lines
    )
    yield "## The database"
    yield ""
    yield from _table(
        ("", "at the highest second", "from"),
        [
            ("cores", size.postgres_cores, "above"),
            ("log (WAL)", f"{size.total('wal_bytes') / 1e6:.1f} MB/s", "Σ calls × log bytes"),
            (
                "flushes of the log",
                f"{_n(size.total('wal_flushes'))} /s",
                "Σ calls × log flushes: a disk, or its cache that survives a power cut, must do"
                " as many writes one after the other",
            ),
            (
                "connections",
                size.pods * CONNECTIONS_A_POD,
                f"{size.pods} processes × {CONNECTIONS_A_POD} (`database.pool_max`)",
            ),
            (
                "network of the processes",
                f"{size.total('bytes_in') * 8 / 1e6:.0f} Mbit/s in,"
                f" {size.total('bytes_out') * 8 / 1e6:.0f} Mbit/s out",
                "Σ calls × bytes",
            ),
            (
                "data of the whole session",
                f"{stored / 1e9:.1f} GB",
                f"{_n(question.candidates)} × Σ each × stored bytes: all of it stays in memory"
                " with `shared_buffers` of this size",
            ),
        ],
    )


def _drain(question: Question, figures: Figures) -> Iterator[str]:
    yield "## Another database: how long the waiting room takes"
    yield ""
    yield (
        "The room admits as many as are served, so a smaller database means a longer wait, never a"
        f" fallen system. At {UTILISATION:.0%} of the database's cores:"
    )
    yield ""
    drains = [drain_with(cores, question, figures) for cores in DATABASE_CORES]
    yield from _table(
        (
            "cores of PostgreSQL",
            "candidates a second",
            f"minutes for {_n(question.crowd)}",
            "processes of enrollment",
        ),
        (
            (
                each.postgres_cores,
                _n(each.candidates_per_second),
                f"{each.minutes:.1f}",
                each.pods,
            )
            for each in drains
        ),
    )


def _waiting(question: Question, figures: Figures) -> Iterator[str]:
    memory, crowd = figures.memory, question.crowd
    join, place = figures.calls["join"], figures.calls["place"]
    joins = crowd * TABS / JOINING_SECONDS
    yield "## Those who wait"
    yield ""
    yield (
        f"They join in the last {JOINING_SECONDS / 60:g} minutes before the opening, {TABS} tabs"
        " each, when nobody submits yet:"
    )
    yield ""
    yield f"    {_n(crowd)} × {TABS} ÷ {JOINING_SECONDS:g} s = {_n(joins)} joins a second"
    yield (
        f"    × {join.server_us:.0f} µs = {joins * join.server_us / 1e6:.2f} cores of enrollment,"
        f" × {join.postgres_us:.0f} µs = {joins * join.postgres_us / 1e6:.2f} of PostgreSQL"
    )
    yield ""
    yield "Then they can be told of their places in three ways:"
    yield ""
    alone = crowd * memory.ticks_a_second * memory.tick_us / 1e6
    asked = crowd / ASKED_EVERY_SECONDS
    named = crowd * memory.watched_us / 1e6
    yield from _table(
        ("way", "server", "processes"),
        [
            (
                f"a portal's streams (`WatchPlaces`, {_n(ON_A_STREAM)} on one)",
                f"{_n(crowd)} × {memory.watched_us:.0f} µs once = {named:.0f} s of CPU; ticks are"
                " one message a portal",
                "those of the table above",
            ),
            (
                f"asking every {ASKED_EVERY_SECONDS} s in the mean (`GetPlace`)",
                f"{_n(crowd)} ÷ {ASKED_EVERY_SECONDS} s × {place.server_us:.0f} µs ="
                f" {asked * place.server_us / 1e6:.1f} cores",
                f"{_pods(asked * place.server_us / 1e6)} more",
            ),
            (
                f"a stream each (`WatchPlace`, {_n(STREAMS_A_POD)} a process)",
                f"{_n(crowd)} × {memory.ticks_a_second:g}/s × {memory.tick_us:.0f} µs ="
                f" {alone:.1f} cores,"
                f" × {memory.place_stream_kib:.0f} KiB ="
                f" {crowd * memory.place_stream_kib / 1024**2:.1f} GiB",
                f"{max(_pods(alone), math.ceil(crowd / STREAMS_A_POD))} more",
            ),
        ],
    )
    yield ""
    yield (
        "The first is the way for portals of a province. The more streams a process has, the less"
        " often it tells each of them (once in four seconds at the least), so the last line is"
        " what few streams would cost."
    )


def _pods(cores: float) -> int:
    return math.ceil(cores / UTILISATION)


def _process(question: Question, figures: Figures) -> Iterator[str]:
    memory = figures.memory
    total = process_memory(question, figures, STREAMS_A_POD, CONNECTIONS)
    yield "## A process"
    yield ""
    yield "One core, and memory:"
    yield ""
    yield f"    at rest {memory.process_mib:.0f} MiB"
    yield (
        f"    + {_n(question.candidates)} candidates × {memory.candidate_bytes:.0f} bytes"
        f" + {_n(STREAMS_A_POD)} streams × {memory.stream_kib:.0f} KiB"
        f" + {CONNECTIONS} connections × {memory.connection_kib:.0f} KiB"
    )
    yield f"    = {total:.0f} MiB; ask for twice as much"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def _n(number: float) -> str:
    """A number with thousands apart, without what does not matter."""
    return f"{number:,.0f}"
