"""A document that an officer names."""

from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.domain.documents import Document
from zikao_tickets.stores.documents import DocumentStore


async def find_document(store: DocumentStore, document_id: UUID, actor: Actor) -> Document:
    """The document; raises DomainError NOT_FOUND and OUT_OF_SCOPE."""
    return document_in_scope(await store.load(document_id), actor)


def document_in_scope(document: Document | None, actor: Actor) -> Document:
    """The document, if there is one and the officer's scope has its county."""
    found = still_there(document)
    actor.require_scope(found.county_code)
    return found


def still_there(document: Document | None) -> Document:
    """The document, which is deleted after a while; raises DomainError NOT_FOUND."""
    if document is None:
        raise DomainError(NOT_FOUND)
    return document
