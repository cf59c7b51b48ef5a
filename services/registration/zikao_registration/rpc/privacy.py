"""What the law gives everybody: a copy of their data, and its erasure."""

from collections.abc import AsyncIterator
from typing import Any

from zikao.registration.v1 import privacy_service_pb2, privacy_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.erase_personal_data import (
    erase_personal_data,
    require_own_erasable,
)
from zikao_registration.commands.export_personal_data import (
    DOCUMENT_NAME,
    MATERIAL_NAME,
    PHOTO_NAME,
    export_personal_data,
    get_picture,
)
from zikao_registration.commands.prove_password import prove_password
from zikao_registration.parts import Parts
from zikao_registration.stores.recoveries import RecoveryStore


class PrivacyRpc(privacy_service_pb2_grpc.PrivacyServiceServicer):
    """The candidate's own data."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ExportPersonalData(
        self, request: privacy_service_pb2.ExportPersonalDataRequest, context: Any
    ) -> AsyncIterator[privacy_service_pb2.ExportPersonalDataResponse]:
        """One file a message; nothing of the database is held while one is being read."""
        parts, response_type = self._parts, privacy_service_pb2.ExportPersonalDataResponse
        actor, now = current_actor(), parts.clock.now()
        async with parts.db.transaction() as tx:
            desk = parts.change_desk(tx, actor, now)
            recoveries = RecoveryStore(tx, parts.keys)
            privacy, records = parts.privacy(tx), parts.study_records(tx)
            export = await export_personal_data(desk, privacy, recoveries, records)
        yield response_type(file_name=DOCUMENT_NAME, content=export.document)
        for name in (PHOTO_NAME, MATERIAL_NAME, *export.evidence):
            async with parts.db.read() as tx:
                jpeg = await get_picture(parts.change_desk(tx, actor, now), export, name)
            if jpeg:
                yield response_type(file_name=name, content=jpeg)

    async def ErasePersonalData(
        self, request: privacy_service_pb2.ErasePersonalDataRequest, context: Any
    ) -> privacy_service_pb2.ErasePersonalDataResponse:
        """All of it, once the password is proved."""
        parts, response_type = self._parts, privacy_service_pb2.ErasePersonalDataResponse
        actor, now = current_actor(), self._parts.clock.now()

        async def check(tx: Transaction) -> None:
            await require_own_erasable(parts.store(tx), parts.privacy(tx), actor)

        first = await parts.answered_before(request, response_type, check)
        if first is not None:
            return first
        rules, password = parts.login_rules, request.password
        await prove_password(
            parts.open_accounts, parts.hashing, rules, password, actor=actor, now=now
        )

        async def work(tx: Transaction) -> privacy_service_pb2.ErasePersonalDataResponse:
            store, accounts, privacy = parts.store(tx), parts.accounts(tx), parts.privacy(tx)
            await erase_personal_data(store, accounts, privacy, actor=actor, now=now)
            return response_type()

        async with parts.spreading_revocations():
            return await parts.run_once(request, response_type, work)
