"""Between protobuf, SQL and Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from zikao.options.v1.options_pb2 import Role
from zikao_kit.columns import columns
from zikao_kit.convert import enum_from_pb, enum_to_pb, time_from_pb, time_to_pb


def test_a_time_goes_there_and_back() -> None:
    """To the microsecond, and in UTC whatever zone it came in."""
    china = datetime(2022, 2, 28, 9, 0, 0, 123456, timezone(timedelta(hours=8)))
    assert time_from_pb(time_to_pb(china)) == china
    assert time_from_pb(time_to_pb(china)).tzinfo is UTC


def test_an_enum_goes_there_and_back() -> None:
    """As the lower-case text of the domain; unspecified is nothing."""
    number = enum_to_pb(Role, "ROLE_", "county_officer")
    assert number == Role.ROLE_COUNTY_OFFICER
    assert enum_from_pb(Role, "ROLE_", number) == "county_officer"
    assert enum_to_pb(Role, "ROLE_", None) == enum_to_pb(Role, "ROLE_", "unspecified") == 0


def test_what_the_contract_does_not_know_is_no_value_of_it() -> None:
    """A typing error or a newer enum value is never taken for another one."""
    with pytest.raises(ValueError, match="ROLE_KING"):
        enum_to_pb(Role, "ROLE_", "king")
    with pytest.raises(ValueError, match="99"):
        enum_from_pb(Role, "ROLE_", 99)


def test_rows_become_one_list_a_column() -> None:
    """In the order of the rows; and for no rows as many lists, or `unnest` would lack one."""
    assert columns([("a", 1), ("b", 2)], 2) == [["a", "b"], [1, 2]]
    assert columns([], 3) == [[], [], []]
    with pytest.raises(ValueError, match="2 values instead of 3"):
        columns([("a", 1)], 3)
    with pytest.raises(ValueError, match="zip"):
        columns([("a", 1), ("b",)], 2)
