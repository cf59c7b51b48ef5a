"""Characters of old systems: what they meant, and which nobody knows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_registration.domain.personal import name_problem
from zikao_registration.domain.rare_characters import (
    RareCharacters,
    is_private,
    private_in,
    standard_mapping,
)

# GBK rows FE50 to FEA0, in the order of the private characters U+E815 to U+E864.
GBK_ROW = [bytes([0xFE, second]) for second in (*range(0x50, 0x7F), *range(0x80, 0xA1))]
LEVEL_3 = st.sampled_from("䶮𬱖𫖯𬀩\U0002cc56\U0002ebe0\U00030000\U00031350\U000323af")


def test_the_rows_of_gbk_are_what_the_codec_says() -> None:
    """Where the interpreter's GB 18030 has a real character for GBK's place, the table has it."""
    table = standard_mapping()
    privates = [chr(code) for code in range(0xE815, 0xE865)]
    assert len(GBK_ROW) == len(privates)
    decoded = [gbk.decode("gb18030") for gbk in GBK_ROW]
    real = {p: d for p, d in zip(privates, decoded, strict=True) if not is_private(d)}
    assert len(real) == 66
    assert {private: table[private] for private in real} == real


def test_the_last_characters_of_the_standard_have_their_places() -> None:
    """The 24 that GB 18030-2005 left private are those that the edition of 2022 has moved."""
    table = standard_mapping()
    moved = {
        0xE816: 0x20087, 0xE817: 0x20089, 0xE818: 0x200CC, 0xE831: 0x215D7, 0xE83B: 0x2298F,
        0xE855: 0x241FE, 0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6, 0xE82C: 0x9FB7,
        0xE832: 0x9FB8, 0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE864: 0x9FBB, 0xE78D: 0xFE10,
        0xE78E: 0xFE12, 0xE78F: 0xFE11, 0xE790: 0xFE13, 0xE791: 0xFE14, 0xE792: 0xFE15,
        0xE793: 0xFE16, 0xE794: 0xFE17, 0xE795: 0xFE18, 0xE796: 0xFE19,
    }  # fmt: skip
    assert {ord(table[chr(private)]) for private in moved} == set(moved.values())
    assert all(table[chr(private)] == chr(real) for private, real in moved.items())


def test_no_two_private_characters_are_one() -> None:
    """Names that differed in the old system differ in the new one."""
    table = standard_mapping()
    assert len(set(table.values())) == len(table) == 105
    assert all(is_private(private) for private in table)
    assert not any(is_private(real) for real in table.values())


@given(st.text(st.sampled_from(sorted(standard_mapping())) | LEVEL_3 | st.characters()))
def test_mapping_changes_known_characters_alone(text: str) -> None:
    """Every known character is replaced in its place, all else stays, and twice is once."""
    table = standard_mapping()
    mapped = RareCharacters().mapped(text)
    assert mapped == "".join(table.get(character, character) for character in text)
    assert RareCharacters().mapped(mapped) == mapped


@given(st.text(LEVEL_3, min_size=1, max_size=64))
def test_level_3_names_stay_exactly(name: str) -> None:
    """The rarest characters of GB 18030-2022 are nobody's to change."""
    assert RareCharacters().mapped(name) == name
    assert name_problem(name) is None


def test_a_province_has_characters_of_its_own() -> None:
    """What the old system drew itself is mapped by the province's file, and goes before ours."""
    own = RareCharacters({"\ue000": "𬱖", "\U000f0001": "𫖯", "\ue81e": "䶮"})
    assert own.mapped("王\ue000\U000f0001\ue81e\ue001") == "王𬱖𫖯䶮\ue001"


@pytest.mark.parametrize("own", [{"王": "𬱖"}, {"\ue000": "\ue001"}])
def test_a_mapping_that_is_none_is_refused(own: dict[str, str]) -> None:
    """A real character means itself, and none is explained by a private one."""
    with pytest.raises(ValueError, match=re.escape("U+")):
        RareCharacters(own)


def test_unknown_characters_are_told_by_code_point() -> None:
    """Who must find out what a character was hears which it is."""
    assert list(private_in("王\ue000一\U000f0001")) == ["U+E000", "U+F0001"]
    assert name_problem("王\ue000") == "姓名含有自造字（U+E000），请改用标准汉字"
