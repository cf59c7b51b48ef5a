"""Older candidates as offices enter them (DOMAIN section 3, Activation)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from zikao_kit.errors import DomainError

from zikao_registration.domain.documents import Document, DocumentType, Sex, parse_document
from zikao_registration.domain.documents import normalise as normalised
from zikao_registration.domain.jpeg_segments import NotJpeg, strip_metadata
from zikao_registration.domain.personal import PersonalData, Track, name_problem
from zikao_registration.domain.photos import KIBIBYTE, PHOTO_MAX_BYTES, PHOTO_SHAPE
from zikao_registration.domain.photos import PHOTO_SHAPE_TOLERANCE as TOLERANCE
from zikao_registration.domain.rare_characters import RareCharacters, private_in
from zikao_registration.domain.session import Session
from zikao_registration.domain.ticket_numbers import TICKET_NUMBER_DIGITS, is_earlier

# Enough to be recognised on a ticket; and what a printer can take without trouble.
OLDER_PHOTO_MIN_WIDTH_PIXELS = 90
OLDER_PHOTO_MAX_PIXELS = 8_000_000
MAJOR_CODE_MAX_CHARACTERS = 16

_TICKET_NUMBER = re.compile(rf"[0-9]{{{TICKET_NUMBER_DIGITS}}}", re.ASCII)
_COUNTY_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_MAJOR_CODE = re.compile(r"[A-Z0-9]+", re.ASCII)
_MOBILE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)


@dataclass(frozen=True)
class OlderRow:
    """One line of an import, as it came; None where an enum was missing or not understood."""

    line: int
    ticket_number: str
    document_type: DocumentType | None
    document_number: str
    name: str
    sex: Sex | None
    county_code: str
    track: Track | None
    major_code: str
    mobile: str
    photo_jpeg: bytes
    has_account: bool


@dataclass(frozen=True)
class Photo:
    """A JPEG without metadata, and its SHA-256."""

    jpeg: bytes
    sha256: bytes


@dataclass(frozen=True)
class OlderRecord:
    """One older candidate, in order. Document and photo may be missing: an office completes it."""

    ticket_number: str
    document: Document | None
    name: str
    sex: Sex
    county_code: str
    track: Track
    major_code: str
    mobile: str
    has_account: bool
    photo: Photo | None = None

    def in_place_of(self, before: OlderRecord) -> OlderRecord:
        """This one, with what only the one before has: an office has filled it in since."""
        document = before.document if before.sex == self.sex else None
        return replace(
            self, document=self.document or document, mobile=self.mobile or before.mobile
        )

    @property
    def personal(self) -> PersonalData:
        """As a candidate's application has it; the ethnicity is not known."""
        born = self.document.birth_date if self.document else None
        return PersonalData(
            name=self.name,
            sex=self.sex,
            birth_date=born.isoformat() if born else "",
            county_code=self.county_code,
            track=self.track,
            major_code=self.major_code,
            mobile=self.mobile,
        )


@dataclass(frozen=True)
class RefusedRow:
    """A line with everything that is wrong with it, in Chinese and without what it held."""

    line: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class RowRules:
    """What rows are held against, the same for all of a message.

    `makes_accounts`: whether rows of people who had an account are taken.
    """

    today: date
    sessions: Sequence[Session]
    rare_characters: RareCharacters
    covers: Callable[[str], bool]
    makes_accounts: bool

    @property
    def provinces(self) -> Collection[str]:
        """The first two digits of every county there is: abolished ones begin with them too."""
        return {code[:2] for session in self.sessions for code in session.counties}


@dataclass(frozen=True)
class CheckedRows:
    """Records by line, and the rows that are none."""

    records: Mapping[int, OlderRecord]
    refused: Sequence[RefusedRow]

    @property
    def lines(self) -> list[int]:
        """All of them, in no certain order."""
        return [*self.records, *(row.line for row in self.refused)]

    def after(self, last_line: int) -> CheckedRows:
        """Those that come after a line."""
        return CheckedRows(
            {line: record for line, record in self.records.items() if line > last_line},
            [row for row in self.refused if row.line > last_line],
        )

    def outside_of(self, sessions: Sequence[Session]) -> CheckedRows:
        """Those whose numbers the sessions do not give out; the others are refused."""
        patterns = _patterns(sessions)
        wrong = {
            line: problems
            for line, record in self.records.items()
            if (problems := tuple(_reserved(record.ticket_number, patterns)))
        }
        return CheckedRows(
            {line: record for line, record in self.records.items() if line not in wrong},
            [*self.refused, *(RefusedRow(line, problems) for line, problems in wrong.items())],
        )


def check_rows(rows: Sequence[OlderRow], rules: RowRules) -> CheckedRows:
    """Look at each row by itself; photos take a core for a while."""
    checker = _Checker(rules)
    checked = [(row.line, checker.check(row)) for row in rows]
    return CheckedRows(
        {line: each for line, each in checked if isinstance(each, OlderRecord)},
        [each for _, each in checked if isinstance(each, RefusedRow)],
    )


def read_photo(original: bytes) -> Photo:
    """The photo of an older candidate without metadata; raises PHOTO_REFUSED.

    Kept as it is: encoding it once more would only blur it. Its background is not judged, for
    it was taken by the rules of its time.
    """
    problem, photo = _read_photo(original)
    if photo is None:
        raise DomainError("PHOTO_REFUSED", detail=problem)
    return photo


