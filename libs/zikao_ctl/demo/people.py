"""Who takes part in a rehearsal: made-up people with valid document numbers, from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from random import Random

from zikao_ctl.session_model import SessionFile

# GB 11643: weights are the powers of 2 modulo 11.
_WEIGHTS = [pow(2, 17 - place, 11) for place in range(17)]
_CHECK_CHARACTERS = "10X98765432"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹"
    "曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂兰英华玉萍红飞玲"
    "婷鑫波斌宇浩凯健俊帆雪梅琳晨阳欣悦佳怡子轩梓涵雨桐"
)
_FIRST_BIRTH_DATE = date(1975, 1, 1)
_BIRTH_DATE_DAYS = 28 * 365
# Demand is uneven: half of the people want one district.
_COUNTY_WEIGHTS = (10, 5, 3, 2)
_MAX_COUNTIES = 3
_COURSES_A_SLOT = 4
_APPLIED_SHARE = 0.2
_LONGER_NAME_SHARE = 0.75
_MAJORS = {"social": "120203K", "applied": "630302"}


class Role(StrEnum):
    """What makes somebody's way a special one."""

    ORDINARY = "ordinary"
    HERO = "hero"
    RARE_NAME = "rare name"
    HONG_KONG = "Hong Kong resident"
    CORRECTED = "rejected and corrected"
    PAYS_LATE = "pays late"
    PAYS_TWICE = "pays twice"
    NEVER_PAYS = "never pays"
    OLD_NUMBER = "15-digit document number"


@dataclass(frozen=True)
class Person:
    """A candidate as the story knows them; enum values by the contracts' names without prefix."""

    number: int
    role: Role
    name: str
    sex: str  # male, female
    document_type: str
    document_number: str
    birth_date: date
    county_code: str
    track: str  # social, applied
    course_codes: tuple[str, ...]
    county_codes: tuple[str, ...]
    ethnicity_code: str = "01"

    @property
    def mobile(self) -> str:
        """A number that no network gives out to many people."""
        return f"170{self.number:08}"

    @property
    def password(self) -> str:
        """Test data: anybody could guess it."""
        return f"rehearsal-{self.number:04}"

    @property
    def major_code(self) -> str:
        """A major of the track."""
        return _MAJORS[self.track]

    @property
    def sex_zh(self) -> str:
        """As on the document."""
        return "男" if self.sex == "male" else "女"


def make_people(session: SessionFile, others: int, seed: int) -> list[Person]:
    """The hero and `others` more, the special ones first; a seed makes the same people again."""
    chance = Random(seed)
    counties = popular_counties(session)
    people = [_ordinary(number, session, counties, chance) for number in range(others + 1)]
    special = [role for role in Role if role is not Role.ORDINARY]
    return [
        _cast(person, special[person.number], session) if person.number < len(special) else person
        for person in people
    ]


def popular_counties(session: SessionFile) -> list[str]:
    """Where people want to sit: the three largest counties and a small one."""
    by_seats = sorted(session.counties, key=lambda county: (-min(county.seats), county.code))
    chosen = [*by_seats[: len(_COUNTY_WEIGHTS) - 1], by_seats[-1]]
    return [county.code for county in chosen]


def resident_number(address_code: str, born: date, sequence: int) -> str:
    """A resident identity number; an odd `sequence` (0-999) is a man's."""
    digits = f"{address_code}{born:%Y%m%d}{sequence:03}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return digits + _CHECK_CHARACTERS[total % 11]


def _ordinary(number: int, session: SessionFile, counties: list[str], chance: Random) -> Person:
    sex = chance.choice(("male", "female"))
    born = _FIRST_BIRTH_DATE + timedelta(days=chance.randrange(_BIRTH_DATE_DAYS))
    sequence = 2 * (number % 500) + (sex == "male")
    track = "applied" if chance.random() < _APPLIED_SHARE else "social"
    ranked = _ranked(counties, chance)
    given = 2 if chance.random() < _LONGER_NAME_SHARE else 1
    return Person(
        number=number,
        role=Role.ORDINARY,
        name=chance.choice(_SURNAMES) + "".join(chance.sample(_GIVEN, given)),
        sex=sex,
        document_type="RESIDENT_ID",
        document_number=resident_number(ranked[0], born, sequence),
        birth_date=born,
        county_code=ranked[0],
        track=track,
        course_codes=_courses(session, track, chance, chance.randint(1, len(session.slots))),
        county_codes=ranked,
        ethnicity_code=f"{chance.choice((1, 1, 1, 1, 1, 4, 7)):02}",
    )


def _ranked(counties: list[str], chance: Random) -> tuple[str, ...]:
    first = chance.choices(counties, _COUNTY_WEIGHTS)[0]
    others = [code for code in counties if code != first]
    return (first, *chance.sample(others, _MAX_COUNTIES - 1))


def _courses(session: SessionFile, track: str, chance: Random, count: int) -> tuple[str, ...]:
    slots = sorted(chance.sample(range(1, len(session.slots) + 1), min(count, session.max_courses)))
    return tuple(chance.choice(_offered(session, track, slot)) for slot in slots)


def _offered(session: SessionFile, track: str, slot: int) -> list[str]:
    """Some courses of a slot: rooms should have more than one person of a course."""
    codes = [c.code for c in session.courses if c.slot == slot and track in c.tracks]
    return sorted(codes)[:_COURSES_A_SLOT]


def _cast(person: Person, role: Role, session: SessionFile) -> Person:
    """The person in a special role, of the track that enrolls first."""
    count = len(session.slots) if role is Role.HERO else 2
    courses = _courses(session, "social", Random(person.number), count)
    person = replace(person, role=role, track="social", course_codes=courses)
    match role:
        case Role.HERO:
            return _renamed(person, "欧阳雪", "female")
        case Role.RARE_NAME:
            return _renamed(person, "张\U0002cb4e", "male")
        case Role.HONG_KONG:
            number = resident_number("810000", person.birth_date, 500)
            person = _renamed(person, "陈嘉欣", "female")
            return replace(person, document_type="HMT_RESIDENCE_PERMIT", document_number=number)
        case Role.OLD_NUMBER:
            born = date(1968, 5, 17)
            number = resident_number(person.county_code, born, 201)
            person = _renamed(person, "赵国庆", "male")
            old_form = number[:6] + number[8:17]
            return replace(person, birth_date=born, document_number=old_form)
    return person


def _renamed(person: Person, name: str, sex: str) -> Person:
    sequence = 800 + 2 * person.number + (sex == "male")
    number = resident_number(person.county_code, person.birth_date, sequence)
    return replace(person, name=name, sex=sex, document_number=number)
