"""Accounts, login attempts and signing keys in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import ConstraintViolated, Record, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_registration.domain.accounts import Account
from zikao_registration.domain.documents import Document, canonical, possible_documents
from zikao_registration.domain.logins import CallerAttempts, Tried
from zikao_registration.domain.recovery import Purpose
from zikao_registration.domain.second_factors import SecondFactor
from zikao_registration.stores.logins import LoginStore

# Rows of one caller: at the opening of a window everybody logs in through the same portal.
CALLER_SHARDS = 16
_TAKEN = {"account_login_index_key", "account_document_index_key"}


@dataclass(frozen=True)
class StoredSigningKey:
    """An Ed25519 key of access tokens; both halves are 32 raw bytes."""

    key_id: str
    private_key: bytes
    public_key: bytes
    made_at: datetime


class AccountStore:
    """One method a query, bound to a running transaction, with the logins beside."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys
        self.logins = LoginStore(transaction)

    async def insert_account(
        self, account: Account, login_name: str, document: Document | None, now: datetime
    ) -> None:
        """Store a new account; raises LOGIN_NAME_TAKEN, also when the person has one already."""
        # Of staff it is shown in lists; a candidate's document number is kept once.
        context = _login_name_context(account.account_id)
        name_enc = None if document else self._keys.encrypt(login_name.encode(), context)
        try:
            await self._tx.execute(
                "insert_account",
                account.account_id,
                "candidate" if document else "staff",
                self._login_index(login_name),
                name_enc,
                document and self._document_index(document),
                account.password_hash,
                account.must_change_password,
                account.role,
                account.scope,
                now,
            )
        except ConstraintViolated as error:
            if error.constraint in _TAKEN:
                raise DomainError("LOGIN_NAME_TAKEN") from error
            raise

    async def insert_candidates(
        self, documents: Mapping[UUID, Document], password_hash: str | None, now: datetime
    ) -> set[UUID]:
        """Make accounts named by their documents; return those of people who had none."""
        numbers = documents.values()
        rows = await self._tx.fetch(
            "insert_candidate_accounts",
            list(documents),
            [self._login_index(document.number) for document in numbers],
            [self._document_index(document) for document in numbers],
            password_hash,
            now,
        )
        return {row["account_id"] for row in rows}

    async def find_account(self, login_name: str, today: date) -> Account | None:
        """The account of a login name in any spelling, or of a document number.

        Who has chosen a name, and forgotten it, still has the number. Attempts are counted by
        what was typed: a common count would tell which name goes with which number.
        """
        documents = [
            self._document_index(each) for each in possible_documents(login_name, today=today)
        ]
        row = await self._tx.fetchrow("find_account", self._login_index(login_name), documents)
        return self._account(row) if row else None

    async def find_account_of(self, document: Document) -> Account | None:
        """The account of the person whose document it is."""
        row = await self._tx.fetchrow("find_account", b"", [self._document_index(document)])
        return self._account(row) if row else None

    async def find_owner(self, document: Document) -> UUID | None:
        """Whose document it is or was before theirs was changed."""
        found: UUID | None = await self._tx.fetchval("find_owner", self._document_index(document))
        return found

    async def get_account(self, account_id: UUID, *, for_update: bool = False) -> Account:
        """An account; raises NOT_FOUND. Lock it before its logins, and after its candidate."""
        if for_update:
            await self._tx.execute("lock_account", account_id)
        row = await self._tx.fetchrow("get_account", account_id)
        if row is None:
            raise DomainError(NOT_FOUND)
        return self._account(row)

    async def lock(self, account_ids: Sequence[UUID]) -> None:
        """Hold accounts that are to be erased: until then no login of them begins."""
        await self._tx.execute("lock_accounts", account_ids)

    async def list_staff(self, after: UUID, limit: int) -> list[Account]:
        """Up to `limit` staff accounts after an id."""
        return [self._account(row) for row in await self._tx.fetch("list_staff", after, limit)]

    async def set_second_factor(self, account_id: UUID, factor: SecondFactor | None) -> None:
        """Store a second factor, its secret encrypted; None removes it."""
        context = _second_factor_context(account_id)
        sealed = factor and self._keys.encrypt(factor.secret.encode(), context)
        step = factor and factor.last_step
        await self._tx.execute("set_second_factor", account_id, sealed, step)

    async def set_disabled(self, account_id: UUID, at: datetime | None) -> None:
        """Disable an account, or enable it."""
        await self._tx.execute("set_disabled", account_id, at)

    async def set_password(
        self, account_id: UUID, password_hash: str | None, *, must_change: bool = False
    ) -> None:
        """Set a password; None: the initial one, which must be changed in any case."""
        await self._tx.execute("set_password", account_id, password_hash, must_change)

    async def set_document(self, account_id: UUID, before: Document, after: Document) -> None:
        """The person has another document; whoever logs in by its number does so from now on.

        The one before is kept, for whoever comes with it may be the same person. Raises
        DOCUMENT_TAKEN for another person's; the transaction is lost then.
        """
        logins = self._login_index(before.number), self._login_index(after.number)
        index = self._document_index(after)
        await self._tx.execute("keep_former_document", account_id, index)
        await self._tx.execute("forget_former_document", index, account_id)
        try:
            await self._tx.execute("set_document", account_id, index, *logins)
        except ConstraintViolated as error:
            if error.constraint in _TAKEN:
                raise DomainError("DOCUMENT_TAKEN") from error
            raise

    async def revoke_logins(
        self, account_id: UUID, now: datetime, *, but_for: UUID | None = None
    ) -> None:
        """End every login of an account, or all but one: their tokens are refused at once.

        Whoever holds a lock on the account excludes a login that is just beginning.
        """
        await self._tx.execute("revoke_logins", account_id, now, but_for)

    async def count_attempt(
        self, tried: Tried, name: str, now: datetime, lapsed_at: datetime
    ) -> tuple[int, datetime]:
        """Count an attempt of a name; return how many since the first, and when that was."""
        index = self._name_index(tried, name)
        row = await self._tx.fetchrow("count_login_attempt", index, now, lapsed_at)
        assert row is not None  # an upsert always returns its row
        return row["attempts"], row["first_at"]

    async def count_caller_attempt(
        self,
        tried: Tried | Purpose,
        caller: str,
        name: str,
        *,
        failed: bool,
        now: datetime,
        lapsed_at: datetime,
    ) -> None:
        """Count a judged attempt of a caller (the name in its certificate), in one of its rows."""
        index = self._caller_index(tried, caller)
        shard = self._name_index(tried, name)[0] % CALLER_SHARDS
        await self._tx.execute("count_caller_attempt", index, shard, int(failed), now, lapsed_at)

    async def sum_caller_attempts(
        self, tried: Tried | Purpose, caller: str, lapsed_at: datetime
    ) -> CallerAttempts:
        """What a caller has tried that has not lapsed."""
        index = self._caller_index(tried, caller)
        row = await self._tx.fetchrow("sum_caller_attempts", index, lapsed_at)
        assert row is not None  # so does a sum
        return CallerAttempts(**row)

    async def forget_attempts(self, tried: Tried, name: str) -> None:
        """The right password was given."""
        await self._tx.execute("forget_login_attempts", self._name_index(tried, name))

    async def forget_attempts_of(self, account_id: UUID) -> None:
        """Whoever it is has proven to be the one whose login name it is."""
        await self._tx.execute("forget_attempts_of_account", account_id)

    async def return_attempt(self, tried: Tried, name: str) -> None:
        """An attempt whose password nobody has looked at."""
        await self._tx.execute("return_login_attempt", self._name_index(tried, name))

    async def delete_lapsed_attempts(self, lapsed_at: datetime) -> None:
        """Forget counts that begin anew anyway."""
        await self._tx.execute("delete_lapsed_attempts", lapsed_at)
        await self._tx.execute("delete_lapsed_caller_attempts", lapsed_at)

    async def lock_signing_keys(self) -> None:
        """Wait for other processes that are making a key, until the transaction ends."""
        await self._tx.execute("lock_signing_keys")

    async def insert_signing_key(self, key: StoredSigningKey) -> None:
        """Store a key, its private half encrypted."""
        private_enc = self._keys.encrypt(key.private_key, _key_context(key.key_id))
        await self._tx.execute(
            "insert_signing_key", key.key_id, private_enc, key.public_key, key.made_at
        )

    async def delete_signing_keys(self, key_ids: Sequence[str]) -> None:
        """Trust what these have signed no more."""
        await self._tx.execute("delete_signing_keys", list(key_ids))

    async def list_signing_keys(self) -> list[StoredSigningKey]:
        """Every key whose tokens are accepted, the newest first."""
        return [
            StoredSigningKey(
                row["key_id"],
                self._keys.decrypt(row["private_key_enc"], _key_context(row["key_id"])),
                row["public_key"],
                row["created_at"],
            )
            for row in await self._tx.fetch("list_signing_keys")
        ]

    def _document_index(self, document: Document) -> bytes:
        return self._keys.blind_index(document.person_key, "registration.document")

    def _account(self, row: Record) -> Account:
        account_id = row["account_id"]
        name, secret = row["login_name_enc"], row["second_factor_enc"]
        return Account(
            account_id=account_id,
            password_hash=row["password_hash"],
            role=row["role"],
            scope=row["scope"],
            must_change_password=row["must_change_password"],
            login_name=self._text(name, _login_name_context(account_id)) if name else "",
            second_factor=SecondFactor(
                self._text(secret, _second_factor_context(account_id)), row["second_factor_step"]
            )
            if secret
            else None,
            created_at=row["created_at"],
            disabled_at=row["disabled_at"],
        )

    def _text(self, sealed: bytes, context: str) -> str:
        return self._keys.decrypt(sealed, context).decode()

    def _caller_index(self, tried: Tried | Purpose, caller: str) -> bytes:
        return self._keys.blind_index(caller, f"registration.{tried}_caller")

    def _login_index(self, login_name: str) -> bytes:
        return self._name_index(Tried.LOGIN, login_name)

    def _name_index(self, tried: Tried | Purpose, name: str) -> bytes:
        return self._keys.blind_index(canonical(name), f"registration.{tried}")


def _login_name_context(account_id: UUID) -> str:
    return f"registration.account.login_name:{account_id}"


def _second_factor_context(account_id: UUID) -> str:
    return f"registration.account.second_factor:{account_id}"


def _key_context(key_id: str) -> str:
    return f"registration.signing_key:{key_id}"
