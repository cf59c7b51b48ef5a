"""How people in China read a moment: all of China reads one clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")


def readable(moment: datetime) -> str:
    """The moment as people read it: "2022年2月28日09:00"."""
    return f"{moment.astimezone(CHINA):%Y年%-m月%-d日%H:%M}"


def start_of_day(moment: datetime) -> datetime:
    """The midnight that the moment's day in China began with."""
    return moment.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
