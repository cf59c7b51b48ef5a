"""What a candidate writes into the application, and whether it is all there (DOMAIN section 3)."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from zikao_kit.errors import FieldProblem

from zikao_registration.domain.documents import Document, Sex
from zikao_registration.domain.rare_characters import private_in

NAME_MAX_CHARACTERS = 64
# GB/T 3304: 56 ethnicities, 97 others, 98 foreign descent.
ETHNICITY_CODES = frozenset(f"{code:02}" for code in (*range(1, 57), 97, 98))
# What no name holds. Unassigned code points are allowed: the newest rare characters of
# GB 18030-2022 level 3 are younger than the tables of the interpreter.
_NO_NAME_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Nd", "Sc", "Sm", "So"})


class Track(StrEnum):
    """The two kinds of majors."""

    SOCIAL = "social"
    APPLIED = "applied"


@dataclass(frozen=True)
class PersonalData:
    """The application's fields; empty text or None where nothing was written yet."""

    name: str = ""
    sex: Sex | None = None
    ethnicity_code: str = ""
    birth_date: str = ""
    county_code: str = ""
    track: Track | None = None
    major_code: str = ""
    mobile: str = ""
    email: str = ""


_REQUIRED_ZH = {
    "name": "姓名",
    "sex": "性别",
    "ethnicity_code": "民族",
    "birth_date": "出生日期",
    "county_code": "报考区县",
    "track": "专业类别",
    "major_code": "专业",
    "mobile": "手机号码",
}


def find_problems(
    personal: PersonalData, document: Document, *, has_photo: bool, counties: Collection[str]
) -> list[FieldProblem]:
    """List every field that is missing, wrong or disagrees with the document; empty when none.

    `counties` are the 6-digit codes that take registrations in the session.
    """
    problems = [
        FieldProblem(f"personal.{field}", f"请填写{label}")
        for field, label in _REQUIRED_ZH.items()
        if not getattr(personal, field)
    ]
    if not has_photo:
        problems.append(FieldProblem("photo", "请上传照片"))
    problems += wrong_fields(personal)
    if personal.county_code and personal.county_code not in counties:
        problems.append(FieldProblem("personal.county_code", "报考区县不在本考次范围内"))
    problems += disagreements(personal, document)
    return problems


def name_problem(name: str) -> str | None:
    """Say in Chinese what is wrong with a name that was given; None when nothing is."""
    if len(name) > NAME_MAX_CHARACTERS:
        return f"姓名不能超过{NAME_MAX_CHARACTERS}个字"
    if name != name.strip():
        return "姓名首尾不能有空格"
    # No font draws them, so no ticket could be printed; the same sign is another one elsewhere.
    private = list(private_in(name))
    if private:
        return f"姓名含有自造字（{'、'.join(private)}），请改用标准汉字"
    if any(unicodedata.category(character) in _NO_NAME_CATEGORIES for character in name):
        return "姓名中有不允许的字符"
    return None


def read_birth_date(text: str) -> date | None:
    """The date of an ISO 8601 text; None when it is no date of the calendar."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def wrong_fields(personal: PersonalData) -> Iterator[FieldProblem]:
    """Every field that is there and has no form such a field can have."""
    wrong_name = name_problem(personal.name)
    if wrong_name:
        yield FieldProblem("personal.name", wrong_name)
    if personal.ethnicity_code and personal.ethnicity_code not in ETHNICITY_CODES:
        yield FieldProblem("personal.ethnicity_code", "民族代码有误（GB/T 3304）")
    if personal.birth_date and read_birth_date(personal.birth_date) is None:
        yield FieldProblem("personal.birth_date", "出生日期不存在")


def disagreements(personal: PersonalData, document: Document) -> Iterator[FieldProblem]:
    """Every field that says something else than the number of the document."""
    born = read_birth_date(personal.birth_date)
    if born and document.birth_date and born != document.birth_date:
        yield FieldProblem("personal.birth_date", "出生日期与证件号码不一致")
    if personal.sex and document.sex and personal.sex != document.sex:
        yield FieldProblem("personal.sex", "性别与证件号码不一致")
