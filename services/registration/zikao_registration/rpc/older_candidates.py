"""Imports of older candidates."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar
from uuid import UUID

from zikao.registration.v1 import older_candidate_service_pb2, older_candidate_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.import_older_candidates import (
    import_older_candidates,
    require_ascending,
)
from zikao_registration.commands.start_import import find_import, start_import
from zikao_registration.converts.older import (
    import_from_pb,
    import_to_pb,
    problem_to_pb,
    row_from_pb,
)
from zikao_registration.domain.older_imports import ACCOUNT_MAKERS
from zikao_registration.domain.older_records import CheckedRows, RowRules, check_rows
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts

DEFAULT_PAGE_SIZE = 100

T = TypeVar("T")


class OlderCandidateRpc(older_candidate_service_pb2_grpc.OlderCandidateServiceServicer):
    """Those who had a ticket number before this system."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StartImport(
        self, request: older_candidate_service_pb2.StartImportRequest, context: Any
    ) -> older_candidate_service_pb2.StartImportResponse:
        """Begin an import; its own row makes it safe to repeat."""
        actor = current_actor()
        new = import_from_pb(request, actor.scope, self._parts.clock.now())

        async def work(tx: Transaction) -> older_candidate_service_pb2.StartImportResponse:
            older, store = self._parts.older(tx), self._parts.store(tx)
            begun = await start_import(older, store, new, actor=actor)
            return older_candidate_service_pb2.StartImportResponse(progress=import_to_pb(begun))

        return await self._parts.db.run(work)

    async def ImportOlderCandidates(
        self,
        request_iterator: AsyncIterator[older_candidate_service_pb2.ImportOlderCandidatesRequest],
        context: Any,
    ) -> AsyncIterator[older_candidate_service_pb2.ImportOlderCandidatesResponse]:
        """Enter what comes, message by message."""
        async with aclosing(_one_ahead(self._checked_each(request_iterator))) as messages:
            async for import_id, rows in messages:
                yield await self._import_rows(import_id, rows)

    async def _import_rows(
        self, import_id: UUID, rows: CheckedRows
    ) -> older_candidate_service_pb2.ImportOlderCandidatesResponse:
        async def work(
            tx: Transaction,
        ) -> older_candidate_service_pb2.ImportOlderCandidatesResponse:
            after, refused = await import_older_candidates(
                self._parts.accounts(tx),
                self._parts.store(tx),
                self._parts.older(tx),
                import_id,
                rows,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return older_candidate_service_pb2.ImportOlderCandidatesResponse(
                progress=import_to_pb(after), problems=map(problem_to_pb, refused)
            )

        return await self._parts.db.run(work)

    async def _checked_each(
        self,
        requests: AsyncIterator[older_candidate_service_pb2.ImportOlderCandidatesRequest],
    ) -> AsyncIterator[tuple[UUID, CheckedRows]]:
        async for request in requests:
            require_ascending([row.line for row in request.rows])
            yield UUID(request.import_id), await self._checked(request)

    async def _checked(
        self, request: older_candidate_service_pb2.ImportOlderCandidatesRequest
    ) -> CheckedRows:
        """Look at the rows beside the loop, before a transaction begins."""
        async with self._parts.db.read() as tx:
            sessions = await self._parts.store(tx).sessions.load_all()
        today, actor = self._parts.clock.now().date(), current_actor()
        makes_accounts, rare = actor.role in ACCOUNT_MAKERS, self._parts.rare_characters
        rules = RowRules(today, sessions, rare, actor.covers, makes_accounts)
        rows = [row_from_pb(row) for row in request.rows]
        return await asyncio.to_thread(check_rows, rows, rules)

    async def GetImport(
        self, request: older_candidate_service_pb2.GetImportRequest, context: Any
    ) -> older_candidate_service_pb2.GetImportResponse:
        """How far an import has come."""
        async with self._parts.db.read() as tx:
            found = await find_import(
                self._parts.older(tx), UUID(request.import_id), actor=current_actor()
            )
        return older_candidate_service_pb2.GetImportResponse(progress=import_to_pb(found))

    async def ListImportProblems(
        self, request: older_candidate_service_pb2.ListImportProblemsRequest, context: Any
    ) -> older_candidate_service_pb2.ListImportProblemsResponse:
        """The rows that were refused."""
        tokens, size = PageTokens(self._parts.keys, request), request.page_size or DEFAULT_PAGE_SIZE
        (after,) = tokens.read() or (0,)
        async with self._parts.db.read() as tx:
            older, import_id = self._parts.older(tx), UUID(request.import_id)
            await find_import(older, import_id, actor=current_actor())
            found = await older.list_problems(import_id, after, size)
        return older_candidate_service_pb2.ListImportProblemsResponse(
            problems=map(problem_to_pb, found),
            next_page_token=tokens.make([found[-1].line]) if len(found) == size else "",
        )


async def _one_ahead(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The items; each is made while the one before is in work."""
    coming = asyncio.ensure_future(anext(items, None))
    try:
        while (item := await coming) is not None:
            coming = asyncio.ensure_future(anext(items, None))
            yield item
    finally:
        coming.cancel()
        # Of two failures the first one is told.
        await asyncio.gather(coming, return_exceptions=True)
