"""Changes of what an approved registration says of a person (DOMAIN section 3, Profile change)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_registration.domain.documents import Document, Sex
from zikao_registration.domain.personal import PersonalData, disagreements, wrong_fields
from zikao_registration.domain.registration import Decision, Registration
from zikao_registration.domain.session import Session

# Of one candidate in one session, withdrawn ones too. Each may bring a picture, and work.
REQUESTS_A_SESSION = 3


class ChangeState(StrEnum):
    """Where a request stands."""

    AWAITING_EVIDENCE = "awaiting_evidence"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    APPLIED = "applied"
    FAILED = "failed"


class ChangeAction(StrEnum):
    """What candidates, offices and time do to a request."""

    ADD_EVIDENCE = "add_evidence"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    REJECT = "reject"
    # The window has closed without evidence, or the time of the effect has come undecided.
    LAPSE = "lapse"
    # The session's sittings are over.
    APPLY = "apply"
    FAIL = "fail"


class ChangeFailure(StrEnum):
    """Why an approved request could not be applied."""

    DOCUMENT_TAKEN = "document_taken"
    NOT_APPROVED = "not_approved"
    DISAGREES = "disagrees"


_S, _A = ChangeState, ChangeAction
TRANSITIONS: dict[tuple[ChangeState, ChangeAction], ChangeState] = {
    (_S.AWAITING_EVIDENCE, _A.ADD_EVIDENCE): _S.PENDING,
    (_S.AWAITING_EVIDENCE, _A.WITHDRAW): _S.WITHDRAWN,
    (_S.AWAITING_EVIDENCE, _A.LAPSE): _S.LAPSED,
    (_S.PENDING, _A.WITHDRAW): _S.WITHDRAWN,
    (_S.PENDING, _A.APPROVE): _S.APPROVED,
    (_S.PENDING, _A.REJECT): _S.REJECTED,
    (_S.PENDING, _A.LAPSE): _S.LAPSED,
    (_S.APPROVED, _A.WITHDRAW): _S.WITHDRAWN,
    (_S.APPROVED, _A.APPLY): _S.APPLIED,
    (_S.APPROVED, _A.FAIL): _S.FAILED,
}
OPEN = frozenset({state for state, _ in TRANSITIONS})

STATE_NAMES_ZH = {
    _S.AWAITING_EVIDENCE: "待上传证明材料",
    _S.PENDING: "待审核",
    _S.APPROVED: "审核通过，待生效",
    _S.REJECTED: "审核未通过",
    _S.WITHDRAWN: "已撤回",
    _S.LAPSED: "已逾期",
    _S.APPLIED: "已生效",
    _S.FAILED: "未能生效",
}


def next_change_state(state: ChangeState, action: ChangeAction) -> ChangeState:
    """The state after `action`; raises PROFILE_CHANGE_STATE naming the state in Chinese."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise DomainError("PROFILE_CHANGE_STATE", state=STATE_NAMES_ZH[state])
    return after


@dataclass(frozen=True)
class ProfileValues:
    """New values; empty or None: stays as it is."""

    name: str = ""
    sex: Sex | None = None
    ethnicity_code: str = ""
    birth_date: str = ""
    document: Document | None = None

    @property
    def fields(self) -> list[str]:
        """Names of what is given."""
        return [name for name, value in vars(self).items() if value]


@dataclass(frozen=True)
class ProfileChange:
    """A request and what became of it."""

    change_id: UUID
    candidate_id: UUID
    session_code: str
    county_code: str
    state: ChangeState
    values: ProfileValues
    requested_at: datetime
    decision: Decision | None = None
    failure: ChangeFailure | None = None


def values_of(registration: Registration) -> ProfileValues:
    """What a registration says now."""
    personal = registration.personal
    return ProfileValues(
        name=personal.name,
        sex=personal.sex,
        ethnicity_code=personal.ethnicity_code,
        birth_date=personal.birth_date,
        document=registration.document,
    )


def only_new(values: ProfileValues, registration: Registration) -> ProfileValues:
    """Leave out what is so already."""
    now, nothing = values_of(registration), ProfileValues()
    same = [name for name in values.fields if getattr(values, name) == getattr(now, name)]
    return replace(values, **{name: getattr(nothing, name) for name in same})


def require_sound(values: ProfileValues, registration: Registration) -> None:
    """Raise INVALID_REQUEST with every field that has no form, or disagrees after the change."""
    if not values.fields:
        problem = FieldProblem("changes", "没有需要更改的内容")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    after = changed(registration, values)
    given = PersonalData(
        name=values.name, ethnicity_code=values.ethnicity_code, birth_date=values.birth_date
    )
    problems = [*wrong_fields(given), *disagreements(after.personal, after.document)]
    if problems:
        fields = [
            FieldProblem(problem.field.replace("personal", "changes"), problem.description)
            for problem in problems
        ]
        raise DomainError(INVALID_REQUEST, fields=fields)


def changed(registration: Registration, values: ProfileValues) -> Registration:
    """The registration with the new values."""
    personal = registration.personal
    return replace(
        registration,
        document=values.document or registration.document,
        personal=replace(
            personal,
            name=values.name or personal.name,
            sex=values.sex or personal.sex,
            ethnicity_code=values.ethnicity_code or personal.ethnicity_code,
            birth_date=values.birth_date or personal.birth_date,
        ),
    )


def require_few(requests: int) -> None:
    """Raise PROFILE_CHANGE_LIMIT beyond the requests of one candidate in one session."""
    if requests > REQUESTS_A_SESSION:
        raise DomainError("PROFILE_CHANGE_LIMIT", limit=str(REQUESTS_A_SESSION))


def require_window(sessions: Iterable[Session], now: datetime) -> Session:
    """The session that takes requests now; raises PROFILE_CHANGE_CLOSED saying when one does."""
    upcoming = []
    for session in sessions:
        window = session.profile_change
        if window and window.contains(now):
            return session
        if window and window.opens_at > now:
            upcoming.append(window)
    if not upcoming:
        raise DomainError("PROFILE_CHANGE_CLOSED", detail="本考次申请时间已过或未开放")
    first = min(upcoming, key=lambda window: window.opens_at)
    times = f"{first.opens_at.isoformat()}至{first.closes_at.isoformat()}"
    raise DomainError("PROFILE_CHANGE_CLOSED", detail=f"申请时间为{times}")
