"""Registrations, reviews and the feed in the database; personal data encrypted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Record, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.feed import FeedRow, Outbox
from zikao_kit.tokens import Actor

from zikao_registration.converts.registrations import candidate_to_pb
from zikao_registration.domain.documents import Document, DocumentType, Sex
from zikao_registration.domain.personal import PersonalData, Track
from zikao_registration.domain.registration import (
    Decision,
    Registration,
    RejectionReason,
    Standing,
)
from zikao_registration.domain.states import KEPT_BY_MATERIAL, State
from zikao_registration.names import SCHEMA
from zikao_registration.stores.sessions import SessionStore

_OUTBOX = Outbox(SCHEMA)


class Store:
    """Bound to the running transaction, with the sessions beside."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys
        self.sessions = SessionStore(transaction)

    async def insert_draft(self, registration: Registration) -> None:
        """Store an empty draft of a new candidate."""
        await self._tx.execute(
            "insert_candidate",
            registration.candidate_id,
            registration.session_code,
            registration.document.type,
            self._sealed(registration),
            registration.updated_at,
        )

    async def insert_admitted(self, registrations: Sequence[Registration]) -> None:
        """Store approved registrations of older candidates, all of them at one time."""
        personal = [each.personal for each in registrations]
        await self._tx.execute(
            "insert_admitted",
            [each.candidate_id for each in registrations],
            [each.document.type for each in registrations],
            [each.county_code for each in personal],
            [each.track for each in personal],
            [each.major_code for each in personal],
            [self._sealed(each) for each in registrations],
            [each.ticket_number for each in registrations],
            registrations[0].updated_at,
        )

    async def get_registrations(self, candidate_ids: Sequence[UUID]) -> list[Registration]:
        """Registrations that exist, the longest waiting first."""
        rows = await self._tx.fetch("get_candidates", candidate_ids)
        decisions = {
            row["candidate_id"]: decision_from_row(row)
            for row in await self._tx.fetch("list_last_decisions", candidate_ids)
        }
        return [self._registration(row, decisions.get(row["candidate_id"])) for row in rows]

    async def get_registration(
        self, candidate_id: UUID, *, for_update: bool = False
    ) -> Registration:
        """A candidate's registration; raises NOT_FOUND."""
        if for_update:
            await self._tx.execute("lock_candidate", candidate_id)
        found = await self.get_registrations([candidate_id])
        if not found:
            raise DomainError(NOT_FOUND)
        return found[0]

    async def update_registration(self, registration: Registration) -> Registration:
        """Store a changed registration; every change ends a lease and a first approval."""
        personal = registration.personal
        await self._tx.execute(
            "update_candidate",
            registration.candidate_id,
            registration.state,
            personal.county_code,
            personal.track,
            personal.major_code,
            self._sealed(registration),
            registration.ticket_number or None,
            registration.updated_at,
            registration.submitted_at,
            registration.has_material,
        )
        return replace(registration, leased_by=None, leased_until=None, first_approved_by=None)

    async def update_identity(self, registration: Registration) -> None:
        """Store another document and personal data of an approved registration."""
        await self._tx.execute(
            "update_identity",
            registration.candidate_id,
            registration.document.type,
            self._sealed(registration),
            registration.updated_at,
        )

    async def begin_anew(self, draft: Registration) -> None:
        """Store a registration that begins again in another session, without its material."""
        await self._tx.execute("move_to_session", draft.candidate_id, draft.session_code)
        await self._tx.execute("delete_material", draft.candidate_id)
        await self.update_registration(draft)

    async def save_photo(
        self, candidate_id: UUID, sha256: bytes, jpeg: bytes, now: datetime
    ) -> None:
        """Store the photo, encrypted, in place of the last one."""
        sealed = self._keys.encrypt(jpeg, f"registration.photo:{candidate_id}")
        await self._tx.execute("save_photo", candidate_id, sha256, sealed, now)

    async def lacks_photo(self, candidate_id: UUID) -> bool:
        """Say whether somebody is an approved candidate without a photo: an older one."""
        return bool(await self._tx.fetchval("lacks_photo", candidate_id))

    async def get_photos(self, candidate_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """The JPEG of every candidate that has one; fifty are 10 MB, decrypted beside the loop."""
        rows = await self._tx.fetch("get_photos", candidate_ids)
        return await asyncio.to_thread(self._open_photos, rows)

    async def save_material(self, candidate_id: UUID, jpeg: bytes, now: datetime) -> None:
        """Store identity material, encrypted, in place of the last."""
        sealed = self._keys.encrypt(jpeg, f"registration.material:{candidate_id}")
        await self._tx.execute("save_material", candidate_id, sealed, now)

    async def get_material(self, candidate_id: UUID) -> bytes:
        """The JPEG of the identity material; empty without any."""
        sealed = await self._tx.fetchval("get_material", candidate_id)
        return (
            self._keys.decrypt(sealed, f"registration.material:{candidate_id}") if sealed else b""
        )

    async def audit(
        self,
        actor: Actor,
        action: str,
        now: datetime,
        *candidate_ids: UUID,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
        county_code: str = "",
    ) -> None:
        """Append who did what, to each candidate; `before` and `after` hold no personal data.

        `county_code`, of 2 to 6 digits, is for what is no candidate's: theirs is known.
        """
        texts = [json.dumps(part or {}, ensure_ascii=False) for part in (before, after)]
        subjects: Sequence[UUID | None] = candidate_ids or [None]
        name = actor.subject or actor.caller
        await self._tx.execute(
            "insert_audit", now, name, actor.role, action, subjects, *texts, county_code
        )

    async def publish(self, *registrations: Registration) -> None:
        """Tell other services the candidates' states, with this transaction."""
        await _OUTBOX.append_all(self._tx, dict(map(self._event, registrations)))

    async def lock_expired(
        self, session_code: str, states: Collection[State], limit: int
    ) -> dict[UUID, State]:
        """Lock up to `limit` registrations in `states`, but for those that their material keeps."""
        kept = KEPT_BY_MATERIAL.intersection(states)
        ended = [state for state in states if state not in kept]
        rows = await self._tx.fetch("lock_expired", session_code, ended, list(kept), limit)
        return {row["candidate_id"]: State(row["state"]) for row in rows}

    async def expire(self, candidate_ids: Sequence[UUID], state: State, now: datetime) -> None:
        """Move locked registrations to `state`."""
        await self._tx.execute("expire_candidates", candidate_ids, state, now)

    def _event(self, registration: Registration) -> tuple[str, bytes]:
        key = str(registration.candidate_id)
        payload = candidate_to_pb(registration).SerializeToString()
        return key, self._keys.encrypt(payload, _outbox_context(key))

    def _open_photos(self, rows: Sequence[Record]) -> dict[UUID, bytes]:
        return {
            row["candidate_id"]: self._keys.decrypt(
                row["jpeg_enc"], f"registration.photo:{row['candidate_id']}"
            )
            for row in rows
        }

    def _sealed(self, registration: Registration) -> bytes:
        content = {**asdict(registration.personal), "document_number": registration.document.number}
        text = json.dumps(content, ensure_ascii=False)
        return self._keys.encrypt(text.encode(), _personal_context(registration.candidate_id))

    def _registration(self, row: Record, decision: Decision | None) -> Registration:
        context = _personal_context(row["candidate_id"])
        content = json.loads(self._keys.decrypt(row["personal_enc"], context))
        number = content.pop("document_number")
        return Registration(
            candidate_id=row["candidate_id"],
            session_code=row["session_code"] or "",
            state=State(row["state"]),
            document=Document(DocumentType(row["document_type"]), number),
            personal=_personal(content),
            updated_at=row["updated_at"],
            submitted_at=row["submitted_at"],
            ticket_number=row["ticket_number"] or "",
            standing=Standing(row["standing"]),
            standing_reason=row["standing_reason"],
            photo_sha256=row["photo_sha256"] or b"",
            has_material=row["has_material"],
            leased_by=row["leased_by"],
            leased_until=row["leased_until"],
            last_decision=decision,
            first_approved_by=row["first_approved_by"],
        )


def open_event(keys: KeyRing, row: FeedRow) -> bytes:
    """The serialised candidate of a feed's event."""
    return keys.decrypt(row.payload, _outbox_context(row.key))


def _outbox_context(key: str) -> str:
    return f"registration.outbox:{key}"


def _personal_context(candidate_id: UUID) -> str:
    return f"registration.candidate.personal:{candidate_id}"


def _personal(content: dict[str, Any]) -> PersonalData:
    sex, track = content.pop("sex"), content.pop("track")
    return PersonalData(
        **content, sex=Sex(sex) if sex else None, track=Track(track) if track else None
    )


def decision_from_row(row: Record) -> Decision:
    """A row of `decision`."""
    reasons = tuple(RejectionReason(reason) for reason in row["reasons"])
    return Decision(row["approved"], reasons, row["comment"], row["decided_at"])
