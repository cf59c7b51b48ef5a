"""Make older candidates candidates of this system: account, approved registration, feed.

Activation does it for one person with the password that was chosen; an import for those who had
an account in the old system, with the initial password (DOMAIN section 3, Account).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from zikao_kit.tokens import Actor

from zikao_registration.domain.documents import Document
from zikao_registration.domain.older_records import OlderRecord, Photo
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import State
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def admit_older(
    accounts: AccountStore,
    store: Store,
    older: OlderStore,
    records: Sequence[OlderRecord],
    password_hash: str | None,
    *,
    actor: Actor,
    now: datetime,
) -> dict[str, UUID]:
    """Ids of new candidates by ticket number; each has its number, and is in the feed.

    Of the records, whose numbers the transaction has locked, those without a document and those
    of people who have an account or another waiting number already are left as they are: which
    number is the person's is an office's to say, of the offices of all of them.
    `password_hash` None is the initial password.
    """
    # A plan that is made while the tables are empty would be kept until they are analysed.
    if not records:
        return {}
    to_merge = await older.find_to_merge(records)
    drafts = [
        _registration(record, record.document, now)
        for record in records
        if record.document and record.ticket_number not in to_merge
    ]
    documents = {draft.candidate_id: draft.document for draft in drafts}
    made = await accounts.insert_candidates(documents, password_hash, now)
    admitted = [draft for draft in drafts if draft.candidate_id in made]
    if not admitted:
        return {}
    activated = {each.ticket_number: each.candidate_id for each in admitted}
    photos = await older.get_photos(activated)
    await store.insert_admitted(admitted)
    await older.activate(activated, now)
    await older.adopt_cancelled({each.candidate_id: each.document for each in admitted}, now)
    after = {"state": State.APPROVED}
    await store.audit(actor, "admit_older_candidate", now, *activated.values(), after=after)
    published = [
        await take_photo(store, each, photos[each.ticket_number])
        if each.ticket_number in photos
        else each
        for each in admitted
    ]
    await store.publish(*published)
    return activated


async def take_photo(store: Store, registration: Registration, photo: Photo) -> Registration:
    """Store an older candidate's photo as the candidate's; the caller publishes."""
    now = registration.updated_at
    await store.save_photo(registration.candidate_id, photo.sha256, photo.jpeg, now)
    return replace(registration, photo_sha256=photo.sha256)


def _registration(record: OlderRecord, document: Document, now: datetime) -> Registration:
    return Registration(
        candidate_id=uuid4(),
        session_code="",
        state=State.APPROVED,
        document=document,
        personal=record.personal,
        updated_at=now,
        ticket_number=record.ticket_number,
    )
