"""The documents of an area, page by page."""

from collections.abc import Sequence

from zikao_kit.tokens import Actor

from zikao_tickets.domain.documents import Document, Progress
from zikao_tickets.stores.documents import DocumentStore

DEFAULT_PAGE_SIZE = 50


async def list_documents(
    store: DocumentStore,
    area: tuple[str, str],
    page_size: int,
    page_token: str,
    *,
    actor: Actor,
) -> tuple[Sequence[tuple[Document, Progress]], str]:
    """A page of the area (session code, code prefix), the newest first, and the next token.

    Without a prefix those of the officer's whole scope. Raises DomainError OUT_OF_SCOPE.
    """
    session_code, prefix = area[0], area[1] or actor.scope
    actor.require_scope(prefix)
    size = page_size or DEFAULT_PAGE_SIZE
    before = int(page_token) if page_token else None
    found = await store.list_page(session_code, prefix, before, size + 1)
    documents = found[:size]
    progress = await store.progress(documents)
    token = str(documents[-1].position) if len(found) > size else ""
    return list(zip(documents, progress, strict=True)), token
