"""What can go wrong with the database, in the words of the rest of the code.

Commands know neither asyncpg nor SQLSTATE: they see a rule of the schema that
said no (`ConstraintViolated`), or that it cannot be had now (`DatabaseUnavailable`,
a `DomainError`, so that callers get UNAVAILABLE and may come again).
"""

from __future__ import annotations

import asyncpg

from zikao_kit.comeback import jittered
from zikao_kit.errors import UNAVAILABLE, DomainError

# All who were there when it went away are not to be there again in one and the same moment.
RETRY_AFTER_SECONDS = 1.0

# SQLSTATE classes and codes after which the same work may succeed a little later.
_UNAVAILABLE_CLASSES = (
    "08",  # the connection
    "53",  # memory, disk, connections
    "57",  # shut down, starting up, cancelled by statement_timeout
)
_UNAVAILABLE_STATES = frozenset(
    {
        "25006",  # read only: still connected to what was the primary
        "25P03",  # idle in transaction for too long
        "25P04",  # transaction_timeout
        "55P03",  # lock_timeout
    }
)
# PostgreSQL has undone the transaction; running it again is right.
_CONFLICT_STATES = frozenset({"40001", "40P01"})
# Foreign key, unique, check, exclusion. NOT NULL has no name and is a fault of the code.
_CONSTRAINT_STATES = frozenset({"23503", "23505", "23514", "23P01"})


class DatabaseUnavailable(DomainError):  # noqa: N818 - it is what happened
    """The database cannot do it now; nothing was changed, the call is safe to repeat."""

    def __init__(self) -> None:
        super().__init__(UNAVAILABLE, retry_after=jittered(RETRY_AFTER_SECONDS))


class TransactionConflict(DatabaseUnavailable):
    """Deadlock, serialization failure or outdated plan: undone as a whole, run it again."""


class CommitInDoubt(DatabaseUnavailable):
    """The connection was lost at COMMIT: it may or may not have happened."""


class ConstraintViolated(Exception):  # noqa: N818 - it is what happened
    """A unique key, foreign key, check or exclusion of the schema refused a row.

    After it the transaction is lost. The text says no values: they may be personal data.
    """

    def __init__(self, constraint: str, table: str) -> None:
        super().__init__(f"{constraint} on {table}")
        self.constraint = constraint
        self.table = table


def translated(error: BaseException, *, connection_closed: bool) -> Exception | None:
    """Return what to raise in place of a driver's error; None to let it pass as a fault."""
    match error:
        case asyncpg.InvalidCachedStatementError() | asyncpg.OutdatedSchemaCacheError():
            # A migration changed a table below a prepared statement; asyncpg has forgotten it now.
            return TransactionConflict()
        case asyncpg.PostgresError():
            return _translated_state(error)
        case OSError():  # TimeoutError is one
            return DatabaseUnavailable()
        case asyncpg.InterfaceError() if connection_closed:
            return DatabaseUnavailable()
        case asyncpg.InternalClientError():
            # The server has said that it ends the connection; its end has not been read yet.
            return DatabaseUnavailable()
    return None


def _translated_state(error: asyncpg.PostgresError) -> Exception | None:
    state = error.sqlstate or ""
    if state in _CONFLICT_STATES:
        return TransactionConflict()
    if state in _UNAVAILABLE_STATES or state[:2] in _UNAVAILABLE_CLASSES:
        return DatabaseUnavailable()
    if state in _CONSTRAINT_STATES:
        return ConstraintViolated(error.constraint_name or "", error.table_name or "")
    return None
