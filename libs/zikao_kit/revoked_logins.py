"""Logins that have ended before their tokens did: those tokens are refused everywhere.

revoked = RevokedLogins(clock)
keeper = RevocationKeeper(registration.revoked_logins, revoked)
running(repeat("revoked logins", keeper.work, config.poll_seconds))
serve(..., verifier=TokenVerifier(trusted.get, clock, revoked))

A login is remembered until the last of its access tokens has ended by itself: two hours of
people who log out are all there is to remember. After a restart they are asked for anew; until
then, while the issuer is away, the tokens of who had logged out before it count again.

Cursors speak of the cluster's transaction ids, as a feed's do (`zikao_kit.feed`). After a restore
of registration by pg_dump into another cluster, before it starts:
`UPDATE registration.login SET revoked_xid = '3' WHERE revoked_xid IS NOT NULL`, and restart the
services that verify tokens. Those whose cursors are ahead of the new cluster begin anew by
themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.clock import Clock

# Forgetting looks at every one: not at every page.
FORGET_INTERVAL_SECONDS = 60


class RevokedLogins:
    """Whose tokens are refused now, by login id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_at: dict[str, datetime] = {}
        self._forget_at = clock.now()

    def __contains__(self, login_id: str) -> bool:
        """Say whether the login was revoked."""
        return login_id in self._ends_at

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._ends_at)

    def add(self, ends_at: Mapping[str, datetime]) -> None:
        """Refuse the tokens of these logins from now on; each until its last token has ended."""
        self._ends_at.update(ends_at)
        now = self._clock.now()
        if abs((now - self._forget_at).total_seconds()) >= FORGET_INTERVAL_SECONDS:
            self._forget_at = now
            self._ends_at = {each: end for each, end in self._ends_at.items() if end > now}


@dataclass(frozen=True)
class RevokedPage:
    """Some logins that were revoked after a cursor, with the end of their last token."""

    ends_at: Mapping[str, datetime]
    cursor: str
    more: bool


Fetch = Callable[[str], Awaitable[RevokedPage]]


class RevocationKeeper:
    """Asks the issuer for what it has revoked since the last time."""

    def __init__(self, fetch: Fetch, revoked: RevokedLogins) -> None:
        """`fetch` returns what comes after a cursor; '' is the beginning."""
        self._fetch = fetch
        self._revoked = revoked
        self._cursor = ""
        self._turn = asyncio.Lock()

    async def work(self) -> bool:
        """Ask once; True when there is more."""
        async with self._turn:  # the poll, and who has just revoked something
            page = await self._fetch(self._cursor)
            self._revoked.add(page.ends_at)
            self._cursor = page.cursor
        return page.more
