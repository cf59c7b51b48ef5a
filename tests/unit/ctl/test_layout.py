"""The directory of an installation: whose it is, who has it, and what a reset takes away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from zikao_ctl.layout import InstallationError, Layout, Mark


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A directory that is not there yet."""
    return Layout(tmp_path / "data")


def test_a_new_directory_is_made_and_marked(layout: Layout) -> None:
    """Whoever comes later can tell that the directory is an installation's."""
    with layout.claimed():
        assert layout.read_mark() == Mark()
    assert (layout.data / "installation.json").exists()


def test_what_is_remembered_is_there_the_next_time(layout: Layout) -> None:
    """Ports and database survive from one claim to the next."""
    mark = Mark({"tickets": 7103}, "embedded")
    with layout.claimed():
        layout.write_mark(mark)
    with layout.claimed():
        assert layout.read_mark() == mark


@pytest.mark.parametrize("reset", [False, True])
def test_a_directory_of_others_is_left_alone(layout: Layout, *, reset: bool) -> None:
    """Neither a start nor a reset touches files that no installation made."""
    layout.data.mkdir()
    (layout.data / "thesis.txt").write_text("years of work")
    with pytest.raises(InstallationError, match="no installation"), layout.claimed(reset=reset):
        pytest.fail("claimed")
    assert [path.name for path in layout.data.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_directory(layout: Layout) -> None:
    """A wrong path is said to be one."""
    layout.data.write_text("")
    with pytest.raises(InstallationError, match="not a directory"), layout.claimed():
        pytest.fail("claimed")


def test_reset_deletes_everything_but_what_links_lead_to(layout: Layout, tmp_path: Path) -> None:
    """After a reset nothing of the data is left, and nothing outside was deleted."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    with layout.claimed():
        layout.write_mark(Mark({"tickets": 1}, "embedded"))
        layout.secrets.mkdir()
        (layout.secrets / "key").write_text("")
        (layout.data / "link").symlink_to(outside)
    with layout.claimed(reset=True):
        assert {path.name for path in layout.data.iterdir()} == {"installation.json", "lock"}
        assert layout.read_mark() == Mark()
    assert (outside / "kept").exists()


def test_a_second_claim_is_refused_and_says_who_has_it(layout: Layout) -> None:
    """Of two processes the second is told the first one's id, and a reset does not help."""
    with layout.claimed():
        source = (
            "import sys; from pathlib import Path; from zikao_ctl.layout import Layout\n"
            "with Layout(Path(sys.argv[1])).claimed(reset=True): pass"
        )
        command = [sys.executable, "-c", source, str(layout.data)]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (layout.data / "installation.json").exists()
        holder = (layout.data / "lock").read_text()
    assert second.returncode == 1
    assert f"process {holder} runs it" in second.stderr


def test_a_damaged_mark_is_named(layout: Layout) -> None:
    """What cannot be read is refused with the way out, not guessed."""
    with layout.claimed():
        (layout.data / "installation.json").write_text('{"colour": 1}')
        with pytest.raises(InstallationError, match="--reset"):
            layout.read_mark()
