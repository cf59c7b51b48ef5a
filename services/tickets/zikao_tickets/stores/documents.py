"""Documents and what is printed in them: one method a named query of `documents.sql`."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.documents import (
    Document,
    DocumentKind,
    DocumentPart,
    DocumentState,
    LeftOut,
    Progress,
    Scope,
)
from zikao_tickets.domain.person import growth_context

NOT_STARTED = Progress()


class DocumentStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys

    async def insert(self, document: Document) -> None:
        """Store a new one."""
        await self._tx.execute(
            "insert_document",
            document.document_id,
            document.session_code,
            document.county_code,
            document.kind,
            document.scope.site_code,
            document.scope.slot,
            document.arrangement_id,
            document.as_of,
            document.total,
            document.started_by,
            document.notice_version,
        )

    async def load(self, document_id: UUID) -> Document | None:
        """The document."""
        row = await self._tx.fetchrow("load_document", document_id)
        return _document(row) if row else None

    async def lock(self, document_id: UUID) -> Document | None:
        """The document, locked until the transaction ends."""
        row = await self._tx.fetchrow("lock_document", document_id)
        return _document(row) if row else None

    async def set_state(self, document_id: UUID, state: DocumentState) -> None:
        """Store what became of it."""
        await self._tx.execute("set_document_state", document_id, state)

    async def delete_old(self, until: datetime, limit: int) -> int:
        """Delete up to `limit` documents begun before, with their parts; how many."""
        return await self._tx.execute("delete_old_documents", until, limit)

    async def list_page(
        self, session_code: str, county_prefix: str, before: int | None, limit: int
    ) -> list[Document]:
        """Documents of an area, the newest first, after the place `before`."""
        rows = await self._tx.fetch("list_documents", session_code, county_prefix, before, limit)
        return [_document(row) for row in rows]

    async def progress(self, documents: Sequence[Document]) -> list[Progress]:
        """How far each has come."""
        ids = [document.document_id for document in documents]
        rows = await self._tx.fetch("document_progress", ids)
        found = {
            row["document_id"]: Progress(row["done"], row["pages"], row["size"], row["left_out"])
            for row in rows
        }
        return [found.get(document_id, NOT_STARTED) for document_id in ids]

    async def part(self, document_id: UUID, number: int) -> DocumentPart | None:
        """A part, if it was made."""
        row = await self._tx.fetchrow("load_document_part", document_id, number)
        return _part(row, self._growth(document_id, row)) if row else None

    async def count_parts(self, document_id: UUID) -> int:
        """How many parts were made."""
        return int(await self._tx.fetchval("count_document_parts", document_id))

    async def growths(self, document_id: UUID) -> list[bytes]:
        """What every part has added, in order."""
        rows = await self._tx.fetch("list_document_growths", document_id)
        return [self._growth(document_id, row) for row in rows]

    async def insert_part(self, document_id: UUID, part: DocumentPart) -> None:
        """Note that a part was made."""
        left_out = json.dumps([list(each) for each in part.left_out])
        await self._tx.execute(
            "insert_document_part",
            document_id,
            part.number,
            list(part.first),
            list(part.last),
            part.done,
            part.pages,
            part.size,
            part.sha256,
            self._keys.encrypt(part.growth, growth_context(document_id, part.number)),
            left_out,
        )

    def _growth(self, document_id: UUID, row: Any) -> bytes:
        return self._keys.decrypt(row["growth_enc"], growth_context(document_id, row["part"]))


def _document(row: Any) -> Document:
    return Document(
        document_id=row["document_id"],
        session_code=row["session_code"],
        county_code=row["county_code"],
        kind=DocumentKind(row["kind"]),
        scope=Scope(row["site_code"], row["slot"]),
        arrangement_id=row["arrangement_id"],
        as_of=row["as_of"],
        total=row["total"],
        started_by=row["started_by"],
        notice_version=row["notice_version"],
        state=DocumentState(row["state"]),
        position=row["position"],
    )


def _part(row: Any, growth: bytes) -> DocumentPart:
    return DocumentPart(
        number=row["part"],
        first=tuple(row["first"]),
        last=tuple(row["last"]),
        done=row["done"],
        pages=row["pages"],
        size=row["size"],
        sha256=row["sha256"],
        growth=growth,
        left_out=tuple(LeftOut(*each) for each in json.loads(row["left_out"])),
    )
