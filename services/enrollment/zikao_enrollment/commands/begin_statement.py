"""Begins to bring a day's statement."""

from zikao_kit.errors import INVALID_REQUEST, REQUEST_ID_REUSED, DomainError, FieldProblem
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_enrollment.domain.statements import Day, Statement, StatementSource, StatementState
from zikao_enrollment.stores.statements import StatementStore

PLATFORM_ZH = "缴费平台"


async def begin_statement(
    store: StatementStore,
    audit: OfficeAuditStore,
    wanted: Statement,
    day: Day,
    province: str,
    *,
    replaces: bool,
    actor: Actor,
) -> Statement:
    """The statement as it is by now: as wanted, or how far the same import has come.

    One that was refused begins anew; one without lines is complete. Raises DomainError
    INVALID_REQUEST for a day that has not ended, STATEMENT_EXISTS for one whose other statement is
    complete unless it is a file that this `replaces`, REQUEST_ID_REUSED for other totals than it
    was begun with.
    """
    if wanted.started_at < day.ends_at:
        problem = FieldProblem("statement_date", "当日尚未结束")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    known = None if await store.insert(wanted) else await store.lock(wanted.statement_date)
    if known is not None:
        if known.import_id == wanted.import_id and known.stated != wanted.stated:
            raise DomainError(REQUEST_ID_REUSED)
        if known.import_id == wanted.import_id and known.state is not StatementState.REFUSED:
            return known
        _require_gives_way(known, wanted, replaces=replaces)
        await store.renew(wanted)
    begun = wanted.completed()
    await store.save_received(begun)
    await audit.add(
        actor,
        "import_statement",
        wanted.started_at,
        session_code="",
        county_prefix=province,
        before=_told(known) if known else {},
        after=_told(wanted),
    )
    return begun


def _require_gives_way(known: Statement, wanted: Statement, *, replaces: bool) -> None:
    """A file takes the place of a file: what the platform has told is not one officer's to drop."""
    if known.is_in_force and (known.source is StatementSource.PLATFORM or not replaces):
        source = known.source_name or PLATFORM_ZH
        raise DomainError("STATEMENT_EXISTS", statement_date=wanted.statement_date, source=source)


def _told(statement: Statement) -> dict[str, object]:
    return {
        "statement_date": statement.statement_date.isoformat(),
        "import_id": str(statement.import_id),
        "source": statement.source,
        "source_name": statement.source_name,
        "state": statement.state,
        **(statement.stated or statement.totals)._asdict(),
    }
