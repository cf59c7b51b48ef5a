"""Identity documents: one person is one number, however it is written."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.errors import DomainError
from zikao_registration.domain.documents import (
    Document,
    DocumentType,
    Sex,
    check_character,
    parse_document,
)

TODAY = date(2022, 2, 21)
RESIDENT = DocumentType.RESIDENT_ID
PERMIT = DocumentType.HMT_RESIDENCE_PERMIT
HM_TRAVEL = DocumentType.HM_TRAVEL_PERMIT
TAIWAN_TRAVEL = DocumentType.TAIWAN_TRAVEL_PERMIT
FOREIGN = DocumentType.FOREIGN_PERMANENT_RESIDENT

addresses = st.integers(110000, 699999).map(str)
births = st.dates(date(1900, 1, 1), date(1999, 12, 31))
sequences = st.integers(0, 999).map(lambda value: f"{value:03}")


def parse(kind: DocumentType, text: str) -> Document:
    """The document that `text` names on the first day of registration."""
    return parse_document(kind, text, today=TODAY)


def number_of(address: str, born: date, sequence: str) -> str:
    """A valid 18-digit number."""
    first = f"{address}{born:%Y%m%d}{sequence}"
    return first + check_character(first)


def full_width(text: str) -> str:
    """The same characters as a Chinese input method writes them."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@pytest.mark.parametrize(
    "number",
    [
        "11010519491231002X",
        "440524188001010014",
        "34052419800101001X",
        "513101198201130014",
    ],
)
def test_known_resident_numbers_are_valid(number: str) -> None:
    """The standard's own examples pass unchanged."""
    assert parse(RESIDENT, number).number == number


@given(addresses, births, sequences)
def test_all_spellings_are_one_person(address: str, born: date, sequence: str) -> None:
    """15 digits, full-width, lower-case and spaced forms name the same person as the 18 digits."""
    number = number_of(address, born, sequence)
    spellings = [
        number.lower(),
        full_width(number),
        f" {number[:6]} {number[6:14]}\u3000{number[14:]}",
        number[:6] + number[8:17],
    ]
    assert {parse(RESIDENT, spelling) for spelling in spellings} == {Document(RESIDENT, number)}


@given(addresses, births, sequences)
def test_number_tells_birth_date_and_sex(address: str, born: date, sequence: str) -> None:
    """Digits 7-14 are the birth date, an odd 17th digit is a man."""
    document = parse(RESIDENT, number_of(address, born, sequence))
    assert document.birth_date == born
    assert document.sex is (Sex.MALE if int(sequence[2]) % 2 else Sex.FEMALE)


@given(addresses, births, sequences, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(
    address: str, born: date, sequence: str, place: int, shift: int
) -> None:
    """Any single mistyped digit is refused: that is what the check digit is for."""
    number = number_of(address, born, sequence)
    wrong = str((int(number[place]) + shift) % 10)
    with pytest.raises(DomainError, match="DOCUMENT_INVALID"):
        parse(RESIDENT, number[:place] + wrong + number[place + 1 :])


@given(st.sampled_from(DocumentType), st.text(max_size=24))
def test_any_text_is_parsed_or_refused(kind: DocumentType, text: str) -> None:
    """No input crashes the parser, and what it accepts it accepts again unchanged."""
    try:
        document = parse(kind, text)
    except DomainError as error:
        refusal = error.reason
    else:
        refusal = "" if parse(kind, document.number) == document else "changed again"
    assert refusal in {"", "DOCUMENT_INVALID"}


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        (PERMIT, "810000199001010019", "810000199001010019"),
        (HM_TRAVEL, "h12345678", "H12345678"),
        (HM_TRAVEL, "Ｍ１２３４５６７８", "M12345678"),
        (HM_TRAVEL, "H1234567802", "H12345678"),
        (TAIWAN_TRAVEL, "01234567", "01234567"),
        (FOREIGN, "usa110090010112", "USA110090010112"),
    ],
)
def test_other_kinds_are_normalised(kind: DocumentType, text: str, number: str) -> None:
    """Permits and cards are accepted in their own forms; a renewal suffix is dropped."""
    assert parse(kind, text).number == number


@given(births, sequences)
def test_foreign_card_has_the_same_check(born: date, sequence: str) -> None:
    """An 18-digit foreign card begins with 9 and carries birth date and check digit alike."""
    assert parse(FOREIGN, number_of("911840", born, sequence)).birth_date == born


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (RESIDENT, "810000199001010019"),
        (RESIDENT, "110105194902300025"),
        (RESIDENT, "11010519491231002"),
        (RESIDENT, "11010519491231002Ⅹ"),
        (RESIDENT, "١١٠١٠٥١٩٤٩١٢٣١٠٠٢X"),
        (PERMIT, "11010519491231002X"),
        (HM_TRAVEL, "A12345678"),
        (HM_TRAVEL, "H123456780"),
        (TAIWAN_TRAVEL, "0123456789"),
        (FOREIGN, "11010519491231002X"),
        (FOREIGN, "US1110090010112"),
    ],
)
def test_wrong_kinds_and_forms_are_refused(kind: DocumentType, text: str) -> None:
    """A number of another kind, an impossible date or foreign digits are refused."""
    with pytest.raises(DomainError, match="DOCUMENT_INVALID"):
        parse(kind, text)


def test_birth_in_the_future_is_refused() -> None:
    """Nobody is born tomorrow, though the check digit is right."""
    with pytest.raises(DomainError, match="DOCUMENT_INVALID"):
        parse(RESIDENT, number_of("510104", date(2022, 2, 22), "001"))


def test_short_numbers_of_two_kinds_are_two_people() -> None:
    """Equal short numbers of different kinds are different people."""
    taiwan = parse(TAIWAN_TRAVEL, "01234567")
    assert taiwan.person_key != Document(HM_TRAVEL, "01234567").person_key


def test_travel_permit_tells_neither_sex_nor_birth() -> None:
    """There is nothing to compare the application with."""
    permit = parse(HM_TRAVEL, "H12345678")
    assert (permit.sex, permit.birth_date) == (None, None)
