"""What an administrator's URL says about the database to use."""

from __future__ import annotations

import pytest
from zikao_ctl.database_server import ForeignServer
from zikao_ctl.layout import InstallationError


@pytest.mark.parametrize(
    ("path", "database"),
    [("", "zikao"), ("/", "zikao"), ("/postgres", "zikao"), ("/exam", "exam"), ("/a%20b", "a b")],
)
def test_the_url_names_the_database(path: str, database: str) -> None:
    """What is not named, or is PostgreSQL's own, becomes zikao."""
    server = ForeignServer(f"postgresql://admin:secret@db.example:5432{path}?sslmode=require")
    assert server.database == database
    assert server.address == "postgresql://admin:secret@db.example:5432/postgres?sslmode=require"


def test_the_identity_has_no_secret() -> None:
    """What is remembered of a database on disk and said in errors is not the password."""
    server = ForeignServer("postgresql://admin:secret@db.example:5432/exam")
    assert server.identity == "db.example:5432/exam"


def test_what_is_no_url_is_refused() -> None:
    """The error shows the form that is expected."""
    with pytest.raises(InstallationError, match="postgresql://USER"):
        ForeignServer("db.example:5432")
