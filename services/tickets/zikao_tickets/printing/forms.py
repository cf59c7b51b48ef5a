"""The form of a ticket: what all tickets of a session share, set once by the typesetter."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, cast

import typst

from zikao_tickets.printing.fitting import Box
from zikao_tickets.printing.fonts import FontStack
from zikao_tickets.printing.pdf.imported import ImportedForm, import_page
from zikao_tickets.printing.sheet import TicketSheet

TEMPLATE_FILE_NAME = "template.typ"
# A session has a form for each number of courses, regular and temporary.
_FORMS_KEPT = 32
_NAME_DIGITS = 16
_NOTICE_OVERFLOW = "notice-overflow"


class NoticeTooLong(ValueError):  # noqa: N818 - says what is wrong
    """The notice does not fit beside so many courses, even in the smallest type."""


@dataclass(frozen=True)
class FormKey:
    """What a form depends on."""

    session_name: str
    title: str
    rows: int
    notice: tuple[str, ...]
    notice_version: str

    @classmethod
    def of(cls, sheet: TicketSheet) -> "FormKey":
        """The form that a sheet is printed on."""
        return cls(
            session_name=sheet.session_name,
            title=sheet.title,
            rows=len(sheet.sittings),
            notice=sheet.notice,
            notice_version=sheet.notice_version,
        )

    @property
    def name(self) -> str:
        """What tells a form from all others: parts of a document are made by many processes."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:_NAME_DIGITS]


@dataclass(frozen=True)
class Form:
    """A form, and the places of what is not on it."""

    drawing: ImportedForm
    boxes: Mapping[str, Box]


class Forms:
    """Makes forms, each once."""

    def __init__(self, stack: FontStack) -> None:
        """Read the template."""
        self._stack = stack
        self.get = lru_cache(maxsize=_FORMS_KEPT)(self._make)

    def files(self, key: FormKey, *, filled: bool) -> dict[str, bytes]:
        """What the typesetter reads; when filled, values.json and the images are to be added."""
        data = {
            "filled": filled,
            "fonts": self._stack.heading_families(),
            "session_name": key.session_name,
            "title": key.title,
            "rows": key.rows,
            "notice": key.notice,
            "notice_version": key.notice_version,
        }
        template = resources.files(__package__).joinpath(TEMPLATE_FILE_NAME).read_bytes()
        return {"main.typ": template, "form.json": json.dumps(data).encode()}

    def _make(self, key: FormKey) -> Form:
        """Set the form: about 100 ms. Raises NoticeTooLong."""
        files = cast(bytes, self.files(key, filled=False))  # the stubs know no dict of files
        fonts: dict[str, Any] = {
            "font_paths": self._stack.typst_fonts,
            "ignore_system_fonts": True,
        }
        try:
            pdf = typst.compile(files, pdf_tags=False, **fonts)
            places = typst.query(files, "<place>", field="value", **fonts)
        except typst.TypstError as error:
            raise (NoticeTooLong() if _NOTICE_OVERFLOW in str(error) else error) from error
        return Form(
            import_page(pdf), {place.pop("name"): Box(**place) for place in json.loads(places)}
        )
