"""Registration's part of a session: its windows, counties and ticket numbers (DOMAIN section 8)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError, FieldProblem

from zikao_registration.domain.states import State
from zikao_registration.domain.ticket_numbers import FormatInvalid, TicketNumberFormat


@dataclass(frozen=True)
class Window:
    """From `opens_at`, inclusive, to `closes_at`, exclusive."""

    opens_at: datetime
    closes_at: datetime

    def contains(self, now: datetime) -> bool:
        """Say whether it is open."""
        return self.opens_at <= now < self.closes_at


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
    activation: Window | None = None
    profile_change: Window | None = None
    profile_changes_effective_at: datetime | None = None
    enrollment: tuple[Window, ...] = ()
    four_eyes_percent: int = 0

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

    def expired_states(self, now: datetime) -> list[State]:
        """States whose deadline has passed; those in KEPT_BY_MATERIAL go on if it is there."""
        deadlines = {
            State.DRAFT: self.registration_closes_at,
            State.PENDING_REVIEW: self.material_closes_at,
            State.PENDING_CONFIRMATION: self.material_closes_at,
            State.REJECTED: self.review_closes_at,
        }
        return [state for state, deadline in deadlines.items() if now >= deadline]

    def changes_are_in_effect(self, now: datetime) -> bool:
        """Whether profile changes of this session take effect by now: the next one has begun."""
        effective_at = self.profile_changes_effective_at
        return effective_at is not None and now >= effective_at

    def require_county(self, county_code: str) -> None:
        """Raise COUNTY_UNKNOWN unless the county takes registrations; empty is not yet chosen."""
        if county_code and county_code not in self.counties:
            raise DomainError("COUNTY_UNKNOWN", county_code=county_code)

    @property
    def ticket_number_pattern(self) -> re.Pattern[str]:
        """What all ticket numbers of the session look like, and none of another."""
        return self.ticket_numbers.pattern(self.ticket_number_session)

    @property
    def ticket_numbers(self) -> TicketNumberFormat:
        """What makes and reads the session's ticket numbers."""
        return TicketNumberFormat(self.ticket_number_format)

    def make_ticket_number(self, county_code: str, serial: int) -> str:
        """Return the ticket number of a serial; raises SERIALS_EXHAUSTED beyond the last."""
        return self.ticket_numbers.make(county_code, self.ticket_number_session, serial)


def session_problems(session: Session) -> list[FieldProblem]:
    """Everything in a session that contradicts itself; empty when it can be used.

    What one field alone can get wrong is ruled by the contract.
    """
    return [*_deadline_problems(session), *_window_problems(session), *_number_problems(session)]


def _deadline_problems(session: Session) -> Iterator[FieldProblem]:
    if session.registration_opens_at >= session.registration_closes_at:
        yield _problem("registration_closes_at", "注册结束时间应晚于开始时间")
    if session.material_closes_at < session.registration_closes_at:
        yield _problem("material_closes_at", "材料截止时间不能早于注册结束时间")
    if session.review_closes_at < session.material_closes_at:
        yield _problem("review_closes_at", "审核截止时间不能早于材料截止时间")


def _window_problems(session: Session) -> Iterator[FieldProblem]:
    windows = {"activation": session.activation, "profile_change": session.profile_change}
    windows |= {f"enrollment[{index}]": window for index, window in enumerate(session.enrollment)}
    for field, window in windows.items():
        if window and window.opens_at >= window.closes_at:
            yield _problem(field, "结束时间应晚于开始时间")
    changes, effective_at = session.profile_change, session.profile_changes_effective_at
    if changes and (effective_at is None or effective_at < changes.closes_at):
        yield _problem("profile_changes_effective_at", "考籍更改生效时间不能早于其申请结束时间")


def _number_problems(session: Session) -> Iterator[FieldProblem]:
    try:
        numbers = TicketNumberFormat(session.ticket_number_format)
    except FormatInvalid as error:
        yield _problem("ticket_number_format", f"准考证号格式有误：{error}")
        return
    if not numbers.accepts_session(session.ticket_number_session):
        yield _problem("ticket_number_session", "考次段位数与准考证号格式不符")


def _require_before(deadline: datetime, now: datetime) -> None:
    if now >= deadline:
        raise DomainError("CORRECTION_CLOSED", closes_at=deadline.isoformat())


def _problem(field: str, description: str) -> FieldProblem:
    return FieldProblem(f"session.{field}", description)
