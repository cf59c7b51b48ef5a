"""Whose account it is, and what its owner must do first (DOMAIN sections 3 and 7)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from zikao_registration.domain.documents import normalise
from zikao_registration.domain.second_factors import SecondFactor

CANDIDATE = "candidate"
INITIAL_PASSWORD_CHARACTERS = 6


@dataclass(frozen=True)
class Account:
    """Who logs in: a candidate's id is the account's. `login_name` is of staff only."""

    account_id: UUID
    # None: the initial password, which opens nothing but the choice of a new one.
    password_hash: str | None = field(repr=False)
    role: str
    scope: str
    must_change_password: bool = False
    login_name: str = field(default="", repr=False)
    second_factor: SecondFactor | None = None
    created_at: datetime | None = None
    disabled_at: datetime | None = None

    @property
    def is_staff(self) -> bool:
        """Whether it is an officer's or auditor's."""
        return self.role != CANDIDATE

    @property
    def candidate_ids(self) -> tuple[UUID, ...]:
        """The candidate whose account it is; nobody for staff."""
        return () if self.is_staff else (self.account_id,)

    @property
    def needs_password(self) -> bool:
        """Whether its owner must choose one before anything else."""
        return self.password_hash is None or self.must_change_password

    @property
    def has_second_factor(self) -> bool:
        """Whether one is set up: a password alone is not enough then."""
        return self.second_factor is not None and self.second_factor.is_confirmed


def is_initial_password(document_number: str, password: str) -> bool:
    """Say whether it is the last 6 characters of the number, however the X is written."""
    right = document_number[-INITIAL_PASSWORD_CHARACTERS:]
    return hmac.compare_digest(right.encode(), normalise(password).encode())
