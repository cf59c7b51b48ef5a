"""The clocks that rules are checked against."""

import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.clocks import FixedClock
from zikao_kit.clock import (
    OFFSET_RECHECK_SECONDS,
    Clock,
    OffsetClock,
    SystemClock,
    write_offset,
)

CHINA = timezone(timedelta(hours=8))
DAY_SECONDS = 86_400


def offset_of(clock: Clock) -> float:
    """How far `clock` is ahead of the machine, in seconds."""
    return (clock.now() - datetime.now(UTC)).total_seconds()


def wait_for_recheck() -> None:
    """Let the interval in which an OffsetClock trusts its last look pass."""
    time.sleep(OFFSET_RECHECK_SECONDS * 1.2)


def test_system_clock_tells_utc() -> None:
    """The system clock gives aware UTC times of now."""
    assert SystemClock().now().tzinfo is UTC
    assert offset_of(SystemClock()) == pytest.approx(0, abs=1)


def test_fixed_clock_moves_only_when_told() -> None:
    """A fixed clock stands still, and answers in UTC whatever zone it was set in."""
    clock = FixedClock(datetime(2022, 2, 28, 9, tzinfo=CHINA))
    assert clock.now() == clock.now() == datetime(2022, 2, 28, 1, tzinfo=UTC)
    clock.advance(timedelta(minutes=30))
    assert clock.now() == datetime(2022, 2, 28, 1, 30, tzinfo=UTC)
    clock.set(datetime(2022, 3, 2, 17, tzinfo=CHINA))
    assert clock.now().isoformat() == "2022-03-02T09:00:00+00:00"


def test_offset_clock_without_file_is_the_system_clock(tmp_path: Path) -> None:
    """A missing offset file means no offset, and is no error."""
    assert offset_of(OffsetClock(tmp_path / "clock.json")) == pytest.approx(0, abs=1)


def test_one_file_moves_every_clock(tmp_path: Path) -> None:
    """Running clocks follow the file: when it appears, changes, and is removed."""
    path = tmp_path / "clock.json"
    clocks = [OffsetClock(path), OffsetClock(path)]
    assert [offset_of(clock) for clock in clocks] == pytest.approx([0, 0], abs=1)
    for offset_seconds in (-1500 * DAY_SECONDS, 0.5, 1500 * DAY_SECONDS):
        write_offset(path, offset_seconds)
        wait_for_recheck()
        moved = [offset_of(clock) for clock in clocks]
        assert moved == pytest.approx([offset_seconds] * 2, abs=0.2)
    path.unlink()
    wait_for_recheck()
    assert [offset_of(clock) for clock in clocks] == pytest.approx([0, 0], abs=1)


def test_writing_the_offset_leaves_no_other_file(tmp_path: Path) -> None:
    """The file is replaced in one step and nothing is left beside it."""
    for offset_seconds in (1, 2):
        write_offset(tmp_path / "clock.json", offset_seconds)
    assert [path.name for path in tmp_path.iterdir()] == ["clock.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "NaN",
        '{"offset_seconds": "1"}',
        '{"offset_seconds": true}',
        '{"offset_seconds": NaN}',
    ],
)
def test_a_wrong_offset_file_is_named(tmp_path: Path, content: str) -> None:
    """A file that holds no offset stops the clock with an error that names the file."""
    path = tmp_path / "clock.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"clock\.json"):
        OffsetClock(path).now()
