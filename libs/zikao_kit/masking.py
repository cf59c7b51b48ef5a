"""Personal data as lists show it: enough to recognise, too little to use (DOMAIN section 7)."""

from __future__ import annotations

_STARS = "****"
# Of numbers with an address and a birth date: the address and the last four stay.
_LONG_NUMBER_CHARACTERS = 15
_LONG_HEAD, _LONG_TAIL, _SHORT_SHOWN = 6, 4, 2
_MOBILE_HEAD, _MOBILE_TAIL = 3, 4


def mask_name(name: str) -> str:
    """The first character, and always four stars: `阿****`; empty stays empty."""
    return name[:1] + _STARS if name else ""


def mask_document(number: str) -> str:
    """`510000********0011`; of short numbers two characters at each end, `H1*****78`."""
    if len(number) >= _LONG_NUMBER_CHARACTERS:
        return _middle_hidden(number, _LONG_HEAD, _LONG_TAIL)
    return _middle_hidden(number, _SHORT_SHOWN, _SHORT_SHOWN)


def mask_mobile(mobile: str) -> str:
    """`138****5678`."""
    return _middle_hidden(mobile, _MOBILE_HEAD, _MOBILE_TAIL)


def _middle_hidden(text: str, head: int, tail: int) -> str:
    """All stars where nothing would be hidden."""
    hidden = len(text) - head - tail
    if hidden < min(head, tail):
        return "*" * len(text)
    return text[:head] + "*" * hidden + text[-tail:]
