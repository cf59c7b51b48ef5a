"""Takes lines of a statement: all of a message, or none, and then the statement is refused."""

from collections.abc import Sequence
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, UNAVAILABLE, DomainError

from zikao_enrollment.domain.statements import (
    Day,
    LineProblem,
    Statement,
    StatementLine,
    StatementState,
    Totals,
    problems_of_lines,
    require_ascending,
)
from zikao_enrollment.stores.statements import StatementStore

_TAKING = frozenset({StatementState.RECEIVING, StatementState.REFUSED})


async def receive_lines(
    store: StatementStore, day: Day, import_id: UUID, lines: Sequence[StatementLine]
) -> tuple[Statement, list[LineProblem]]:
    """The statement after lines, and which of them refuse it.

    Those up to its last line are passed over; those of one that is refused are only looked at.
    With the last of what it states it is complete. Raises DomainError INVALID_REQUEST for lines
    that do not ascend, NOT_FOUND for an import that is not taking lines.
    """
    before = await _lock(store, day, import_id)
    fresh = [line for line in lines if line.line > before.last_line]
    if not fresh:
        return before, []
    if before.state not in _TAKING:
        raise DomainError(NOT_FOUND)
    problems = await check_lines(store, day, fresh)
    if before.state is StatementState.REFUSED:
        return before, problems
    if problems:
        after = before.refused(f"第{problems[0].line}行：{problems[0].problem}")
    elif await store.insert_lines(before, fresh) == len(fresh):
        after = before.with_lines(fresh).completed()
    else:  # another statement got one of them meanwhile: the next time it is known
        raise DomainError(UNAVAILABLE)
    await store.save_received(after)
    return after, problems


async def check_lines(
    store: StatementStore, day: Day, lines: Sequence[StatementLine]
) -> list[LineProblem]:
    """What is wrong with lines of a day that are not stored yet.

    Raises DomainError INVALID_REQUEST for lines that do not ascend.
    """
    require_ascending(lines)
    return problems_of_lines(lines, day, await store.known(lines))


async def end_statement(
    store: StatementStore, day: Day, import_id: UUID, stated: Totals
) -> Statement:
    """The statement after its last word, what it adds up to: complete, or refused."""
    before = await _lock(store, day, import_id)
    if before.state is not StatementState.RECEIVING:
        return before
    after = before.ended(stated)
    await store.save_received(after)
    return after


async def refuse_statement(
    store: StatementStore, day: Day, import_id: UUID, problem: str
) -> Statement:
    """The statement without effect, for a reason in Chinese."""
    before = await _lock(store, day, import_id)
    if before.state is not StatementState.RECEIVING:
        return before
    after = before.refused(problem)
    await store.save_received(after)
    return after


async def _lock(store: StatementStore, day: Day, import_id: UUID) -> Statement:
    """The day's statement; raises DomainError NOT_FOUND when it is another import's."""
    found = await store.lock(day.on)
    if found is None or found.import_id != import_id:
        raise DomainError(NOT_FOUND)
    return found
