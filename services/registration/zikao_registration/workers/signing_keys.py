"""Keeps the keys of access tokens in memory what they are in the database."""

from zikao_registration.commands.load_signing_keys import load_signing_keys
from zikao_registration.parts import Parts


class SigningKeyWorker:
    """A key that another process made is trusted, and a deleted one refused, within a poll."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Look at the keys; always False: there is never more at once."""
        async with self._parts.db.transaction() as tx:
            keys = await load_signing_keys(self._parts.accounts(tx), self._parts.clock.now())
        self._parts.tokens.use(keys)
        return False
