"""Registration's part of a session: its windows, counties and ticket numbers (DOMAIN section 8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from zikao_kit.errors import DomainError, FieldProblem

from zikao_registration.domain.states import State
from zikao_registration.domain.ticket_numbers import FormatInvalid, TicketNumberFormat

_LABELS_ZH = {
    "name": "考次名称",
    "registration_opens_at": "考生注册开始时间",
    "registration_closes_at": "考生注册结束时间",
    "material_closes_at": "证件材料截止时间",
    "review_closes_at": "审核与补正截止时间",
    "ticket_number_format": "准考证号格式",
    "ticket_number_session": "准考证号考次段",
}


@dataclass(frozen=True)
class Session:
    """Settings of one session. Times are aware; windows include the start, not the end."""

    code: str
    name: str
    registration_opens_at: datetime
    registration_closes_at: datetime
    material_closes_at: datetime
    review_closes_at: datetime
    ticket_number_format: str
    ticket_number_session: str
    counties: Mapping[str, str]  # 6-digit code -> name

    def require_registration_open(self, now: datetime) -> None:
        """Raise REGISTRATION_CLOSED, with the window, outside of it."""
        if not self.registration_opens_at <= now < self.registration_closes_at:
            raise DomainError(
                "REGISTRATION_CLOSED",
                opens_at=self.registration_opens_at.isoformat(),
                closes_at=self.registration_closes_at.isoformat(),
            )

    def require_editing_open(self, state: State, now: datetime) -> None:
        """Drafts are written in the registration window, rejected ones until the correction's end.

        Raises REGISTRATION_CLOSED or CORRECTION_CLOSED.
        """
        if state is State.REJECTED:
            self.require_review_open(now)
        else:
            self.require_registration_open(now)

    def require_review_open(self, now: datetime) -> None:
        """Raise CORRECTION_CLOSED once reviews and corrections have ended."""
        _require_before(self.review_closes_at, now)

    def require_material_open(self, state: State, now: datetime) -> None:
        """Raise CORRECTION_CLOSED after the material deadline; a rejected one may correct it."""
        deadline = self.review_closes_at if state is State.REJECTED else self.material_closes_at
        _require_before(deadline, now)

    def require_county(self, county_code: str) -> None:
        """Raise COUNTY_UNKNOWN unless the county takes registrations; empty is not yet chosen."""
        if county_code and county_code not in self.counties:
            raise DomainError("COUNTY_UNKNOWN", county_code=county_code)

    def make_ticket_number(self, county_code: str, serial: int) -> str:
        """Return the ticket number of a serial; raises SERIALS_EXHAUSTED beyond the last."""
        numbers = TicketNumberFormat(self.ticket_number_format)
        return numbers.make(county_code, self.ticket_number_session, serial)


def check_session(session: Session) -> None:
    """Raise INVALID_REQUEST listing every setting that contradicts another."""
    problems = []
    if session.registration_opens_at >= session.registration_closes_at:
        problems.append(_problem("registration_closes_at", "注册结束时间应晚于开始时间"))
    if session.material_closes_at < session.registration_closes_at:
        problems.append(_problem("material_closes_at", "材料截止时间不能早于注册结束时间"))
    if session.review_closes_at < session.material_closes_at:
        problems.append(_problem("review_closes_at", "审核截止时间不能早于材料截止时间"))
    try:
        numbers = TicketNumberFormat(session.ticket_number_format)
    except FormatInvalid as error:
        problems.append(_problem("ticket_number_format", f"准考证号格式有误：{error}"))
    else:
        if not numbers.accepts_session(session.ticket_number_session):
            problems.append(_problem("ticket_number_session", "考次段位数与准考证号格式不符"))
    if problems:
        raise DomainError("INVALID_REQUEST", fields=problems)


def describe_changes(before: Session | None, after: Session) -> list[str]:
    """One Chinese sentence a difference; empty when there is none."""
    if before is None:
        return [f"新增考次{after.code}，区县{len(after.counties)}个"]
    changes = [
        f"{_LABELS_ZH[field.name]}由{_text(old)}改为{_text(new)}"
        for field in fields(Session)
        if field.name in _LABELS_ZH
        and (old := getattr(before, field.name)) != (new := getattr(after, field.name))
    ]
    return changes + _county_changes(before.counties, after.counties)


def check_change(
    before: Session, after: Session, *, used_counties: Collection[str], numbers_assigned: bool
) -> None:
    """Raise SESSION_CHANGE_REFUSED naming what candidates would lose.

    `used_counties` are those with registrations; `numbers_assigned` tells whether any
    ticket number of the session is out.
    """
    lost = sorted(set(used_counties) - set(after.counties))
    if lost:
        raise DomainError("SESSION_CHANGE_REFUSED", detail=f"区县{'、'.join(lost)}已有考生注册")
    same_numbers = (before.ticket_number_format, before.ticket_number_session) == (
        after.ticket_number_format,
        after.ticket_number_session,
    )
    if numbers_assigned and not same_numbers:
        raise DomainError("SESSION_CHANGE_REFUSED", detail="已按原格式编发准考证号")


def refuse_shared_digits(session: Session) -> DomainError:
    """The refusal of digits that another session's ticket numbers have."""
    detail = f"考次段{session.ticket_number_session}已由其他考次使用"
    return DomainError("SESSION_CHANGE_REFUSED", detail=detail)


def _county_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    added = [f"新增区县{code}{name}" for code, name in after.items() if code not in before]
    removed = [f"删除区县{code}{name}" for code, name in before.items() if code not in after]
    renamed = [
        f"区县{code}由{before[code]}改名为{name}"
        for code, name in after.items()
        if before.get(code, name) != name
    ]
    return added + removed + renamed


def _require_before(deadline: datetime, now: datetime) -> None:
    if now >= deadline:
        raise DomainError("CORRECTION_CLOSED", closes_at=deadline.isoformat())


def _problem(field: str, description: str) -> FieldProblem:
    return FieldProblem(f"session.{field}", description)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
