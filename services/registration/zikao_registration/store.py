"""Sessions, registrations, reviews and the feed in the database; personal data encrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import ConstraintViolated, Record, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.feed import FeedRow, Outbox
from zikao_kit.tokens import Actor

from zikao_registration import convert
from zikao_registration.domain.documents import Document, DocumentType, Sex
from zikao_registration.domain.personal import PersonalData, Track
from zikao_registration.domain.registration import (
    Decision,
    Registration,
    RejectionReason,
    Standing,
)
from zikao_registration.domain.session import Session, refuse_shared_digits
from zikao_registration.domain.states import State

SCHEMA = "registration"
_OUTBOX = Outbox(SCHEMA)


class Store:
    """One method a query, bound to a running transaction."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def get_session(self, code: str, *, for_update: bool = False) -> Session | None:
        """A session's settings, or None."""
        body = await self._tx.fetchval("lock_session" if for_update else "get_session", code)
        return convert.session_from_json(json.loads(body)) if body else None

    async def list_sessions(self) -> list[Session]:
        """Every session's settings."""
        return [
            convert.session_from_json(json.loads(row["body"]))
            for row in await self._tx.fetch("list_sessions")
        ]

    async def find_digits_owner(self, session: Session) -> str | None:
        """The code of another session with the same digits in its ticket numbers."""
        digits = session.ticket_number_session
        owner: str | None = await self._tx.fetchval("find_digits_owner", digits, session.code)
        return owner

    async def save_session(self, session: Session, now: datetime) -> None:
        """Store settings; SESSION_CHANGE_REFUSED when another session has the same digits."""
        body = json.dumps(convert.session_to_json(session), ensure_ascii=False)
        digits = session.ticket_number_session
        try:
            await self._tx.execute("save_session", session.code, digits, body, now)
        except ConstraintViolated as error:
            if error.constraint != "session_ticket_digits_key":
                raise
            raise refuse_shared_digits(session) from error

    async def used_counties(self, session_code: str) -> set[str]:
        """Counties with registrations in a session."""
        return {row[0] for row in await self._tx.fetch("list_used_counties", session_code)}

    async def has_ticket_numbers(self, session_code: str) -> bool:
        """Say whether any ticket number of the session is out."""
        return bool(await self._tx.fetchval("has_ticket_numbers", session_code))

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

    async def get_registrations(self, candidate_ids: Sequence[UUID]) -> list[Registration]:
        """Registrations that exist, the longest waiting first."""
        rows = await self._tx.fetch("get_candidates", candidate_ids)
        decisions = {
            row["candidate_id"]: _decision(row)
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
            raise DomainError("NOT_FOUND")
        return found[0]

    async def update_registration(self, registration: Registration) -> Registration:
        """Store a changed registration; every change ends a lease."""
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
        )
        return replace(registration, leased_by=None, leased_until=None)

    async def save_photo(
        self, candidate_id: UUID, sha256: bytes, jpeg: bytes, now: datetime
    ) -> None:
        """Store the photo, encrypted, in place of the last one."""
        sealed = self._keys.encrypt(jpeg, f"registration.photo:{candidate_id}")
        await self._tx.execute("save_photo", candidate_id, sha256, sealed, now)

    async def get_photos(self, candidate_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """The JPEG of every candidate that has one."""
        return {
            row["candidate_id"]: self._keys.decrypt(
                row["jpeg_enc"], f"registration.photo:{row['candidate_id']}"
            )
            for row in await self._tx.fetch("get_photos", candidate_ids)
        }

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

    async def take_serial(self, session_code: str, county_code: str) -> int:
        """The county's next serial; its row is held until the transaction ends."""
        return int(await self._tx.fetchval("take_serial", session_code, county_code))

    async def lease(
        self, officer_id: UUID, until: datetime, code_prefix: str, now: datetime, max_count: int
    ) -> list[UUID]:
        """Lease pending registrations of the area to an officer; never those of another."""
        rows = await self._tx.fetch(
            "lease_candidates", officer_id, until, code_prefix, now, max_count
        )
        return [row["candidate_id"] for row in rows]

    async def insert_decision(
        self, candidate_id: UUID, officer_id: UUID, decision: Decision
    ) -> None:
        """Append a decision."""
        await self._tx.execute(
            "insert_decision",
            candidate_id,
            officer_id,
            decision.approved,
            list(decision.reasons),
            decision.comment,
            decision.decided_at,
        )

    async def audit(
        self,
        actor: Actor,
        action: str,
        now: datetime,
        *candidate_ids: UUID,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Append who did what, to each candidate; `before` and `after` hold no personal data."""
        texts = [json.dumps(part or {}, ensure_ascii=False) for part in (before, after)]
        subjects: Sequence[UUID | None] = candidate_ids or [None]
        await self._tx.execute(
            "insert_audit", now, actor.subject or actor.caller, actor.role, action, subjects, *texts
        )

    async def publish(self, registration: Registration) -> None:
        """Tell other services the candidate's state, with this transaction."""
        key = str(registration.candidate_id)
        payload = convert.candidate_to_pb(registration).SerializeToString()
        await _OUTBOX.append(self._tx, key, self._keys.encrypt(payload, _outbox_context(key)))

    async def expire(self, session: Session, now: datetime, limit: int) -> list[tuple[UUID, State]]:
        """Abandon up to `limit` whose deadline has passed; return them with their last state."""
        rows = await self._tx.fetch(
            "lock_expired",
            session.code,
            now >= session.registration_closes_at,
            now >= session.review_closes_at,
            now >= session.material_closes_at,
            limit,
        )
        states = {row["candidate_id"]: State(row["state"]) for row in rows}
        abandoned = await self._tx.fetch("abandon_candidates", list(states), now)
        return [(row["candidate_id"], states[row["candidate_id"]]) for row in abandoned]

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
            session_code=row["session_code"],
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


def _decision(row: Record) -> Decision:
    reasons = tuple(RejectionReason(reason) for reason in row["reasons"])
    return Decision(row["approved"], reasons, row["comment"], row["decided_at"])
