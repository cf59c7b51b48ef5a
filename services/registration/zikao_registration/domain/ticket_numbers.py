"""Admission ticket numbers: lifelong, dense per county and session (DOMAIN section 3).

The format is a setting of the session: fields such as `{city:2}{county:2}{session:3}{serial:5}`
with their digits, and literal digits between them; 12 digits in all, as tickets and other
systems expect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zikao_kit.errors import DomainError

TICKET_NUMBER_DIGITS = 12
_FIELDS = ("city", "county", "session", "serial")
_TOKEN = re.compile(r"\{(?P<field>[a-z]+):(?P<digits>[1-9])\}|(?P<literal>[0-9]+)", re.ASCII)


class FormatInvalid(ValueError):  # noqa: N818 - says what is wrong
    """The format cannot make unique numbers; the text says why, in Chinese."""


@dataclass(frozen=True)
class NumberParts:
    """What a number says: `area` is city and county, without the province."""

    area: str
    session: str


class TicketNumberFormat:
    """Makes ticket numbers of one format. Raises FormatInvalid for a bad one."""

    def __init__(self, template: str) -> None:
        tokens = list(_TOKEN.finditer(template))
        if "".join(token[0] for token in tokens) != template:
            raise FormatInvalid(f"无法识别“{template}”")
        widths = [(token["field"], int(token["digits"])) for token in tokens if token["field"]]
        if sorted(name for name, _ in widths) != sorted(_FIELDS):
            raise FormatInvalid("city、county、session、serial四段应各出现一次")
        self._widths = dict(widths)
        if (self._widths["city"], self._widths["county"]) != (2, 2):
            raise FormatInvalid("city和county应为2位")
        self._tokens = [(token["field"], token["literal"] or "") for token in tokens]
        if self._digits != TICKET_NUMBER_DIGITS:
            raise FormatInvalid(f"准考证号应为{TICKET_NUMBER_DIGITS}位，此格式为{self._digits}位")

    @property
    def last_serial(self) -> int:
        """The greatest serial that fits; the first is 1."""
        return int(10 ** self._widths["serial"] - 1)

    def accepts_session(self, session_digits: str) -> bool:
        """Say whether the session's digits are as many as the format has."""
        return len(session_digits) == self._widths["session"]

    def make(self, county_code: str, session_digits: str, serial: int) -> str:
        """Return the number of a 6-digit county code; raises SERIALS_EXHAUSTED beyond the last."""
        if not 1 <= serial <= self.last_serial:
            raise DomainError("SERIALS_EXHAUSTED", county_code=county_code)
        values = {
            "city": county_code[2:4],
            "county": county_code[4:6],
            "session": session_digits,
            "serial": f"{serial:0{self._widths['serial']}}",
        }
        return "".join(values[field] if field else literal for field, literal in self._tokens)

    def read(self, number: str) -> NumberParts | None:
        """What a number of any session says; None for one of another format."""
        parts = {field: f"(?P<{field}>[0-9]{{{digits}}})" for field, digits in self._widths.items()}
        found = self._compiled(parts).fullmatch(number)
        return found and NumberParts(found["city"] + found["county"], found["session"])

    def pattern(self, session_digits: str) -> re.Pattern[str]:
        """What the numbers of a session look like."""
        parts = {field: f"[0-9]{{{digits}}}" for field, digits in self._widths.items()}
        return self._compiled(parts | {"session": session_digits})

    def _compiled(self, parts: dict[str, str]) -> re.Pattern[str]:
        return re.compile("".join(parts[f] if f else text for f, text in self._tokens), re.ASCII)

    @property
    def _digits(self) -> int:
        return sum(self._widths.values()) + sum(len(literal) for _, literal in self._tokens)


def is_earlier(session_digits: str, than: str) -> bool:
    """Say whether digits are of a session before another; both are of one format.

    They begin with the end of the year, so 981 comes before 221: of all that there may be, half
    lie before a session and half after it.
    """
    circle: int = 10 ** len(than)
    return 0 < (int(than) - int(session_digits)) % circle <= circle // 2
