"""The gRPC methods of candidates: protobuf in, protobuf out; rules are in commands and domain."""

from typing import Any
from uuid import UUID

from zikao.registration.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    registration_service_pb2,
    registration_service_pb2_grpc,
)
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.create_account import check_application, create_account
from zikao_registration.commands.create_staff_account import (
    check_staff_login,
    create_staff_account,
)
from zikao_registration.commands.log_in import log_in
from zikao_registration.commands.submit_registration import submit_registration
from zikao_registration.commands.update_registration import update_registration
from zikao_registration.commands.upload_material import upload_material
from zikao_registration.commands.upload_photo import clean_photo, upload_photo
from zikao_registration.convert import (
    document_type_from_pb,
    personal_from_pb,
    registration_to_pb,
    role_from_pb,
    time_to_pb,
)
from zikao_registration.parts import Parts
from zikao_registration.photo_encoding import encode_material


class AccountRpc(account_service_pb2_grpc.AccountServiceServicer):
    """Accounts, and the tokens that prove who is calling."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def CreateAccount(
        self, request: account_service_pb2.CreateAccountRequest, context: Any
    ) -> account_service_pb2.CreateAccountResponse:
        """Create a candidate's account; its password is hashed before the transaction."""
        now = self._parts.clock.now()
        kind = document_type_from_pb(request.document_type)
        number, name, password = request.document_number, request.login_name, request.password
        application = check_application(kind, number, name, password, now)
        password_hash = await self._parts.hashing.hash(password)

        async def work(tx: Transaction) -> account_service_pb2.CreateAccountResponse:
            accounts, store = self._parts.accounts(tx), self._parts.store(tx)
            code, actor = request.session_code, current_actor()
            candidate_id = await create_account(
                accounts, store, application, code, password_hash, actor=actor, now=now
            )
            return account_service_pb2.CreateAccountResponse(candidate_id=str(candidate_id))

        response = account_service_pb2.CreateAccountResponse
        return await self._parts.run_once(request, response, work)

    async def LogIn(
        self, request: account_service_pb2.LogInRequest, context: Any
    ) -> account_service_pb2.LogInResponse:
        """Prove a password and get a token."""
        parts = self._parts
        account = await log_in(
            parts.open_accounts,
            parts.hashing,
            parts.login_limit,
            request.login_name,
            request.password,
            caller=current_actor().caller,
            now=parts.clock.now(),
        )
        issued = parts.tokens.issue(account)
        return account_service_pb2.LogInResponse(
            access_token=issued.token,
            expires_at=time_to_pb(issued.expires_at),
            subject=str(account.account_id),
        )

    async def CreateStaffAccount(
        self, request: account_service_pb2.CreateStaffAccountRequest, context: Any
    ) -> account_service_pb2.CreateStaffAccountResponse:
        """Create an officer's or auditor's account."""
        now = self._parts.clock.now()
        login_name = check_staff_login(request.login_name, request.password, now)
        password_hash = await self._parts.hashing.hash(request.password)

        async def work(tx: Transaction) -> account_service_pb2.CreateStaffAccountResponse:
            staff_id = await create_staff_account(
                self._parts.accounts(tx),
                self._parts.store(tx),
                login_name,
                password_hash,
                role=role_from_pb(request.role),
                scope=request.scope,
                actor=current_actor(),
                now=now,
            )
            return account_service_pb2.CreateStaffAccountResponse(staff_id=str(staff_id))

        response = account_service_pb2.CreateStaffAccountResponse
        return await self._parts.run_once(request, response, work)

    async def ListSigningKeys(
        self, request: account_service_pb2.ListSigningKeysRequest, context: Any
    ) -> account_service_pb2.ListSigningKeysResponse:
        """The public keys with which tokens are verified; from memory, for they are asked often."""
        return account_service_pb2.ListSigningKeysResponse(
            keys=[
                account_service_pb2.SigningKey(key_id=key_id, public_key=public_key)
                for key_id, public_key in self._parts.tokens.public_keys.items()
            ]
        )


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

        response = registration_service_pb2.UpdateRegistrationResponse
        return await self._parts.run_once(request, response, work)

    async def UploadPhoto(
        self, request: registration_service_pb2.UploadPhotoRequest, context: Any
    ) -> registration_service_pb2.UploadPhotoResponse:
        """Clean the photo, then store it."""
        jpeg = await self._parts.decode(clean_photo, request.jpeg)

        async def work(tx: Transaction) -> registration_service_pb2.UploadPhotoResponse:
            store, now = self._parts.store(tx), self._parts.clock.now()
            sha256 = await upload_photo(store, jpeg, actor=current_actor(), now=now)
            return registration_service_pb2.UploadPhotoResponse(photo_sha256=sha256)

        response = registration_service_pb2.UploadPhotoResponse
        return await self._parts.run_once(request, response, work)

    async def UploadIdentityMaterial(
        self, request: registration_service_pb2.UploadIdentityMaterialRequest, context: Any
    ) -> registration_service_pb2.UploadIdentityMaterialResponse:
        """Clean the material, then store it."""
        jpeg = await self._parts.decode(encode_material, request.jpeg)

        async def work(tx: Transaction) -> registration_service_pb2.UploadIdentityMaterialResponse:
            store, now = self._parts.store(tx), self._parts.clock.now()
            name = await upload_material(store, jpeg, actor=current_actor(), now=now)
            return registration_service_pb2.UploadIdentityMaterialResponse(file_name=name)

        response = registration_service_pb2.UploadIdentityMaterialResponse
        return await self._parts.run_once(request, response, work)

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

        response = registration_service_pb2.SubmitRegistrationResponse
        return await self._parts.run_once(request, response, work)
