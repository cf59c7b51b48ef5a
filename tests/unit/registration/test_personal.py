"""Completeness of an application: every problem at once."""

from dataclasses import fields, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_registration.domain.documents import Document, DocumentType, Sex, parse_document
from zikao_registration.domain.personal import (
    PersonalData,
    Track,
    find_problems,
    name_problem,
)

COUNTIES = {"510104", "510107"}
DOCUMENT = parse_document(DocumentType.RESIDENT_ID, "513101198201130014", today=date(2022, 2, 21))
COMPLETE = PersonalData(
    name="阿依古丽·买买提",
    sex=Sex.MALE,
    ethnicity_code="05",
    birth_date="1982-01-13",
    county_code="510104",
    track=Track.SOCIAL,
    major_code="120201K",
    mobile="13800000000",
)


def fields_of(personal: PersonalData, *, has_photo: bool = True) -> list[str]:
    """Paths of the fields with a problem."""
    problems = find_problems(personal, DOCUMENT, has_photo=has_photo, counties=COUNTIES)
    return [problem.field for problem in problems]


def test_complete_application_has_no_problem() -> None:
    """What is complete and agrees can be handed in."""
    assert fields_of(COMPLETE) == []


REQUIRED = [field.name for field in fields(PersonalData) if field.name != "email"]


@given(st.sets(st.sampled_from(REQUIRED)), st.booleans())
def test_every_missing_field_is_named_at_once(missing: set[str], has_photo: bool) -> None:
    """Whatever is missing, the list names exactly it, photo included."""
    empty = PersonalData()
    personal = replace(COMPLETE, **{name: getattr(empty, name) for name in missing})
    expected = {f"personal.{name}" for name in missing} | ({"photo"} if not has_photo else set())
    assert set(fields_of(personal, has_photo=has_photo)) == expected


def test_disagreement_with_the_document_is_named() -> None:
    """Sex and birth date must be the document's."""
    personal = replace(COMPLETE, sex=Sex.FEMALE, birth_date="1982-01-14")
    assert fields_of(personal) == ["personal.birth_date", "personal.sex"]


def test_wrong_values_are_named() -> None:
    """A code outside its table and a day outside the calendar are problems too."""
    personal = replace(
        COMPLETE,
        ethnicity_code="57",
        birth_date="1982-02-30",
        county_code="510199",
        name="王\u200b一",
    )
    assert fields_of(personal) == [
        "personal.name",
        "personal.ethnicity_code",
        "personal.birth_date",
        "personal.county_code",
    ]


def test_other_documents_have_nothing_to_compare() -> None:
    """A travel permit tells no birth date; the candidate's word stands."""
    permit = Document(DocumentType.HM_TRAVEL_PERMIT, "H12345678")
    assert find_problems(COMPLETE, permit, has_photo=True, counties=COUNTIES) == []


@pytest.mark.parametrize("name", ["王一", "𬱖𫖯", "\U00031350\U000323af", "José Díaz", "字" * 64])
def test_real_names_are_allowed(name: str) -> None:
    """Rare characters, the newest ones included, are names like any other."""
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["字" * 65, " 王一", "王\n一", "王1", "王😀", "王\u202e一"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """Control characters, digits, emoji and stray blanks are refused in Chinese."""
    assert name_problem(name)
