"""One person, one number: whoever is approved may have one already (DOMAIN section 3)."""

from collections.abc import Collection, Sequence
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_registration.domain.held_numbers import StoredNumber
from zikao_registration.domain.recovery import is_same_name
from zikao_registration.domain.registration import Registration
from zikao_registration.stores.reviews import ReviewStore


async def keep_older_numbers(
    reviews: ReviewStore, approved: Sequence[Registration]
) -> dict[UUID, str | DomainError]:
    """The numbers of those who have one from before, activated; the others are to be numbered.

    Who has applied without activating it is not told so, for anybody may apply with a document
    number: the office that has examined the person gives them their own number. A refusal is
    TICKET_NUMBERS_TO_MERGE of who has several, OLDER_NAME_DIFFERS of a number under another name,
    PERSON_REGISTERED of who had this document before it was changed.
    """
    people = {each.candidate_id: each.document for each in approved}
    waiting = await reviews.older.find_waiting(people)
    owners = await reviews.older.find_former_owners(people)
    names = await _names(reviews, set(owners.values()))
    numbers: dict[UUID, str | DomainError] = {}
    for each in approved:
        who, name = each.candidate_id, each.personal.name
        if who in owners and is_same_name(names[owners[who]], name):
            numbers[who] = DomainError("PERSON_REGISTERED")
        elif who in waiting:
            numbers[who] = _number(name, waiting[who])
    await _activate(reviews, [each for each in approved if each.candidate_id in numbers], numbers)
    return numbers


async def _names(reviews: ReviewStore, candidate_ids: Collection[UUID]) -> dict[UUID, str]:
    if not candidate_ids:
        return {}
    known = await reviews.registrations.get_registrations(list(candidate_ids))
    return {each.candidate_id: each.personal.name for each in known}


def _number(name: str, waiting: Sequence[StoredNumber]) -> str | DomainError:
    number, *others = waiting
    if others:
        return DomainError("TICKET_NUMBERS_TO_MERGE")
    if number.record is None or not is_same_name(number.record.name, name):
        return DomainError("OLDER_NAME_DIFFERS")
    return number.ticket_number


async def _activate(
    reviews: ReviewStore, kept: Sequence[Registration], numbers: dict[UUID, str | DomainError]
) -> None:
    activated = {
        number: each.candidate_id
        for each in kept
        if isinstance(number := numbers[each.candidate_id], str)
    }
    if activated:
        now = kept[0].updated_at
        people = {each.candidate_id: each.document for each in kept}
        await reviews.older.activate(activated, now)
        await reviews.older.adopt_cancelled(people, now)
