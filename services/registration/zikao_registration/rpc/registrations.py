"""What candidates do with their own application."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao.registration.v1 import registration_service_pb2, registration_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.tokens import Actor

from zikao_registration.commands.submit_registration import submit_registration
from zikao_registration.commands.update_registration import update_registration
from zikao_registration.commands.upload_material import require_material_open, upload_material
from zikao_registration.commands.upload_photo import clean_photo, require_photo_open, upload_photo
from zikao_registration.converts.registrations import personal_from_pb, registration_to_pb
from zikao_registration.parts import Parts
from zikao_registration.photo_encoding import encode_material
from zikao_registration.stores.registrations import Store

# A command that refuses an upload before it is decoded.
RequireOpen = Callable[[Store, Actor, datetime], Awaitable[None]]


class RegistrationRpc(registration_service_pb2_grpc.RegistrationServiceServicer):
    """The candidate's own application."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetRegistration(
        self, request: registration_service_pb2.GetRegistrationRequest, context: Any
    ) -> registration_service_pb2.GetRegistrationResponse:
        """The caller's registration in full."""
        async with self._parts.db.read() as tx:
            found = await self._parts.store(tx).get_registration(UUID(current_actor().subject))
        return registration_service_pb2.GetRegistrationResponse(
            registration=registration_to_pb(found)
        )

    async def UpdateRegistration(
        self, request: registration_service_pb2.UpdateRegistrationRequest, context: Any
    ) -> registration_service_pb2.UpdateRegistrationResponse:
        """Replace the personal data."""

        async def work(tx: Transaction) -> registration_service_pb2.UpdateRegistrationResponse:
            updated = await update_registration(
                self._parts.store(tx),
                personal_from_pb(request.personal),
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return registration_service_pb2.UpdateRegistrationResponse(
                registration=registration_to_pb(updated)
            )

        response_type = registration_service_pb2.UpdateRegistrationResponse
        return await self._parts.run_once(request, response_type, work)

    async def UploadPhoto(
        self, request: registration_service_pb2.UploadPhotoRequest, context: Any
    ) -> registration_service_pb2.UploadPhotoResponse:
        """Clean the photo, then store it."""
        response_type = registration_service_pb2.UploadPhotoResponse
        first = await self._parts.answered_before(
            request, response_type, self._open_for(require_photo_open)
        )
        if first is not None:
            return first
        owner = UUID(current_actor().subject)
        jpeg = await self._parts.pictures.decode(owner, clean_photo, request.jpeg)

        async def work(tx: Transaction) -> registration_service_pb2.UploadPhotoResponse:
            store, now = self._parts.store(tx), self._parts.clock.now()
            sha256 = await upload_photo(store, jpeg, actor=current_actor(), now=now)
            return registration_service_pb2.UploadPhotoResponse(photo_sha256=sha256)

        return await self._parts.run_once(request, response_type, work)

    async def UploadIdentityMaterial(
        self, request: registration_service_pb2.UploadIdentityMaterialRequest, context: Any
    ) -> registration_service_pb2.UploadIdentityMaterialResponse:
        """Clean the material, then store it."""
        response_type = registration_service_pb2.UploadIdentityMaterialResponse
        first = await self._parts.answered_before(
            request, response_type, self._open_for(require_material_open)
        )
        if first is not None:
            return first
        owner = UUID(current_actor().subject)
        jpeg = await self._parts.pictures.decode(owner, encode_material, request.jpeg)

        async def work(tx: Transaction) -> registration_service_pb2.UploadIdentityMaterialResponse:
            store, now = self._parts.store(tx), self._parts.clock.now()
            name = await upload_material(store, jpeg, actor=current_actor(), now=now)
            return registration_service_pb2.UploadIdentityMaterialResponse(file_name=name)

        return await self._parts.run_once(request, response_type, work)

    async def SubmitRegistration(
        self, request: registration_service_pb2.SubmitRegistrationRequest, context: Any
    ) -> registration_service_pb2.SubmitRegistrationResponse:
        """Hand the registration in."""

        async def work(tx: Transaction) -> registration_service_pb2.SubmitRegistrationResponse:
            store, now = self._parts.store(tx), self._parts.clock.now()
            submitted = await submit_registration(store, actor=current_actor(), now=now)
            return registration_service_pb2.SubmitRegistrationResponse(
                registration=registration_to_pb(submitted)
            )

        response_type = registration_service_pb2.SubmitRegistrationResponse
        return await self._parts.run_once(request, response_type, work)

    def _open_for(self, require_open: RequireOpen) -> Callable[[Transaction], Awaitable[None]]:
        async def check(tx: Transaction) -> None:
            store, now = self._parts.store(tx), self._parts.clock.now()
            await require_open(store, current_actor(), now)

        return check
