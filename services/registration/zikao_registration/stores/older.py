"""Older candidates, their imports and all ticket numbers in the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Record, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_registration.domain.documents import Document, DocumentType, Sex
from zikao_registration.domain.held_numbers import StoredNumber
from zikao_registration.domain.older_imports import NumberStatus, OlderImport, RecordFilter
from zikao_registration.domain.older_records import OlderRecord, Photo, RefusedRow
from zikao_registration.domain.personal import Track


class OlderStore:
    """One method a query, bound to a running transaction."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def insert_import(self, new: OlderImport, started_by: str) -> bool:
        """Store a new import; False when there is one of its id."""
        return bool(
            await self._tx.execute(
                "insert_import",
                new.import_id,
                new.scope,
                new.source_name,
                new.total_rows,
                new.replaces,
                new.dry_run,
                started_by,
                new.started_at,
            )
        )

    async def get_import(self, import_id: UUID, *, for_update: bool = False) -> OlderImport:
        """An import; raises NOT_FOUND. Locked, nobody else goes on with it meanwhile."""
        if for_update:
            await self._tx.execute("lock_import", import_id)
        row = await self._tx.fetchrow("get_import", import_id)
        if row is None:
            raise DomainError(NOT_FOUND)
        return OlderImport(**row)

    async def update_import(self, changed: OlderImport) -> None:
        """Store how far an import has come."""
        counts = changed.counts.values()
        await self._tx.execute("update_import", changed.import_id, changed.updated_at, *counts)

    async def delete_old_import(self, until: datetime) -> bool:
        """Delete an import, with its problems, to which nothing came since; False for none."""
        return bool(await self._tx.execute("delete_old_import", until))

    async def insert_problems(self, import_id: UUID, refused: Sequence[RefusedRow]) -> None:
        """Keep rows that were refused, for `list_problems`."""
        lines = [row.line for row in refused]
        texts = ["\n".join(row.problems) for row in refused]
        await self._tx.execute("insert_import_problems", import_id, lines, texts)

    async def list_problems(self, import_id: UUID, after: int, limit: int) -> list[RefusedRow]:
        """Refused rows by line, those after a line."""
        rows = await self._tx.fetch("list_import_problems", import_id, after, limit)
        return [RefusedRow(row["line"], tuple(row["problems"])) for row in rows]

    async def enter_numbers(self, numbers: Collection[str], now: datetime) -> set[str]:
        """Enter older ticket numbers; return those that were not there."""
        rows = await self._tx.fetch("enter_older_numbers", list(numbers), now)
        return {row["ticket_number"] for row in rows}

    async def get_numbers(
        self, numbers: Collection[str], *, for_update: bool = False
    ) -> dict[str, StoredNumber]:
        """Those of the numbers that there are. Lock candidates before them."""
        # A plan that is made while the tables are empty would be kept until they are analysed.
        if not numbers:
            return {}
        if for_update:
            await self._tx.execute("lock_numbers", list(numbers))
        rows = await self._tx.fetch("get_numbers", list(numbers))
        return {row["ticket_number"]: self._stored(row) for row in rows}

    async def get_number(self, number: str, *, for_update: bool = False) -> StoredNumber:
        """A ticket number; raises NOT_FOUND."""
        found = await self.get_numbers([number], for_update=for_update)
        if number not in found:
            raise DomainError(NOT_FOUND)
        return found[number]

    async def save_records(
        self, import_id: UUID, contents: Collection[tuple[OlderRecord, bytes]], now: datetime
    ) -> None:
        """Store records of numbers that are entered, with their photos, in place of older ones.

        With each comes the `content_index` of the row it was made of.
        """
        records = [record for record, _ in contents]
        indexes = [content_index for _, content_index in contents]
        sealed, photos = await asyncio.to_thread(self._seal, records)
        await self._tx.execute("save_older_records", import_id, indexes, *sealed, now)
        if photos[0]:
            await self._tx.execute("save_older_photos", *photos)

    async def complete_record(self, record: OlderRecord, now: datetime) -> None:
        """Store what an office has filled in."""
        await self._tx.execute(
            "complete_older_record",
            record.ticket_number,
            self.document_index(record.document),
            self._sealed(record),
            now,
        )
        photos = self._seal_photos([record])
        if photos[0]:
            await self._tx.execute("save_older_photos", *photos)

    async def list_records(
        self, code_prefix: str, filter_by: RecordFilter, after: str, limit: int
    ) -> list[str]:
        """Numbers in an area (2 to 6 digits) whose records wait for something, after another."""
        rows = await self._tx.fetch(f"list_{filter_by}_records", code_prefix, after, limit)
        return [row["ticket_number"] for row in rows]

    async def get_photos(self, numbers: Collection[str]) -> dict[str, Photo]:
        """The photos of older candidates, by ticket number."""
        rows = await self._tx.fetch("get_older_photos", list(numbers))
        return await asyncio.to_thread(self._open_photos, rows)

    async def other_numbers(self, document: Document, known: Collection[str]) -> list[str]:
        """Numbers that wait to be activated and are the same person's as the known ones."""
        index = self.document_index(document)
        rows = await self._tx.fetch("list_numbers_of_document", index, list(known))
        return [row["ticket_number"] for row in rows]

    async def find_to_merge(self, records: Sequence[OlderRecord]) -> set[str]:
        """The numbers of those records whose persons have other numbers that wait, or an account.

        By the account's former documents: who has the current one is found when it is made.
        """
        numbers = [record.ticket_number for record in records]
        indexes = [self.document_index(record.document) for record in records]
        rows = await self._tx.fetch("find_to_merge", numbers, indexes)
        return {row["ticket_number"] for row in rows}

    async def find_waiting(self, people: Mapping[UUID, Document]) -> dict[UUID, list[StoredNumber]]:
        """Numbers that wait to be activated, locked, by candidates with the same document."""
        rows = await self._tx.fetch("find_waiting_numbers", *self._people(people))
        numbers = [row["ticket_number"] for row in rows]
        stored = await self.get_numbers(numbers, for_update=True)
        found: dict[UUID, list[StoredNumber]] = {}
        for row in rows:
            number = stored[row["ticket_number"]]
            if number.status is NumberStatus.OLDER and number.record:
                found.setdefault(row["candidate_id"], []).append(number)
        return found

    async def find_former_owners(self, people: Mapping[UUID, Document]) -> dict[UUID, UUID]:
        """Who else had the candidates' documents before."""
        rows = await self._tx.fetch("find_former_owners", *self._people(people))
        return {row["candidate_id"]: row["account_id"] for row in rows}

    async def list_numbers_of_person(
        self, known: StoredNumber, after: str, limit: int
    ) -> list[StoredNumber]:
        """Every number of the person who has one, by number, those after another."""
        rows = await self._tx.fetch(
            "list_numbers_of_person",
            known.candidate_id,
            known.document_index,
            known.ticket_number,
            after,
            limit,
        )
        return list((await self.get_numbers([row["ticket_number"] for row in rows])).values())

    async def activate(self, activated: Mapping[str, UUID], now: datetime) -> None:
        """Make older numbers the current ones of candidates, whose rows have the data by now."""
        numbers, candidates = list(activated), list(activated.values())
        await self._tx.execute("activate_numbers", numbers, candidates)
        await self.bind(activated, now)

    async def bind(self, owned: Mapping[str, UUID], now: datetime) -> None:
        """Make numbers candidates', who have the data: records and photos keep none."""
        if not owned:
            return
        numbers = list(owned)
        await self._tx.execute("bind_numbers", numbers, list(owned.values()))
        await self._tx.execute("bind_older_records", numbers, list(owned.values()), now)
        await self._tx.execute("delete_older_photos", numbers)

    async def adopt_cancelled(self, people: Mapping[UUID, Document], now: datetime) -> None:
        """Bind the cancelled numbers of people who have become candidates."""
        rows = await self._tx.fetch("find_cancelled_numbers", *self._people(people))
        await self.bind({row["ticket_number"]: row["candidate_id"] for row in rows}, now)

    async def cancel(self, numbers: Collection[str], reason: str, now: datetime) -> None:
        """Cancel numbers, for ever."""
        await self._tx.execute("cancel_numbers", list(numbers), reason, now)

    def _people(self, people: Mapping[UUID, Document]) -> tuple[list[UUID], list[bytes | None]]:
        return list(people), [self.document_index(document) for document in people.values()]

    def document_index(self, document: Document | None) -> bytes | None:
        """What a person is found by."""
        if document is None:
            return None
        return self._keys.blind_index(document.person_key, "registration.document")

    def content_index(self, record: OlderRecord) -> bytes:
        """Equal for two rows that say the same; tells nothing of what they say."""
        photo = record.photo.sha256.hex() if record.photo else ""
        text = f"{record.has_account}:{photo}:{record.county_code}:{_content(record)}"
        return self._keys.blind_index(text, "registration.older_content")

    def _seal(self, records: Sequence[OlderRecord]) -> tuple[list[list[Any]], list[list[Any]]]:
        """The columns of records, and those of their photos."""
        return [
            [record.ticket_number for record in records],
            [record.county_code for record in records],
            [record.has_account for record in records],
            [self.document_index(record.document) for record in records],
            [self._sealed(record) for record in records],
        ], self._seal_photos(records)

    def _seal_photos(self, records: Sequence[OlderRecord]) -> list[list[Any]]:
        photos = [(record.ticket_number, record.photo) for record in records if record.photo]
        return [
            [number for number, _ in photos],
            [photo.sha256 for _, photo in photos],
            [self._keys.encrypt(photo.jpeg, photo_context(number)) for number, photo in photos],
        ]

    def _sealed(self, record: OlderRecord) -> bytes:
        return self._keys.encrypt(_content(record).encode(), record_context(record.ticket_number))

    def _open_photos(self, rows: Sequence[Record]) -> dict[str, Photo]:
        return {
            row["ticket_number"]: Photo(
                self._keys.decrypt(row["jpeg_enc"], photo_context(row["ticket_number"])),
                row["sha256"],
            )
            for row in rows
        }

    def _stored(self, row: Record) -> StoredNumber:
        return StoredNumber(
            ticket_number=row["ticket_number"],
            status=NumberStatus(row["status"]),
            reason=row["reason"],
            assigned_at=row["assigned_at"],
            ended_at=row["ended_at"],
            candidate_id=row["candidate_id"],
            is_imported=row["content_index"] is not None,
            activated_at=row["activated_at"],
            county_code=row["county_code"] or "",
            content_index=row["content_index"] or b"",
            document_index=row["document_index"],
            record=self._record(row) if row["record_enc"] else None,
            photo_sha256=row["photo_sha256"] or b"",
        )

    def _record(self, row: Record) -> OlderRecord:
        number = row["ticket_number"]
        content = json.loads(self._keys.decrypt(row["record_enc"], record_context(number)))
        kind, document_number = content.pop("document_type"), content.pop("document_number")
        return OlderRecord(
            ticket_number=number,
            document=Document(DocumentType(kind), document_number) if kind else None,
            sex=Sex(content.pop("sex")),
            track=Track(content.pop("track")),
            county_code=row["county_code"],
            has_account=row["has_account"],
            **content,
        )


def record_context(ticket_number: str) -> str:
    """What an older record's blob belongs to."""
    return f"registration.older_record:{ticket_number}"


def photo_context(ticket_number: str) -> str:
    """What an older photo's blob belongs to."""
    return f"registration.older_photo:{ticket_number}"


def _content(record: OlderRecord) -> str:
    document = record.document
    content = {
        "document_type": document.type if document else "",
        "document_number": document.number if document else "",
        "name": record.name,
        "sex": record.sex,
        "track": record.track,
        "major_code": record.major_code,
        "mobile": record.mobile,
    }
    return json.dumps(content, ensure_ascii=False)
