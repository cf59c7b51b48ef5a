"""Every named query can be prepared on the schema it is for, as the service's own role."""

from __future__ import annotations

import re

import asyncpg
import pytest
from support.migration_pairs import unprepared
from support.schemas import QUERIED_TABLES, SERVICES
from support.service_databases import MakeDatabase, package_of
from zikao_kit.queries import Queries, kit_queries

# Asks the server what runs, and no table.
OF_THE_SERVER = {"oldest_transaction"}


async def unprepared_in(dsn: str, queries: Queries, names: list[str]) -> dict[str, str]:
    """What is wrong with those that cannot be prepared in a database."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": ""})
    try:
        return await unprepared(connection, {name: queries[name] for name in names})
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_query_of_a_service_prepares(make_database: MakeDatabase, service: str) -> None:
    """Tables, columns, types and rights are there for each of them, without a search path."""
    queries = Queries.load(package_of(service))
    assert queries.names() != []
    assert await unprepared_in(await make_database(service), queries, queries.names()) == {}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_kits_queries_prepare_on_a_services_tables(
    make_database: MakeDatabase, service: str
) -> None:
    """Of the kit's queries those on the tables that the service has."""
    queries = kit_queries(service)
    tables = {
        name: set(re.findall(rf"\b{service}\.(\w+)", queries[name])) for name in queries.names()
    }
    assert {name for name, needed in tables.items() if not needed} == OF_THE_SERVER
    usable = [name for name, needed in tables.items() if needed <= QUERIED_TABLES[service]]
    assert {table for name in usable for table in tables[name]} == QUERIED_TABLES[service]
    assert await unprepared_in(await make_database(service), queries, usable) == {}


async def test_a_query_that_does_not_fit_is_seen(make_database: MakeDatabase) -> None:
    """Negative control: a column that is not there is found without running the query."""
    queries = Queries("test", {"wrong": "SELECT nothing FROM probe.account"})
    wrong = await unprepared_in(await make_database("probe"), queries, ["wrong"])
    assert "nothing" in wrong["wrong"]
