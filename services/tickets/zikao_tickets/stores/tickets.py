"""Tickets, people and photos in the tickets schema: one method a named query.

Personal data leaves here decrypted and is written encrypted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.documents import Document
from zikao_tickets.domain.glyphs import glyph_id
from zikao_tickets.domain.person import Bearer, Person, personal_context, photo_context
from zikao_tickets.domain.ticket import FirstPrint, KeptVersion, Refusal, Ticket, TicketSeat
from zikao_tickets.proof import NO_PHOTO, TicketKind, key_id_of

SHA256_BYTES = 32


class TicketStore:
    """Everything that printing and verifying needs."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys

    async def acknowledge(
        self, session_code: str, candidate_id: UUID, version: int, now: datetime
    ) -> None:
        """Note that the candidate has read this version of the notice."""
        await self._tx.execute("acknowledge_notice", session_code, candidate_id, version, now)

    async def has_acknowledged(self, session_code: str, candidate_id: UUID, version: int) -> bool:
        """Tell whether the candidate has read this version of the notice."""
        return bool(
            await self._tx.fetchval("has_acknowledged", session_code, candidate_id, version)
        )

    async def ticket(self, session_code: str, candidate_id: UUID) -> Ticket | None:
        """The candidate's ticket in force."""
        rows = await self._tx.fetch("load_ticket", session_code, candidate_id)
        return next(iter(await self._with_seats(rows)), None)

    async def document_tickets(
        self, document: Document, after: str, last: str | None, limit: int | None
    ) -> list[Ticket]:
        """The tickets that were in force at a document's moment, after a number, to `last`."""
        place = document.session_code, document.county_code, document.as_of
        rows = await self._tx.fetch("list_document_tickets", *place, after, last, limit)
        return await self._with_seats(rows)

    async def share_keys(self, tickets: Sequence[Ticket]) -> set[str]:
        """The keys of their proofs that count; they do until the transaction ends."""
        key_ids = {key_id_of(ticket.proof) for ticket in tickets if ticket.proof}
        rows = await self._tx.fetch("share_proof_keys", list(key_ids))
        return {row["key_id"] for row in rows}

    async def lock_versions(
        self, session_code: str, tickets: Sequence[Ticket]
    ) -> dict[UUID, KeptVersion]:
        """What is kept of them, by candidate; nobody changes it until the transaction ends."""
        versions = columns([(ticket.candidate_id, ticket.version) for ticket in tickets], 2)
        rows = await self._tx.fetch("lock_versions", session_code, *versions)
        return {row["candidate_id"]: self._kept(row) for row in rows}

    def _kept(self, row: Any) -> KeptVersion:
        if row["proof"] is None:
            return KeptVersion(row["is_revoked"])
        person = self._person(row["candidate_id"], row["personal_enc"])
        kept = FirstPrint(row["proof"], person, row["photo_sha256"], row["glyphs"])
        return KeptVersion(row["is_revoked"], kept)

    async def save_first_prints(self, session_code: str, tickets: Sequence[Ticket]) -> None:
        """Fix proof, person, photo and pictures of each version, unless it was printed before."""
        pictures = {glyph_id(*each): each for ticket in tickets for each in ticket.glyph_images}
        if pictures:
            kept = [(digest, *pictures[digest]) for digest in sorted(pictures)]
            await self._tx.execute("keep_printed_glyphs", *columns(kept, 3))
        rows = columns(map(self._first_print, tickets), 7)
        await self._tx.execute("save_first_prints", session_code, *rows)

    def _first_print(self, ticket: Ticket) -> tuple[Any, ...]:
        proof, person, photo_sha256, glyphs = ticket.first_print
        return (
            ticket.candidate_id,
            ticket.version,
            proof,
            self._keys.encrypt(person.to_bytes(), personal_context(ticket.candidate_id)),
            photo_sha256,
            key_id_of(proof),
            glyphs,
        )

    async def log_prints(
        self, session_code: str, tickets: Sequence[Ticket], actor: str, now: datetime
    ) -> None:
        """Note who was handed which tickets."""
        people = [ticket.candidate_id for ticket in tickets]
        versions = [ticket.version for ticket in tickets]
        await self._tx.execute("log_prints", session_code, people, versions, now, actor)

    async def count_prints(self, session_code: str, ticket: Ticket) -> int:
        """How often this version was handed out."""
        count: int = await self._tx.fetchval(
            "count_prints", session_code, ticket.candidate_id, ticket.version
        )
        return count

    async def note_unprintable(
        self, session_code: str, ticket: Ticket, refusal: Refusal, now: datetime
    ) -> None:
        """Put a ticket on the office's list."""
        await self._tx.execute(
            "note_unprintable",
            session_code,
            ticket.candidate_id,
            ticket.ticket_number,
            refusal.reason,
            refusal.characters,
            now,
        )

    async def clear_unprintable(self, session_code: str, tickets: Sequence[Ticket]) -> None:
        """Take tickets that can be printed after all off the office's list."""
        people = [ticket.candidate_id for ticket in tickets]
        await self._tx.execute("clear_unprintable", session_code, people)

    async def bearer(self, session_code: str, ticket_number: str, version: int) -> Bearer | None:
        """Who holds this version, or did until it was revoked; None when it was never issued."""
        row = await self._tx.fetchrow("find_bearer", session_code, ticket_number, version)
        if row is None:
            return None
        candidate_id = row["candidate_id"]
        return Bearer(
            self._person(candidate_id, row["personal_enc"]),
            self._jpeg(candidate_id, row["jpeg_enc"]),
            row["county_code"],
            row["is_revoked"],
        )

    async def log_verification(
        self, ticket: tuple[str, str, int] | None, verdict: str, actor: str, now: datetime
    ) -> None:
        """Note who checked which ticket (session code, number, version), and what was said."""
        named = ticket or (None, None, None)
        await self._tx.execute("log_verification", *named, verdict, now, actor)

    async def _with_seats(self, rows: Sequence[Any]) -> list[Ticket]:
        plans = [row["arrangement_id"] for row in rows]
        people = [row["candidate_id"] for row in rows]
        seats: defaultdict[UUID, list[TicketSeat]] = defaultdict(list)
        for seat in await self._tx.fetch("list_ticket_seats", plans, people):
            fields = dict(seat)
            seats[fields.pop("candidate_id")].append(TicketSeat(**fields))
        tickets = [self._ticket(row, seats[row["candidate_id"]]) for row in rows]
        fixed = [row["glyphs"] for row in rows]
        supplied = await self._supplied(
            [ticket for ticket, glyphs in zip(tickets, fixed, strict=True) if glyphs is None]
        )
        printed = await self._printed(b"".join(glyphs or b"" for glyphs in fixed))
        return [
            ticket.with_pictures(supplied if glyphs is None else _within(printed, glyphs))
            for ticket, glyphs in zip(tickets, fixed, strict=True)
        ]

    async def _supplied(self, tickets: Sequence[Ticket]) -> list[tuple[str, bytes]]:
        """The pictures of now of the characters of names, by character."""
        characters = sorted({char for ticket in tickets for char in ticket.person.name})
        rows = await self._tx.fetch("find_supplied_glyphs", characters) if characters else []
        return [(row["character"], row["png"]) for row in rows]

    async def _printed(self, glyphs: bytes) -> list[tuple[bytes, str, bytes]]:
        """The pictures of first prints, by character: id, character, PNG."""
        ids = sorted(_ids(glyphs))
        rows = await self._tx.fetch("find_printed_glyphs", ids) if ids else []
        return [(row["glyph_sha256"], row["character"], row["png"]) for row in rows]

    def _ticket(self, row: Any, seats: Iterable[TicketSeat]) -> Ticket:
        candidate_id = row["candidate_id"]
        return Ticket(
            candidate_id=candidate_id,
            version=row["version"],
            ticket_number=row["ticket_number"],
            serial=row["serial"],
            issued_at=row["issued_at"],
            proof=row["proof"],
            person=self._person(candidate_id, row["personal_enc"]),
            jpeg=NO_PHOTO if row["without_photo"] else self._jpeg(candidate_id, row["jpeg_enc"]),
            seats=tuple(seats),
            kind=TicketKind(row["kind"]),
            without_photo=row["without_photo"],
        )

    def _person(self, candidate_id: UUID, blob: bytes) -> Person:
        return Person.from_bytes(self._keys.decrypt(blob, personal_context(candidate_id)))

    def _jpeg(self, candidate_id: UUID, blob: bytes | None) -> bytes | None:
        return self._keys.decrypt(blob, photo_context(candidate_id)) if blob else None


def _ids(glyphs: bytes) -> set[bytes]:
    return {glyphs[at : at + SHA256_BYTES] for at in range(0, len(glyphs), SHA256_BYTES)}


def _within(printed: Sequence[tuple[bytes, str, bytes]], glyphs: bytes) -> list[tuple[str, bytes]]:
    """Those of the pictures that one first print had."""
    ids = _ids(glyphs)
    return [(char, png) for digest, char, png in printed if digest in ids]
