"""Enter some rows of an import (DOMAIN section 3, Activation).

All that is done for a message is one transaction, with the import's last line in it: whatever
kills the process, the import goes on after the last message that was committed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.tokens import Actor

from zikao_registration.commands.admit_older import admit_older
from zikao_registration.commands.start_import import find_import
from zikao_registration.domain.held_numbers import StoredNumber
from zikao_registration.domain.older_imports import (
    Entered,
    NumberStatus,
    OlderImport,
    Outcome,
    outcome_of,
)
from zikao_registration.domain.older_records import CheckedRows, OlderRecord, RefusedRow
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


def require_ascending(lines: Sequence[int]) -> None:
    """Raise DomainError INVALID_REQUEST unless each line comes after the one before."""
    if any(line >= after for line, after in pairwise(lines)):
        problem = FieldProblem("rows", "行号应依次增大")
        raise DomainError(INVALID_REQUEST, fields=[problem])


async def import_older_candidates(
    accounts: AccountStore,
    store: Store,
    older: OlderStore,
    import_id: UUID,
    rows: CheckedRows,
    *,
    actor: Actor,
    now: datetime,
) -> tuple[OlderImport, list[RefusedRow]]:
    """The import after the rows, and which of them were refused.

    `rows` were looked at before the transaction: a session may have been applied since, whose
    numbers they would take. Raises DomainError NOT_FOUND for an import that is none or another
    office's, INVALID_REQUEST for more rows than it was to have.
    """
    await store.sessions.hold()
    before = await find_import(older, import_id, actor=actor, for_update=True)
    rows = rows.after(before.last_line).outside_of(await store.sessions.load_all())
    if not rows.lines:
        return before, []
    judged = await _judge(older, before, rows.records, actor, now)
    if not before.dry_run:
        await older.save_records(import_id, judged.contents.values(), now)
        had_accounts = [record for record in judged.kept if record.has_account]
        await admit_older(accounts, store, older, had_accounts, None, actor=actor, now=now)
    refused = sorted([*rows.refused, *judged.refused], key=lambda row: row.line)
    await older.insert_problems(import_id, refused)
    after = before.after(judged.outcomes, len(refused), max(rows.lines), now)
    after.require_room()
    await older.update_import(after)
    counts, scope = {"import_id": str(import_id), **after.counts}, after.scope
    await store.audit(actor, "import_older_candidates", now, after=counts, county_code=scope)
    return after, refused


@dataclass
class _Judged:
    """What becomes of rows; `contents` has what is to be stored, by ticket number."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    refused: list[RefusedRow] = field(default_factory=list)
    contents: dict[str, tuple[OlderRecord, bytes]] = field(default_factory=dict)

    @property
    def kept(self) -> list[OlderRecord]:
        """Records to store."""
        return [record for record, _ in self.contents.values()]


async def _judge(
    older: OlderStore,
    before: OlderImport,
    records: Mapping[int, OlderRecord],
    actor: Actor,
    now: datetime,
) -> _Judged:
    numbers = {record.ticket_number for record in records.values()}
    new = set() if before.dry_run else await older.enter_numbers(numbers, now)
    stored = await older.get_numbers(numbers - new, for_update=not before.dry_run)
    there = {number: _entered(known) for number, known in stored.items()}
    judged = _Judged()
    for line, record in records.items():
        number, content = record.ticket_number, older.content_index(record)
        outcome = outcome_of(
            there.get(number), content, replaces=before.replaces, covers=actor.covers
        )
        if not isinstance(outcome, Outcome):
            judged.refused.append(RefusedRow(line, (outcome,)))
            continue
        judged.outcomes[outcome] += 1
        if outcome is not Outcome.UNCHANGED:
            before_it = stored[number].record if number in stored else None
            kept = record.in_place_of(before_it) if before_it else record
            judged.contents[number] = kept, content
            there[number] = Entered(NumberStatus.OLDER, content, record.county_code)
    return judged


def _entered(known: StoredNumber) -> Entered:
    is_activated = known.activated_at is not None
    return Entered(known.status, known.content_index, known.county_code, is_activated=is_activated)
