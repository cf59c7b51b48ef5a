"""What tickets say of a site is put right while people have seats there (DOMAIN section 5)."""

from dataclasses import dataclass
from typing import NamedTuple

from zikao_tickets.domain.printed_texts import FieldText, PrintedText


class SiteTexts(NamedTuple):
    """How a site is called, and where it lies."""

    name: str
    address: str


@dataclass(frozen=True)
class CorrectSite:
    """A site of a county is called otherwise, and why: an act of its office."""

    site_code: str
    texts: SiteTexts
    reason: str
    name = "correct_site"

    def printed(self) -> list[FieldText]:
        """What of it tickets will say."""
        return [
            FieldText("name", "名称", PrintedText("site_name-0", self.texts.name)),
            FieldText("address", "地址", PrintedText("site_address-0", self.texts.address)),
        ]
