"""Keeps the keys of access tokens in memory what they are in the database."""

from zikao_registration.commands.load_signing_keys import load_signing_keys
from zikao_registration.domain.signing_keys import SigningRotation
from zikao_registration.parts import Parts


class SigningKeyWorker:
    """A key that another process made is trusted, and a deleted one refused, within a poll.

    A new one is made when the newest has had its time (`SigningRotation`), by whoever looks first.
    """

    def __init__(self, parts: Parts, rotation: SigningRotation) -> None:
        self._parts = parts
        self._rotation = rotation

    async def work(self) -> bool:
        """Look at the keys; always False: there is never more at once."""
        async with self._parts.db.transaction() as tx:
            accounts, now = self._parts.accounts(tx), self._parts.clock.now()
            keys = await load_signing_keys(accounts, now, self._rotation)
        self._parts.tokens.use(keys)
        return False