class _Checker:
    def __init__(self, rules: RowRules) -> None:
        self._rules = rules
        self._provinces = rules.provinces
        self._patterns = _patterns(rules.sessions)
        # Older numbers were given out before it.
        self._first = min(rules.sessions, key=lambda s: s.registration_opens_at, default=None)

    def check(self, row: OlderRow) -> OlderRecord | RefusedRow:
        number, county = normalised(row.ticket_number), normalised(row.county_code)
        name = self._rules.rare_characters.mapped(row.name.strip())
        document, wrong_document = self._document(row)
        wrong_photo, photo = _read_photo(row.photo_jpeg) if row.photo_jpeg else ("", None)
        problems = [
            *self._wrong_number(number, county),
            *wrong_document,
            *_wrong_name(name),
            *_wrong_sex(row.sex, document),
            *self._wrong_county(county),
            *_wrong_major(row),
            *_wrong_mobile(normalised(row.mobile)),
            *([f"照片不符合要求：{wrong_photo}"] if wrong_photo else []),
            *self._wrong_account(row),
        ]
        if problems or row.sex is None or row.track is None:
            return RefusedRow(row.line, tuple(problems))
        return OlderRecord(
            ticket_number=number,
            document=document,
            name=name,
            sex=row.sex,
            county_code=county,
            track=row.track,
            major_code=normalised(row.major_code),
            mobile=normalised(row.mobile),
            has_account=row.has_account,
            photo=photo,
        )

    def _wrong_number(self, number: str, county: str) -> Iterator[str]:
        if not _TICKET_NUMBER.fullmatch(number):
            yield f"准考证号应为{TICKET_NUMBER_DIGITS}位数字"
            return
        reserved = list(_reserved(number, self._patterns))
        yield from reserved
        if not reserved and self._first:
            yield from self._wrong_parts(number, self._first, county[:2])

    def _wrong_parts(self, number: str, first: Session, province: str) -> Iterator[str]:
        """Nobody takes numbers that a session will give out, nor those of other offices.

        A candidate may have moved, and a county may be abolished: so the number need not be of
        the row's county, but of the office's area.
        """
        parts = first.ticket_numbers.read(number)
        if parts and not is_earlier(parts.session, first.ticket_number_session):
            yield f"准考证号的考次段应早于本系统首个考次{first.code}"
        if parts and not self._rules.covers(province + parts.area):
            yield "准考证号的区县段不属于本单位管辖，应由上级考试机构导入"

    def _wrong_account(self, row: OlderRow) -> Iterator[str]:
        if row.has_account and not self._rules.makes_accounts:
            yield "已有账号的考生应由省级考试机构导入"

    def _document(self, row: OlderRow) -> tuple[Document | None, list[str]]:
        if not row.document_number.strip():
            return None, []
        if row.document_type is None:
            return None, ["证件类型缺少或无法识别"]
        try:
            today = self._rules.today
            return parse_document(row.document_type, row.document_number, today=today), []
        except DomainError as error:
            return None, [f"证件号码有误：{error.metadata['detail']}"]

    def _wrong_county(self, code: str) -> Iterator[str]:
        if not _COUNTY_CODE.fullmatch(code):
            yield "区县代码应为6位数字"
        elif code[:2] not in self._provinces:
            yield "区县不属于本省"
        elif not self._rules.covers(code):
            yield "区县不属于本单位管辖"


def _patterns(sessions: Sequence[Session]) -> dict[str, re.Pattern[str]]:
    return {session.code: session.ticket_number_pattern for session in sessions}


def _reserved(number: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    for code, pattern in patterns.items():
        if pattern.fullmatch(number):
            yield f"准考证号属于本系统考次{code}的号段"


def _wrong_name(name: str) -> Iterator[str]:
    unknown = list(private_in(name))
    if not name:
        yield "缺少姓名"
    elif unknown:
        yield f"姓名含有对照表中没有的自造字（{'、'.join(unknown)}）"
    elif wrong := name_problem(name):
        yield wrong


def _wrong_sex(sex: Sex | None, document: Document | None) -> Iterator[str]:
    if sex is None:
        yield "性别缺少或无法识别"
    elif document and document.sex and document.sex != sex:
        yield "性别与证件号码不一致"


def _wrong_major(row: OlderRow) -> Iterator[str]:
    if row.track is None:
        yield "专业类别缺少或无法识别"
    code = normalised(row.major_code)
    if not _MAJOR_CODE.fullmatch(code) or len(code) > MAJOR_CODE_MAX_CHARACTERS:
        yield f"专业代码应为1至{MAJOR_CODE_MAX_CHARACTERS}位字母或数字"


def _wrong_mobile(mobile: str) -> Iterator[str]:
    if mobile and not _MOBILE.fullmatch(mobile):
        yield "手机号码应为11位"


def _read_photo(original: bytes) -> tuple[str, Photo | None]:
    """What is wrong with a photo, or the photo."""
    if len(original) > PHOTO_MAX_BYTES:
        return f"文件不能超过{PHOTO_MAX_BYTES // KIBIBYTE}KB", None
    try:
        stripped = strip_metadata(original)
    except NotJpeg as error:
        return str(error), None
    width, height = stripped.width_pixels, stripped.height_pixels
    if width * height > OLDER_PHOTO_MAX_PIXELS:
        return f"像素过多，最多{OLDER_PHOTO_MAX_PIXELS // 10_000}万", None
    if width < OLDER_PHOTO_MIN_WIDTH_PIXELS:
        return f"宽度至少{OLDER_PHOTO_MIN_WIDTH_PIXELS}像素", None
    if abs(width / height - PHOTO_SHAPE) > TOLERANCE:
        return "宽高比应为3:4", None
    return "", Photo(stripped.jpeg, hashlib.sha256(stripped.jpeg).digest())
