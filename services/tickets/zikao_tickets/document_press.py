"""Makes documents while they are fetched, part by part; nothing of a part is kept but its note."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.commands.audit_document import audit_document
from zikao_tickets.commands.find_document import find_document, still_there
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.note_document_part import note_document_part, note_prints, part_of
from zikao_tickets.commands.read_contents import Contents, ContentsReader
from zikao_tickets.commands.start_document import NOTHING_TO_PRINT
from zikao_tickets.document_jobs import PartJob
from zikao_tickets.document_readers import DocumentReaders, Reader
from zikao_tickets.domain.documents import (
    KIND_NAMES,
    Cursor,
    Document,
    DocumentPart,
    DocumentState,
    LeftOut,
    no_such_place,
)
from zikao_tickets.domain.session import Session
from zikao_tickets.printing import GlyphSource
from zikao_tickets.printing.documents import Heading
from zikao_tickets.printing.pdf.document import OtherFonts
from zikao_tickets.rendering import RenderPool
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.document_items import DocumentItemStore
from zikao_tickets.stores.documents import DocumentStore
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.tickets import TicketStore

PIECE_BYTES = 1024 * 1024


class Piece(NamedTuple):
    """Some bytes of a document, and where to go on after them."""

    content: bytes
    cursor: Cursor
    done: int
    left_out: Sequence[LeftOut] = ()


Pieces = AsyncGenerator[Piece, None]


class _Place(NamedTuple):
    """What is known before a part is made."""

    session: Session
    before: DocumentPart | None
    made: DocumentPart | None
    contents: Contents | None


class _Made(NamedTuple):
    """A part, its bytes, and how many items come before it."""

    part: DocumentPart
    content: bytes
    before: int

    def piece(self, cursor: Cursor, end: Cursor) -> Piece:
        """What is between two places; the last one says what was left out."""
        is_last = end.part != cursor.part
        done, left_out = (self.part.done, self.part.left_out) if is_last else (self.before, ())
        return Piece(_slice(self.content, cursor), end, done, left_out)


@dataclass
class DocumentPress:
    """One of a process."""

    db: Database
    keys: KeyRing
    clock: Clock
    pool: RenderPool
    signer: ProofSigner
    glyphs: GlyphSource
    _readers: DocumentReaders = field(default_factory=DocumentReaders, init=False)

    async def open_for(self, document_id: UUID, actor: Actor) -> Document:
        """The document, which somebody is about to fetch.

        Raises DomainError NOT_FOUND and OUT_OF_SCOPE.
        """
        now = self.clock.now()
        async with self.db.transaction() as tx:
            document = await find_document(self._store(tx), document_id, actor)
            await audit_document(office_audit(tx), document, "fetch", actor=actor, now=now)
        return document

    async def pieces(self, document: Document, cursor: Cursor, actor: str) -> Pieces:
        """Everything after the cursor.

        Raises DomainError INVALID_REQUEST, DOCUMENT_EXPIRED, DOCUMENT_CANCELLED, NOT_FOUND,
        OVERLOADED, UNAVAILABLE, and NOTHING_TO_PRINT when not one page could be made.
        """
        with self._readers.reading(actor) as reader:
            async with aclosing(self._pieces(document, cursor, reader)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _pieces(self, document: Document, cursor: Cursor, reader: Reader) -> Pieces:
        if await self._is_after_the_end(document, cursor):
            return
        while True:
            made = await self._next_part(document, cursor.part, reader)
            if made is None:
                break
            for end in _cut(made.content, cursor):
                yield made.piece(cursor, end)
                cursor = end
            del made
        content = await self._end(document, reader)
        for piece in _cut(content, cursor):
            yield Piece(_slice(content, cursor), piece, document.total)
            cursor = piece

    async def _is_after_the_end(self, document: Document, cursor: Cursor) -> bool:
        """Whether the reader has everything; raises INVALID_REQUEST for a place that is none."""
        async with self.db.read() as tx:
            parts = await self._store(tx).count_parts(document.document_id)
        if cursor.part > parts + 1:
            raise no_such_place()
        if cursor.part <= parts:
            return False
        if document.state is not DocumentState.DONE or cursor.offset:
            raise no_such_place()
        return True

    async def _next_part(self, document: Document, number: int, reader: Reader) -> _Made | None:
        """The part with that number; None at the end. Its contents are read once it is its turn."""
        async with reader.line, self.pool.turn():
            place = await self._place(document, number)
            if place.contents is None:
                return None
            part, content = await self._part(document, place, place.contents, reader.actor)
        return _Made(part, content, place.before.done if place.before else 0)

    async def _place(self, document: Document, number: int) -> _Place:
        async with self.db.read() as tx:
            store, items = self._store(tx), DocumentItemStore(tx, self.keys)
            current = still_there(await store.load(document.document_id))
            current.require_alive(await self._in_force(items, document))
            session = await load_session(SessionStore(tx), document.session_code)
            current.require_notice(session.notice.version)
            before = await store.part(document.document_id, number - 1) if number else None
            made = await store.part(document.document_id, number)
            reader = ContentsReader(
                document, session, TicketStore(tx, self.keys), items, self.signer, self.glyphs
            )
            contents = await reader.read(before.last if before else (), made)
        return _Place(session, before, made, contents)

    async def _part(
        self,
        document: Document,
        place: _Place,
        contents: Contents,
        actor: str,
    ) -> tuple[DocumentPart, bytes]:
        """Make a part, and note it if it was not; prints are noted with it."""
        growth = place.before.growth if place.before else None
        job = PartJob(_heading(document, place.session), growth, contents.sheets)
        with _expiring():
            made = await self.pool.make_part(job)
        part = part_of(made, contents, place.before)
        async with self.db.transaction() as tx:
            items = DocumentItemStore(tx, self.keys)
            if await note_document_part(self._store(tx), items, document, part):
                tickets, now = TicketStore(tx, self.keys), self.clock.now()
                await note_prints(tickets, document, contents, made, actor=actor, now=now)
            # What was left out when it was first made is left out for ever.
            elif place.made:
                part = place.made
        return part, made.content

    async def _end(self, document: Document, reader: Reader) -> bytes:
        async with self.db.read() as tx:
            store = self._store(tx)
            session = await load_session(SessionStore(tx), document.session_code)
            growths = await store.growths(document.document_id)
            (progress,) = await store.progress([document])
        if not progress.pages:
            raise DomainError(NOTHING_TO_PRINT)
        with _expiring():
            async with reader.line, self.pool.turn():
                content = await self.pool.make_end(_heading(document, session), growths)
        async with self.db.transaction() as tx:
            await self._set_done(tx, document)
        return content

    async def _set_done(self, tx: Transaction, document: Document) -> None:
        store = self._store(tx)
        locked = still_there(await store.lock(document.document_id))
        if locked.state is DocumentState.OPEN:
            await store.set_state(document.document_id, DocumentState.DONE)

    def _store(self, tx: Transaction) -> DocumentStore:
        return DocumentStore(tx, self.keys)

    async def _in_force(self, items: DocumentItemStore, document: Document) -> UUID | None:
        return await items.arrangement_in_force(document.session_code, document.county_code)


@contextmanager
def _expiring() -> Iterator[None]:
    try:
        yield
    except OtherFonts as error:
        raise DomainError("DOCUMENT_EXPIRED") from error


def _heading(document: Document, session: Session) -> Heading:
    title = f"{session.name} {document.county_code} {KIND_NAMES[document.kind]}"
    return Heading(document.kind, title, document.as_of)


def _cut(content: bytes, cursor: Cursor) -> Iterator[Cursor]:
    """Where each piece after the cursor ends; raises INVALID_REQUEST beyond the content."""
    if cursor.offset and cursor.offset >= len(content):
        raise no_such_place()
    for end in range(cursor.offset + PIECE_BYTES, len(content), PIECE_BYTES):
        yield Cursor(cursor.part, end)
    yield Cursor(cursor.part + 1)


def _slice(content: bytes, cursor: Cursor) -> bytes:
    return content[cursor.offset : cursor.offset + PIECE_BYTES]
