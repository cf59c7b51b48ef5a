"""Files that are replaced as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from zikao_kit.files import write_whole


def test_a_file_is_replaced_with_its_mode_and_nothing_beside_it(tmp_path: Path) -> None:
    """The new content and mode are there, and no temporary file is left."""
    path = tmp_path / "secret"
    write_whole(path, "old")
    write_whole(path, b"new", 0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """What cannot be written changes nothing."""
    folder = tmp_path / "taken"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_whole(folder, "new")
    assert list(tmp_path.iterdir()) == [folder]
