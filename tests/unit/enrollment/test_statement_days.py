"""Who sums up a day, and how many at once."""

from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from zikao_enrollment.money.statement_days import StatementDays
from zikao_kit.errors import DomainError

NOTHING = cast(Any, None)


async def test_one_officer_takes_one_place() -> None:
    """A second sum of the same officer is sent away, another officer's has its place; then none."""
    desk = StatementDays(NOTHING, NOTHING, ZoneInfo("Asia/Shanghai"))
    async with desk.summing("first"):
        with pytest.raises(DomainError) as refused:
            async with desk.summing("first"):
                pass
        assert refused.value.reason == "OVERLOADED"
        async with desk.summing("second"):
            with pytest.raises(DomainError):
                async with desk.summing("third"):
                    pass
    async with desk.summing("first"):
        pass
