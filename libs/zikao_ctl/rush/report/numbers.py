"""Numbers as people read them."""

from __future__ import annotations

from datetime import datetime

from zikao_kit.china_time import CHINA

_SMALL = 10
# A number and its unit stay in one line.
_SPACE = "\N{NO-BREAK SPACE}"
_WAN = 10_000


def whole(number: float) -> str:
    """12,345."""
    return f"{number:,.0f}"


def figure(number: float) -> str:
    """As many digits as matter: 12,345; 61.2; 3.85; 0.8996; 0."""
    if number == round(number) or abs(number) >= 10 * _SMALL:
        return whole(number)
    if abs(number) >= 1:
        return f"{round(number, 1 if abs(number) >= _SMALL else 2):g}"
    return f"{number:.4g}"


def share(number: float, digits: int = 2) -> str:
    """81.53%; what is not all or nothing is never rounded to it."""
    percent = number * 100
    if percent in (0, 100):
        return f"{percent:.0f}%"
    least = 10**-digits
    shown = min(max(percent, least), 100 - least) if 0 < percent < 100 else percent
    return f"{round(shown, digits):.10g}%"


def milliseconds(number: float) -> str:
    """61 毫秒; 2.4 秒."""
    if number < 1000:
        return f"{figure(round(number, 1))}{_SPACE}毫秒"
    return f"{number / 1000:.1f}{_SPACE}秒"


def seconds(number: float) -> str:
    """1.9 秒; 2分48秒."""
    if number < 60:
        return f"{round(number, 1):g}{_SPACE}秒"
    return f"{int(number // 60)}分{number % 60:.0f}秒"


def moment(at: float) -> str:
    """Seconds since the opening."""
    if at < 0:
        return f"开放前{-at:g}秒"
    return f"第{at:g}秒"


def people(number: float) -> str:
    """10万; 8,500."""
    if number >= _WAN and number % 1000 == 0:
        return f"{number / _WAN:g}万"
    return whole(number)


def when(iso: str) -> str:
    """An instant of ISO 8601 in China."""
    return datetime.fromisoformat(iso).astimezone(CHINA).strftime("%Y年%m月%d日 %H:%M")
