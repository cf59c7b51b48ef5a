"""The font stack of the ticket printer."""

from pathlib import Path

import pytest
from zikao_tickets.printing import FontStack, FontStackIncomplete
from zikao_tickets.printing.fonts import default_stack, known_font_directories, require_usable


def test_names_of_the_minorities_and_of_level_three_have_glyphs() -> None:
    """The middle dot and rare characters of names are in the stack."""
    assert default_stack().missing_glyphs("阿卜杜热合曼·买买提㛃䶮𠅤𬭎𬘫𫄧") == []


def test_a_machine_without_the_fonts_is_told_what_to_install(tmp_path: Path) -> None:
    """An empty font directory is refused when the stack is built, not on the first ticket."""
    with pytest.raises(FontStackIncomplete, match="fonts-noto-cjk"):
        FontStack.discover([tmp_path])


@pytest.mark.parametrize("name", ["rare.ttf", "rare.ttc"])
def test_a_file_that_is_no_font_is_named_at_the_start(tmp_path: Path, name: str) -> None:
    """Not by the first candidate who prints; beside it lies one that can be used."""
    (usable,) = (
        path for directory in known_font_directories() for path in directory.glob("SimHei.ttf")
    )
    (tmp_path / "usable.ttf").symlink_to(usable)
    (tmp_path / "README").write_text("这里放字体")
    require_usable([tmp_path])
    (tmp_path / name).write_bytes(b"no font")
    with pytest.raises(FontStackIncomplete, match=name):
        require_usable([tmp_path])
