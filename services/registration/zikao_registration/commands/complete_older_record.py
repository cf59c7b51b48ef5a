"""Fill in what an older candidate's record lacks (DOMAIN section 3, Activation)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from zikao_kit.errors import INVALID_REQUEST, NOT_FOUND, DomainError, FieldProblem
from zikao_kit.tokens import Actor

from zikao_registration.commands.admit_older import admit_older, take_photo
from zikao_registration.commands.find_held_numbers import find_held_number
from zikao_registration.domain.documents import Document
from zikao_registration.domain.held_numbers import HeldNumber
from zikao_registration.domain.older_records import OlderRecord, Photo
from zikao_registration.domain.registration import Registration
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class Completion:
    """What an office fills in; None or empty where nothing is. `same_person`: see the contract."""

    document: Document | None
    mobile: str
    photo: Photo | None
    same_person: bool

    @property
    def fields(self) -> list[str]:
        """Names of what is filled in."""
        given = {"document_number": self.document, "mobile": self.mobile, "photo_jpeg": self.photo}
        return [name for name, value in given.items() if value]


async def complete_older_record(
    accounts: AccountStore,
    store: Store,
    older: OlderStore,
    number: str,
    completion: Completion,
    *,
    actor: Actor,
    now: datetime,
) -> HeldNumber:
    """The number with its completed record.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, TICKET_NUMBER_ENDED, INVALID_REQUEST for fields
    that are there or disagree, DOCUMENT_OF_ANOTHER.
    """
    held = await find_imported(store, older, number, actor=actor, for_update=True)
    if held.has_ended:
        raise DomainError("TICKET_NUMBER_ENDED")
    problems = [*_there_already(held, completion), *_disagreements(held, completion)]
    if problems:
        raise DomainError(INVALID_REQUEST, fields=problems)
    if held.owner:
        await _complete_candidate(store, held.owner, completion, now)
    elif held.stored.record:
        record = _completed(held.stored.record, completion)
        await _require_unknown(accounts, older, number, completion)
        await older.complete_record(record, now)
        if record.has_account:
            await admit_older(accounts, store, older, [record], None, actor=actor, now=now)
    await store.audit(
        actor,
        "complete_older_record",
        now,
        *([held.owner.candidate_id] if held.owner else []),
        after={"ticket_number": number, "completed": completion.fields},
        county_code=held.county_code,
    )
    return await find_held_number(store, older, number)


async def find_imported(
    store: Store, older: OlderStore, number: str, *, actor: Actor, for_update: bool = False
) -> HeldNumber:
    """An imported number of the officer's; raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    held = await find_held_number(store, older, number, for_update=for_update)
    if not held.stored.is_imported:
        raise DomainError(NOT_FOUND)
    actor.require_scope(held.county_code)
    return held


def _there_already(held: HeldNumber, completion: Completion) -> Iterator[FieldProblem]:
    record, owner = held.stored.record, held.owner
    there = {
        "document_number": owner or (record and record.document),
        "mobile": owner or (record and record.mobile),
        "photo_jpeg": owner.photo_sha256 if owner else held.stored.photo_sha256,
    }
    for field in completion.fields:
        if there[field]:
            yield FieldProblem(field, "档案中已有此项，更改须申请考籍更改")


def _disagreements(held: HeldNumber, completion: Completion) -> Iterator[FieldProblem]:
    record, document = held.stored.record, completion.document
    if record and document and document.sex and document.sex != record.sex:
        yield FieldProblem("document_number", "证件号码中的性别与档案不一致")


def _completed(record: OlderRecord, completion: Completion) -> OlderRecord:
    return replace(
        record,
        document=completion.document or record.document,
        mobile=completion.mobile or record.mobile,
        photo=completion.photo,
    )


async def _require_unknown(
    accounts: AccountStore, older: OlderStore, number: str, completion: Completion
) -> None:
    """Raise DOCUMENT_OF_ANOTHER for a document known elsewhere, unless it is one person."""
    document = completion.document
    if document is None or completion.same_person:
        return
    if await older.other_numbers(document, [number]) or await accounts.find_owner(document):
        raise DomainError("DOCUMENT_OF_ANOTHER")


async def _complete_candidate(
    store: Store, owner: Registration, completion: Completion, now: datetime
) -> None:
    if completion.photo:
        changed = replace(owner, updated_at=now)
        await store.publish(await take_photo(store, changed, completion.photo))
