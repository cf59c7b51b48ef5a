"""How people in China read a moment: all of China reads one clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")


def readable(moment: datetime) -> str:
    """The moment as people read it: "2022年2月28日09:00"."""
    return f"{moment.astimezone(CHINA):%Y年%-m月%-d日%H:%M}"
