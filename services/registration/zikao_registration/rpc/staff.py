"""Accounts of officers and auditors."""

from typing import Any
from uuid import UUID

from zikao.registration.v1 import staff_service_pb2, staff_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.administer_staff import (
    check_staff_password,
    disable_staff_account,
    reset_staff_account,
)
from zikao_registration.commands.create_staff_account import (
    check_staff_login,
    create_staff_account,
)
from zikao_registration.converts.logins import staff_account_to_pb
from zikao_registration.converts.registrations import role_from_pb
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts

DEFAULT_PAGE_SIZE = 50


class StaffRpc(staff_service_pb2_grpc.StaffServiceServicer):
    """What the operator does with them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def CreateStaffAccount(
        self, request: staff_service_pb2.CreateStaffAccountRequest, context: Any
    ) -> staff_service_pb2.CreateStaffAccountResponse:
        """Create an officer's or auditor's account."""
        now = self._parts.clock.now()
        login_name = check_staff_login(request.login_name, request.password, now)
        password_hash = await self._parts.hashing.hash(request.password)

        async def work(tx: Transaction) -> staff_service_pb2.CreateStaffAccountResponse:
            staff_id = await create_staff_account(
                self._parts.accounts(tx),
                self._parts.store(tx),
                login_name,
                password_hash,
                role=role_from_pb(request.role),
                scope=request.scope,
                must_change_password=not request.keep_password,
                actor=current_actor(),
                now=now,
            )
            return staff_service_pb2.CreateStaffAccountResponse(staff_id=str(staff_id))

        response_type = staff_service_pb2.CreateStaffAccountResponse
        return await self._parts.run_once(request, response_type, work)

    async def ListStaffAccounts(
        self, request: staff_service_pb2.ListStaffAccountsRequest, context: Any
    ) -> staff_service_pb2.ListStaffAccountsResponse:
        """All of them, a page at a time."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        pages = PageTokens(self._parts.keys, request)
        place = pages.read()
        after = UUID(place[0]) if place else UUID(int=0)
        async with self._parts.db.read() as tx:
            found = await self._parts.accounts(tx).list_staff(after, size + 1)
        shown = found[:size]
        return staff_service_pb2.ListStaffAccountsResponse(
            accounts=[staff_account_to_pb(account) for account in shown],
            next_page_token=pages.make([str(shown[-1].account_id)]) if len(found) > size else "",
        )

    async def DisableStaffAccount(
        self, request: staff_service_pb2.DisableStaffAccountRequest, context: Any
    ) -> staff_service_pb2.DisableStaffAccountResponse:
        """Keep somebody out."""
        actor, now = current_actor(), self._parts.clock.now()

        async def work(tx: Transaction) -> staff_service_pb2.DisableStaffAccountResponse:
            accounts, store = self._parts.accounts(tx), self._parts.store(tx)
            staff_id = UUID(request.staff_id)
            await disable_staff_account(accounts, store, staff_id, actor=actor, now=now)
            return staff_service_pb2.DisableStaffAccountResponse()

        response_type = staff_service_pb2.DisableStaffAccountResponse
        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, response_type, work)

    async def ResetStaffAccount(
        self, request: staff_service_pb2.ResetStaffAccountRequest, context: Any
    ) -> staff_service_pb2.ResetStaffAccountResponse:
        """Let somebody in anew."""
        check_staff_password(request.password)
        password_hash = await self._parts.hashing.hash(request.password)
        actor, now = current_actor(), self._parts.clock.now()

        async def work(tx: Transaction) -> staff_service_pb2.ResetStaffAccountResponse:
            accounts, store = self._parts.accounts(tx), self._parts.store(tx)
            staff_id = UUID(request.staff_id)
            await reset_staff_account(
                accounts, store, staff_id, password_hash, actor=actor, now=now
            )
            return staff_service_pb2.ResetStaffAccountResponse()

        response_type = staff_service_pb2.ResetStaffAccountResponse
        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, response_type, work)
