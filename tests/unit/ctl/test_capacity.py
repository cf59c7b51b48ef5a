"""How many processes and which database: the arithmetic, and what the command says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from zikao_ctl.capacity.demand import USES, Question
from zikao_ctl.capacity.figures import (
    Call,
    Figures,
    FiguresError,
    Measured,
    Memory,
    read_figures,
)
from zikao_ctl.capacity.page import BEGIN, END, NoMarkers, insert, markdown
from zikao_ctl.capacity.sizing import drain_with, process_memory, size_of
from zikao_ctl.main import main

ONE_MS = Call(
    server_us=1000,
    postgres_us=500,
    bytes_in=100,
    bytes_out=200,
    wal_bytes=2000,
    wal_flushes=0.5,
    commits=1,
    stored_bytes=1000,
)
FIGURES = Figures(
    measured=Measured("2026-11-26", "3.11", "18.6", 150),
    calls={use.kind: ONE_MS for use in USES} | {"join": ONE_MS, "place": ONE_MS},
    memory=Memory(
        process_mib=100,
        stream_kib=10,
        connection_kib=100,
        candidate_bytes=1024,
        message_us=20,
        place_stream_kib=16,
        tick_us=50,
        ticks_a_second=0.5,
        watched_us=100,
    ),
)
# 100 candidates a second.
QUESTION = Question(candidates=12_000, first_minutes=1, share=0.5)
CALLS_EACH = sum(use.each for use in USES)


def figures_file(folder: Path, figures: Figures = FIGURES) -> Path:
    """The figures as `make capacity` writes them."""
    file = folder / "figures.json"
    file.write_text(json.dumps(asdict(figures)), encoding="utf-8")
    return file


def test_cores_are_calls_a_second_times_their_cost() -> None:
    """With every call at 1 ms of the server and 0.5 ms of the database the sums are by hand."""
    size = size_of(QUESTION, FIGURES, room=True)
    looks = sum(use.each for use in USES if not use.flattened)
    a_second = 100 * (CALLS_EACH + looks * 0.5)
    assert size.server_busy == pytest.approx(a_second / 1000)
    assert size.postgres_busy == pytest.approx(a_second / 2000)
    assert size.total("wal_bytes") == pytest.approx(a_second * 2000)
    assert size.pods == 3  # 0.86 cores at 60 %, and one to spare
    assert size.postgres_cores == 1


def test_without_the_waiting_room_the_highest_second_counts() -> None:
    """Everybody at once is half as much again as the mean, in every kind of call."""
    size = size_of(QUESTION, FIGURES, room=False)
    assert size.server_busy == pytest.approx(100 * CALLS_EACH * 1.5 / 1000)


def test_a_database_twice_as_large_halves_the_wait_and_needs_its_processes() -> None:
    """The drain follows from the database's CPU a candidate; processes follow from the drain."""
    one, two = (drain_with(cores, QUESTION, FIGURES) for cores in (1, 2))
    assert one.candidates_per_second == pytest.approx(0.6e6 / (CALLS_EACH * 500))
    assert one.minutes == pytest.approx(6000 / one.candidates_per_second / 60)
    assert two.minutes == pytest.approx(one.minutes / 2)
    # 0.5 ms a call there and 1 ms here, both at 60 %: twice its cores, and one to spare.
    assert (one.pods, two.pods) == (3, 5)


def test_the_memory_of_a_process_is_what_it_carries() -> None:
    """Candidates by their number, streams and connections by theirs."""
    at_rest = process_memory(replace(QUESTION, candidates=0), FIGURES, 0, 0)
    assert at_rest == 100
    carrying = process_memory(replace(QUESTION, candidates=1024), FIGURES, 1024, 512)
    assert carrying == pytest.approx(100 + 1 + 10 + 50)


def test_those_who_wait_are_reckoned_in_three_ways() -> None:
    """Joins by tabs and seconds; streams of portals, asking, and a stream each, by hand."""
    said = markdown(Question(candidates=20_000, first_minutes=5, share=0.5), FIGURES)
    assert "10,000 × 3 ÷ 300 s = 100 joins a second" in said
    assert "× 1000 µs = 0.10 cores of enrollment, × 500 µs = 0.05 of PostgreSQL" in said
    assert "10,000 × 100 µs once = 1 s of CPU" in said
    assert "10,000 ÷ 10 s × 1000 µs = 1.0 cores | 2 more |" in said
    # A quarter of a core, but 5,000 streams a process.
    assert "10,000 × 0.5/s × 50 µs = 0.2 cores, × 16 KiB = 0.2 GiB | 2 more |" in said


def test_the_command_answers_another_question_and_shows_its_sum(tmp_path: Path) -> None:
    """Options reach the arithmetic, which is written out."""
    wanted = ("--candidates", "80000", "--first-minutes", "10", "--share", "0.5")
    said = CliRunner().invoke(main, ["capacity", *wanted, "--figures", str(figures_file(tmp_path))])
    assert said.exit_code == 0, said.output
    assert "80,000 × 0.5 = 40,000 candidates" in said.output
    assert "40,000 ÷ (10 × 60 s) = 67 candidates a second" in said.output


def test_the_command_writes_between_the_markers_alone(tmp_path: Path) -> None:
    """What people have written around stays, and a second time changes nothing."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    arguments = ["capacity", "--figures", str(figures_file(tmp_path)), "--page", str(page)]
    for _ in range(2):
        assert CliRunner().invoke(main, arguments).exit_code == 0
        written = page.read_text(encoding="utf-8")
        default = Question(candidates=300_000, first_minutes=5, share=0.6)
        assert written == f"before\n{BEGIN}\n\n{markdown(default, FIGURES)}\n{END}\nafter\n"


def test_a_page_without_markers_is_left_as_it_is(tmp_path: Path) -> None:
    """The command says what is missing, and writes nothing."""
    page = tmp_path / "page.md"
    page.write_text(f"{END} only\n", encoding="utf-8")
    with pytest.raises(NoMarkers):
        insert(page.read_text(encoding="utf-8"), "")
    arguments = ["capacity", "--figures", str(figures_file(tmp_path)), "--page", str(page)]
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, page.read_text(encoding="utf-8")) == (1, f"{END} only\n")


@pytest.mark.parametrize("gone", ["measured", "calls", "memory"])
def test_figures_that_miss_something_are_refused(gone: str, tmp_path: Path) -> None:
    """A page from half of the figures would be wrong without saying so."""
    content = asdict(FIGURES)
    del content[gone]
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(FiguresError, match=gone):
        read_figures(file)
