"""What each error of the database means to a caller."""

from __future__ import annotations

import asyncpg
import pytest
from zikao_kit.db_errors import (
    ConstraintViolated,
    DatabaseUnavailable,
    TransactionConflict,
    translated,
)

UNAVAILABLE = [
    asyncpg.ConnectionDoesNotExistError("gone"),
    asyncpg.TooManyConnectionsError("full"),
    asyncpg.DiskFullError("full"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.AdminShutdownError("shut down"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.ReadOnlySQLTransactionError("no longer the primary"),
    asyncpg.IdleInTransactionSessionTimeoutError("too long"),
    asyncpg.LockNotAvailableError("lock timeout"),
    asyncpg.InternalClientError("the connection is being ended"),
    ConnectionResetError(),
    TimeoutError(),
]
CONFLICTS = [
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("serialization"),
    asyncpg.InvalidCachedStatementError("outdated plan"),
]
FAULTS = [
    asyncpg.UndefinedTableError("no such table"),
    asyncpg.InsufficientPrivilegeError("not allowed"),
    asyncpg.NotNullViolationError("a value is missing"),
    asyncpg.DivisionByZeroError("by zero"),
    asyncpg.DataError("not a uuid"),
    asyncpg.InterfaceError("another operation is in progress"),
    KeyError("no query of that name"),
]
BROKEN_RULES = [
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.CheckViolationError,
    asyncpg.ExclusionViolationError,
]


@pytest.mark.parametrize("error", UNAVAILABLE, ids=repr)
def test_what_passes_by_itself_is_unavailable(error: Exception) -> None:
    """The caller may come again; it is not for us to run it again at once."""
    assert type(translated(error, connection_closed=False)) is DatabaseUnavailable


@pytest.mark.parametrize("error", CONFLICTS, ids=repr)
def test_what_was_undone_for_others_is_a_conflict(error: Exception) -> None:
    """Running it again at once is right."""
    assert type(translated(error, connection_closed=False)) is TransactionConflict


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_faults_of_the_code_stay_what_they_are(error: Exception) -> None:
    """They become INTERNAL and are logged with their cause: trying again would not help."""
    assert translated(error, connection_closed=False) is None


def test_a_call_on_a_closed_connection_is_unavailable() -> None:
    """The driver's complaint about a connection that was lost is no fault of the code."""
    error = asyncpg.InterfaceError("connection is closed")
    assert type(translated(error, connection_closed=True)) is DatabaseUnavailable


@pytest.mark.parametrize("kind", BROKEN_RULES)
def test_a_rule_of_the_schema_is_known_by_its_name(kind: type[asyncpg.PostgresError]) -> None:
    """The constraint's and table's names are kept; the values, which may be personal, are not."""
    error = kind.new({"C": kind.sqlstate, "M": "Key (name)=(王芳)", "n": "the_rule", "t": "person"})
    ours = translated(error, connection_closed=False)
    assert isinstance(ours, ConstraintViolated)
    assert (ours.constraint, ours.table) == ("the_rule", "person")
    assert str(ours) == "the_rule on person"
