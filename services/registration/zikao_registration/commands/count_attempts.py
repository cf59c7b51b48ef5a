"""Count attempts at a password before it is looked at, and judge them afterwards.

The attempt is counted, and that committed, before the verdict: guesses in parallel are not
free, and neither a restart nor another process forgets them. The caller's count, which many
share, is read before and written once, when the attempt has been judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from zikao_registration.domain.logins import LoginLimit, Tried
from zikao_registration.stores.accounts import AccountStore


class Verdict(Enum):
    """What became of an attempt. HALF: a right password without the code it needs."""

    RIGHT = auto()
    HALF = auto()
    WRONG = auto()


@dataclass(frozen=True)
class Attempt:
    """Somebody tries a password of `name` through a caller."""

    limit: LoginLimit
    tried: Tried
    name: str
    caller: str
    now: datetime

    async def count(self, accounts: AccountStore) -> None:
        """Count it for the name; raises LOGIN_LOCKED."""
        lapsed_at = self.limit.lapsed_at(self.now)
        attempts, first_at = await accounts.count_attempt(
            self.tried, self.name, self.now, lapsed_at
        )
        self.limit.require_name(attempts, first_at, self.now)
        counted = await accounts.sum_caller_attempts(self.tried, self.caller, lapsed_at)
        self.limit.require_caller(counted, self.now)

    async def judge(self, accounts: AccountStore, verdict: Verdict) -> None:
        """Count it for the caller; a right one clears the name. Others wait for the caller's row.

        Half of a proof clears nothing: who has the password could try codes without an end.
        """
        if verdict is Verdict.RIGHT:
            await accounts.forget_attempts(self.tried, self.name)
        await accounts.count_caller_attempt(
            self.tried,
            self.caller,
            self.name,
            failed=verdict is Verdict.WRONG,
            now=self.now,
            lapsed_at=self.limit.lapsed_at(self.now),
        )

    async def give_back(self, accounts: AccountStore) -> None:
        """Nobody has looked at the password: it does not count."""
        await accounts.return_attempt(self.tried, self.name)
