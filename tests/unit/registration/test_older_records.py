"""Rows of older candidates: what is in order, and everything that is not."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.registration_older import older_photo
from zikao_kit.errors import DomainError
from zikao_registration.domain.documents import DocumentType, Sex, check_character
from zikao_registration.domain.older_records import (
    OlderRow,
    RefusedRow,
    RowRules,
    check_rows,
    read_photo,
)
from zikao_registration.domain.personal import Track
from zikao_registration.domain.rare_characters import RareCharacters
from zikao_registration.domain.session import Session

NOW = datetime(2022, 2, 21, tzinfo=UTC)
SESSION = Session(
    code="22.1",
    name="2022年4月",
    registration_opens_at=NOW,
    registration_closes_at=NOW,
    material_closes_at=NOW,
    review_closes_at=NOW,
    ticket_number_format="{city:2}{county:2}{session:3}{serial:5}",
    ticket_number_session="221",
    counties={"510104": "锦江区"},
)
RULES = RowRules(
    date(2022, 2, 21),
    [SESSION],
    RareCharacters(),
    lambda code: code != "510199",
    makes_accounts=False,
)
GOOD = OlderRow(
    line=1,
    ticket_number="010412300001",
    document_type=DocumentType.RESIDENT_ID,
    document_number="513101198201130014",
    name="王一",
    sex=Sex.MALE,
    county_code="510104",
    track=Track.SOCIAL,
    major_code="W020119",
    mobile="13812345678",
    photo_jpeg=b"",
    has_account=False,
)
# One wrong value of each field, and a word of the problem.
WRONG: dict[str, tuple[Any, str]] = {
    "ticket_number": ("01041230000", "准考证号"),
    "document_number": ("513101198201130015", "证件号码"),
    "name": ("王\ue000", "自造字"),
    "sex": (None, "性别"),
    "county_code": ("110101", "区县"),
    "track": (None, "专业类别"),
    "major_code": ("W-1", "专业代码"),
    "mobile": ("138", "手机号码"),
    "photo_jpeg": (b"no picture", "照片"),
    "has_account": (True, "已有账号"),
}


def problems_of(row: OlderRow) -> tuple[str, ...]:
    """Everything that is wrong with a row."""
    checked = check_rows([row], RULES)
    (refused,) = checked.refused or [RefusedRow(row.line, ())]
    assert bool(checked.records) == (not refused.problems)
    return refused.problems


@given(st.sets(st.sampled_from(sorted(WRONG))))
def test_every_wrong_field_is_told_at_once(wrong: set[str]) -> None:
    """Whatever is wrong, the row hears exactly that, once each."""
    row = replace(GOOD, **{name: WRONG[name][0] for name in wrong})
    problems = problems_of(row)
    assert len(problems) == len(wrong)
    assert all(any(WRONG[name][1] in problem for problem in problems) for name in wrong)


@given(
    st.builds(OlderRow, **{f.name: st.from_type(type(getattr(GOOD, f.name))) for f in fields(GOOD)})
)
def test_no_row_breaks_the_check(row: OlderRow) -> None:
    """Whatever an office sends is a record or has problems, and is never a fault."""
    assert len(check_rows([row], RULES).lines) == 1


@given(st.dates(date(1930, 1, 1), date(2004, 12, 31)), st.integers(0, 999), st.booleans())
def test_sex_agrees_with_the_number(born: date, sequence: int, is_male: bool) -> None:
    """A row is taken exactly when its sex is that of the document number, in either form."""
    first = f"510104{born:%Y%m%d}{sequence:03}"
    sex = Sex.MALE if is_male else Sex.FEMALE
    forms = [first + check_character(first)]
    forms += [first[:6] + first[8:]] if born.year < 2000 else []
    for form in forms:
        agrees = is_male == bool(sequence % 2)
        row = replace(GOOD, document_number=form, sex=sex)
        assert problems_of(row) == (() if agrees else ("性别与证件号码不一致",))


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"ticket_number": " ０１０４１２３０００１ "}, ("准考证号应为12位数字",)),
        ({"ticket_number": "０１０４１２３００００１"}, ()),
        ({"ticket_number": "510422100001"}, ("准考证号属于本系统考次22.1的号段",)),
        ({"document_number": "", "document_type": None}, ()),
        ({"document_type": None}, ("证件类型缺少或无法识别",)),
        ({"county_code": "510199"}, ("区县不属于本单位管辖",)),
        ({"mobile": ""}, ()),
        ({"name": " 王\ue81e "}, ()),
    ],
)
def test_values_are_normalised_and_judged(
    changes: dict[str, Any], problems: tuple[str, ...]
) -> None:
    """Full-width digits and blanks are no mistake; what may be missing may be missing."""
    assert problems_of(replace(GOOD, **changes)) == problems


def test_a_photo_is_kept_without_its_metadata() -> None:
    """A small photo of its time is good enough, and only the picture is kept."""
    photo = read_photo(older_photo())
    assert b"CANARY" in older_photo()
    assert b"CANARY" not in photo.jpeg


def resized(width: int, height: int) -> bytes:
    """The photo with another size in its header."""
    jpeg = bytearray(older_photo())
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(jpeg)


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        (resized(60000, 60000), "像素过多"),
        (resized(30, 40), "宽度至少"),
        (resized(200, 200), "3:4"),
        (older_photo() + bytes(200 * 1024), "200KB"),
        (older_photo()[:-100], "不完整"),
    ],
)
def test_a_photo_of_another_kind_is_refused(photo: bytes, said: str) -> None:
    """Bombs, stamps, squares, giants and torsos are refused by their header."""
    with pytest.raises(DomainError) as refused:
        read_photo(photo)
    assert refused.value.reason == "PHOTO_REFUSED"
    assert said in refused.value.metadata["detail"]
