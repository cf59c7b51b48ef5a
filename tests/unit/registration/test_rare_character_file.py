"""The province's own characters, as operators write them down."""

from pathlib import Path

import pytest
from zikao_kit.config import ConfigError
from zikao_registration.rare_character_file import load_rare_characters


def test_characters_are_written_either_way(tmp_path: Path) -> None:
    """A character stands for itself or as its code point; the standard's are there too."""
    file = tmp_path / "characters.yaml"
    file.write_text("U+E000: 𬱖\nU+F0001: U+2CC56\n", encoding="utf-8")
    mapped = load_rare_characters(file).mapped("\ue000\U000f0001\ue81e")
    assert mapped == "𬱖\U0002cc56\u9fb4"
    assert load_rare_characters(None).mapped("\ue000\ue81e") == "\ue000\u9fb4"


@pytest.mark.parametrize(
    "text", ["- 𬱖", "U+E000: 二字", "王: 𬱖", "U+E000: U+E001", "a: [", "\x00"]
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """The operator hears which file it is; names must not be changed by a slip."""
    file = tmp_path / "characters.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"characters\.yaml"):
        load_rare_characters(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Without the file that the configuration names, names would be refused at random."""
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_rare_characters(tmp_path / "none.yaml")
