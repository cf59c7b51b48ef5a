"""A document that is not wanted any more."""

from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_tickets.commands.find_document import document_in_scope
from zikao_tickets.domain.documents import DocumentState
from zikao_tickets.stores.documents import DocumentStore


async def cancel_document(store: DocumentStore, document_id: UUID, actor: Actor) -> None:
    """Let no more of it be fetched. Raises DomainError NOT_FOUND and OUT_OF_SCOPE."""
    document_in_scope(await store.lock(document_id), actor)
    await store.set_state(document_id, DocumentState.CANCELLED)
