"""Identity documents: the number identifies a person for life (DOMAIN section 3).

Every way of writing one number gives the same value: full-width characters, lower-case
letters and blanks are normalised, 15 digits become 18, a renewal suffix is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from zikao_kit.errors import DomainError

CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_EIGHTEEN = re.compile(r"[1-9][0-9]{16}[0-9X]", re.ASCII)
_FIFTEEN = re.compile(r"[1-8][0-9]{14}", re.ASCII)
_HM_PERMIT = re.compile(r"([HM][0-9]{8})(?:[0-9]{2})?", re.ASCII)
_TAIWAN_PERMIT = re.compile(r"[0-9]{8}", re.ASCII)
_OLD_FOREIGN_CARD = re.compile(r"[A-Z]{3}[0-9]{12}", re.ASCII)
_HMT_ADDRESSES = ("810000", "820000", "830000")


class Sex(StrEnum):
    """Sex as on the document."""

    MALE = "male"
    FEMALE = "female"


class DocumentType(StrEnum):
    """Kind of identity document."""

    RESIDENT_ID = "resident_id"
    HMT_RESIDENCE_PERMIT = "hmt_residence_permit"
    HM_TRAVEL_PERMIT = "hm_travel_permit"
    TAIWAN_TRAVEL_PERMIT = "taiwan_travel_permit"
    FOREIGN_PERMANENT_RESIDENT = "foreign_permanent_resident"


@dataclass(frozen=True)
class Document:
    """A normalised, valid identity document; make one with `parse_document`."""

    type: DocumentType
    number: str

    @property
    def person_key(self) -> str:
        """The text that is equal for two documents exactly when they are one person's.

        Numbers of 18 digits come from one space, so the kind that was ticked does not
        count; the short numbers of different kinds may be equal by chance.
        """
        return self.number if self._is_structured else f"{self.type}:{self.number}"

    @property
    def birth_date(self) -> date | None:
        """Birth date inside an 18-digit number; None for the other kinds."""
        return _birth_date(self.number) if self._is_structured else None

    @property
    def sex(self) -> Sex | None:
        """Sex inside an 18-digit number (17th digit odd: male); None for the other kinds."""
        if not self._is_structured:
            return None
        return Sex.MALE if int(self.number[16]) % 2 else Sex.FEMALE

    @property
    def _is_structured(self) -> bool:
        return len(self.number) == 18


def parse_document(kind: DocumentType, text: str, *, today: date) -> Document:
    """Return the document that `text` names, or raise DOCUMENT_INVALID saying what is wrong."""
    number = normalise(text)
    return Document(kind, _PARSERS[kind](number, today))


def normalise(text: str) -> str:
    """Full-width to ASCII, no blanks, upper case."""
    return "".join(text.translate(_FULL_WIDTH).split()).upper()


def canonical(text: str) -> str:
    """The one spelling of a login name or document number: 15 digits as 18, no renewal suffix."""
    name = normalise(text)
    if _FIFTEEN.fullmatch(name):
        return _lengthened(name)
    permit = _HM_PERMIT.fullmatch(name)
    return permit[1] if permit else name


def possible_documents(text: str, *, today: date) -> list[Document]:
    """The documents that `text` may be the number of, one a kind."""
    found = []
    for kind in DocumentType:
        with suppress(DomainError):
            found.append(parse_document(kind, text, today=today))
    return found


def looks_like_document(text: str, *, today: date) -> bool:
    """Say whether `text` is a number of any kind: nobody may choose another's as a name."""
    return bool(possible_documents(text, today=today))


def check_character(first_seventeen: str) -> str:
    """The 18th character of GB 11643 for the 17 digits before it."""
    weighted = zip(first_seventeen, CHECK_WEIGHTS, strict=True)
    return CHECK_CHARACTERS[sum(int(digit) * weight for digit, weight in weighted) % 11]


def _resident_id(number: str, today: date) -> str:
    if _FIFTEEN.fullmatch(number):
        number = _lengthened(number)
    if number.startswith(("9", "81", "82", "83")):
        raise _invalid("号码不是居民身份证的，请核对证件类型")
    return _structured(number, today, "居民身份证号码应为18位（旧证15位）")


def _lengthened(fifteen: str) -> str:
    longer = fifteen[:6] + "19" + fifteen[6:]
    return longer + check_character(longer)


def _hmt_residence_permit(number: str, today: date) -> str:
    if not number.startswith(_HMT_ADDRESSES):
        raise _invalid("港澳台居民居住证号码应以810000、820000或830000开头")
    return _structured(number, today, "港澳台居民居住证号码应为18位")


def _foreign_permanent_resident(number: str, today: date) -> str:
    if _OLD_FOREIGN_CARD.fullmatch(number):
        return number
    if not number.startswith("9"):
        raise _invalid("外国人永久居留身份证号码应以9开头（旧证为3个字母加12位数字）")
    return _structured(number, today, "外国人永久居留身份证号码应为18位（旧证15位）")


def _hm_travel_permit(number: str, today: date) -> str:  # noqa: ARG001 - no date inside
    match = _HM_PERMIT.fullmatch(number)
    if match is None:
        raise _invalid("港澳居民来往内地通行证号码应为H或M加8位数字")
    return match[1]


def _taiwan_travel_permit(number: str, today: date) -> str:  # noqa: ARG001 - no date inside
    if _TAIWAN_PERMIT.fullmatch(number) is None:
        raise _invalid("台湾居民来往大陆通行证号码应为8位数字")
    return number


def _structured(number: str, today: date, form: str) -> str:
    """Check form, birth date and check digit of an 18-digit number.

    The address part is not looked up: counties are abolished, numbers stay.
    """
    if _EIGHTEEN.fullmatch(number) is None:
        raise _invalid(form)
    born = _birth_date(number)
    if born is None or born > today:
        raise _invalid("号码中的出生日期有误")
    if check_character(number[:17]) != number[17]:
        raise _invalid("校验码有误，请逐位核对")
    return number


def _birth_date(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def _invalid(detail: str) -> DomainError:
    return DomainError("DOCUMENT_INVALID", detail=detail)


_PARSERS: dict[DocumentType, Callable[[str, date], str]] = {
    DocumentType.RESIDENT_ID: _resident_id,
    DocumentType.HMT_RESIDENCE_PERMIT: _hmt_residence_permit,
    DocumentType.HM_TRAVEL_PERMIT: _hm_travel_permit,
    DocumentType.TAIWAN_TRAVEL_PERMIT: _taiwan_travel_permit,
    DocumentType.FOREIGN_PERMANENT_RESIDENT: _foreign_permanent_resident,
}
