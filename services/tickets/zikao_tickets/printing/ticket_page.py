"""A ticket on its page: the form of its session, and in its places what is the candidate's own."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime

from zikao_tickets.printing.fitting import Box, Fitted, Fitting, TextTooLong
from zikao_tickets.printing.forms import Form
from zikao_tickets.printing.glyph_image import glyph_object
from zikao_tickets.printing.pdf.canvas import Canvas
from zikao_tickets.printing.pdf.document import Part
from zikao_tickets.printing.pdf.images import jpeg_header, jpeg_object
from zikao_tickets.printing.pdf.lines import FaceStack
from zikao_tickets.printing.qr import qr_object
from zikao_tickets.printing.sheet import SittingLine, TicketSheet

PHOTO, QR = "photo", "qr"
NO_PHOTO = "贴照片处"
"""Stands where the photo of a temporary ticket is to be stuck."""
_NO_PHOTO_POINTS = 10.0
_EM = 1000
_SITTING_PARTS = tuple(field.name for field in fields(SittingLine))


def place_texts(sheet: TicketSheet) -> Iterator[tuple[str, str]]:
    """Every place of the form with the text that goes there."""
    for name in ("name", "sex", "ticket_number", "document_number", "county_name", "session_code"):
        yield name, getattr(sheet, name)
    for row, sitting in enumerate(sheet.sittings):
        for name in _SITTING_PARTS:
            yield f"{name}-{row}", getattr(sitting, name)
    yield "serial", sheet.serial
    yield "issued_at", printed_time(sheet.issued_at)
    yield "version", f"第 {sheet.version} 版"
    yield "issuer", f"{sheet.county_name}招考机构"


def printed_time(moment: datetime) -> str:
    """A moment as the ticket shows it, in whole seconds."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


class TicketPages:
    """Draws tickets with one stack of faces."""

    def __init__(self, stack: FaceStack) -> None:
        self._stack = stack
        self._fitting = Fitting(stack)

    def fits(self, text: str, box: Box) -> bool:
        """Whether the text can stand in the box, in some size."""
        try:
            self._fitting.fit(text, box)
        except TextTooLong:
            return False
        return True

    def draw(self, part: Part, form: Form, key: str, sheet: TicketSheet) -> None:
        """Add the sheet's page. Raises TextTooLong and UnusablePhoto, with nothing added."""
        canvas = Canvas()
        texts = [
            (form.boxes[name], self._fitting.fit(text, form.boxes[name]))
            for name, text in place_texts(sheet)
        ]
        photo = jpeg_object(sheet.photo_jpeg) if sheet.photo_jpeg is not None else None
        canvas.form(part.form(key, form.drawing))
        if sheet.photo_jpeg is not None and photo is not None:
            box, header = form.boxes[PHOTO], jpeg_header(sheet.photo_jpeg)
            shape = header.width / header.height
            canvas.draw_cut(part.add(photo), (box.x, box.y, box.width, box.height), shape)
        else:
            box = form.boxes[PHOTO]._replace(size=_NO_PHOTO_POINTS, align=0.5)
            texts.append((box, self._fitting.fit(NO_PHOTO, box)))
        box = form.boxes[QR]
        canvas.draw(part.add(qr_object(sheet.qr_text)), box.x, box.y, box.width, box.height)
        images = {char: part.add(glyph_object(png)) for char, png in sheet.glyph_images}
        for box, fitted in texts:
            self._write(canvas, box, fitted, images)
        part.page(canvas)

    def _write(self, canvas: Canvas, box: Box, fitted: Fitted, images: Mapping[str, int]) -> None:
        for text, baseline in zip(fitted.lines, fitted.baselines(box), strict=True):
            line = self._stack.line(text, box.font)
            left = box.x + box.align * (box.width - line.width * fitted.size / _EM)
            canvas.text(left, baseline, line, fitted.size, images)
