"""An import of older candidates: how far it has come, and what becomes of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, REQUEST_ID_REUSED, DomainError, FieldProblem


class NumberStatus(StrEnum):
    """What a ticket number is (`registration.ticket_number`)."""

    OLDER = "older"
    CURRENT = "current"
    ENDED = "ended"
    CANCELLED = "cancelled"


class RecordFilter(StrEnum):
    """What records of older candidates wait for."""

    WAITING = "waiting"
    INCOMPLETE = "incomplete"
    TO_MERGE = "to_merge"


class Outcome(StrEnum):
    """What becomes of a row that is taken."""

    ENTERED = "entered"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"


# Whoever enters such a row knows the initial password, and can be its person until they come; and
# who had an account is known to the old system alone, which is the province's.
ACCOUNT_MAKERS = frozenset({"service", "province_officer"})


@dataclass(frozen=True)
class OlderImport:
    """An import; `scope` is the office's, empty for the operator's."""

    import_id: UUID
    scope: str
    source_name: str
    total_rows: int
    replaces: bool
    dry_run: bool
    started_at: datetime
    updated_at: datetime
    last_line: int = 0
    entered: int = 0
    unchanged: int = 0
    replaced: int = 0
    refused: int = 0

    def require_same(self, other: OlderImport) -> None:
        """Raise REQUEST_ID_REUSED for one of other settings or of another office."""
        if self._settings != other._settings:
            raise DomainError(REQUEST_ID_REUSED)

    def after(
        self, outcomes: Mapping[Outcome, int], refused: int, last_line: int, now: datetime
    ) -> OlderImport:
        """The import after some rows."""
        return replace(
            self,
            updated_at=now,
            last_line=last_line,
            entered=self.entered + outcomes.get(Outcome.ENTERED, 0),
            unchanged=self.unchanged + outcomes.get(Outcome.UNCHANGED, 0),
            replaced=self.replaced + outcomes.get(Outcome.REPLACED, 0),
            refused=self.refused + refused,
        )

    def require_room(self) -> None:
        """Raise INVALID_REQUEST when more rows have come than were to come."""
        if self.entered + self.unchanged + self.replaced + self.refused > self.total_rows:
            problem = FieldProblem("rows", f"行数超过开始导入时说明的{self.total_rows}行")
            raise DomainError(INVALID_REQUEST, fields=[problem])

    @property
    def counts(self) -> dict[str, int]:
        """How far it has come."""
        names = ("last_line", "entered", "unchanged", "replaced", "refused")
        return {name: getattr(self, name) for name in names}

    @property
    def _settings(self) -> tuple[object, ...]:
        return (self.scope, self.source_name, self.total_rows, self.replaces, self.dry_run)


@dataclass(frozen=True)
class Entered:
    """What is known of a ticket number; `content_index` is empty for one that was not imported."""

    status: NumberStatus
    content_index: bytes
    county_code: str
    is_activated: bool = False


def outcome_of(
    there: Entered | None, content_index: bytes, *, replaces: bool, covers: Callable[[str], bool]
) -> Outcome | str:
    """What becomes of a row that is in order, or in Chinese why it is refused."""
    if there is None:
        return Outcome.ENTERED
    if there.content_index == content_index:
        return Outcome.UNCHANGED
    if problem := _conflict(there, covers):
        return problem
    return Outcome.REPLACED if replaces else "准考证号已录入，内容不同"


def _conflict(there: Entered, covers: Callable[[str], bool]) -> str:
    if not there.content_index:
        return "准考证号由本系统编发，不能导入"
    if not covers(there.county_code):
        return "准考证号已由其他单位录入"
    if there.status is NumberStatus.CANCELLED:
        return "准考证号已注销"
    return "准考证号已激活，不能覆盖" if there.is_activated else ""
