"""A roster's file while it comes."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from zikao_ctl.export_files import PartFile
from zikao_ctl.main import main

REQUEST = {"session": "22.1", "county": "51"}


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    """What was written after the last place, by a process that was killed, does not count.

    It is its owner's alone, also what an older version has left.
    """
    path = tmp_path / "roster.csv"
    (tmp_path / "roster.csv.part").touch()
    first = PartFile(path, REQUEST)
    first.add("考次\r\n".encode(), "a", 0)
    first.add(b"22.1\r\n", "b", 1)
    with (tmp_path / "roster.csv.part").open("ab") as file:
        file.write(b"22")
    again = PartFile(path, REQUEST)
    assert (again.cursor, again.candidates) == ("b", 1)
    again.add(b"22.2\r\n", "c", 2)
    again.finish()
    assert path.read_bytes() == "考次\r\n22.1\r\n22.2\r\n".encode()
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_request_begins_anew(tmp_path: Path) -> None:
    """Another area's part is no beginning, nor one that lost what its place says it has."""
    path = tmp_path / "roster.csv"
    PartFile(path, REQUEST).add(b"22.1\r\n", "a", 1)
    assert PartFile(path, REQUEST).cursor == "a"
    assert PartFile(path, {**REQUEST, "county": "5101"}).cursor == ""
    assert (tmp_path / "roster.csv.part").read_bytes() == b""
    assert PartFile(path, REQUEST).cursor == ""


@pytest.mark.parametrize("what", ["roster", "statistics", "tickets", "papers"])
def test_nothing_is_begun_without_certificates(tmp_path: Path, what: str) -> None:
    """Whoever has none is told how to get them, and finds no empty file afterwards."""
    out, certs = tmp_path / "out.csv", tmp_path / "certs"
    where = ("--session", "22.1", "--county", "510104", "--out", str(out), "--certs", str(certs))
    ended = CliRunner().invoke(main, ["export", what, *where])
    assert ended.exit_code == 1
    assert (
        f"no certificates of operator in {certs}: run `zikao up`, or give --certs" in ended.output
    )
    assert list(tmp_path.iterdir()) == []


def test_a_slot_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """At once, with what could be."""
    where = ("--session", "22.1", "--county", "510104", "--out", str(tmp_path / "out.pdf"))
    ended = CliRunner().invoke(main, ["export", "posters", *where, "--slot", "-3"])
    assert (ended.exit_code, "0<=x<=255" in ended.output) == (2, True)
