"""A roster's file while it comes."""

from pathlib import Path

from zikao_ctl.export_files import PartFile

REQUEST = {"session": "22.1", "county": "51"}


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    """What was written after the last place, by a process that was killed, does not count."""
    path = tmp_path / "roster.csv"
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


def test_another_request_begins_anew(tmp_path: Path) -> None:
    """Another area's part is no beginning, nor one that lost what its place says it has."""
    path = tmp_path / "roster.csv"
    PartFile(path, REQUEST).add(b"22.1\r\n", "a", 1)
    assert PartFile(path, REQUEST).cursor == "a"
    assert PartFile(path, {**REQUEST, "county": "5101"}).cursor == ""
    assert (tmp_path / "roster.csv.part").read_bytes() == b""
    assert PartFile(path, REQUEST).cursor == ""
