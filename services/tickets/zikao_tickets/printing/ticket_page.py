"""A ticket on its page: the form of its session, and in its places what is the candidate's own."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime

from zikao_tickets.printing.fitting import Fitting
from zikao_tickets.printing.forms import Form
from zikao_tickets.printing.glyph_image import glyph_object
from zikao_tickets.printing.pdf.canvas import Canvas
from zikao_tickets.printing.pdf.document import Part
from zikao_tickets.printing.pdf.images import jpeg_header, jpeg_object
from zikao_tickets.printing.pdf.lines import FaceStack
from zikao_tickets.printing.qr import qr_object
from zikao_tickets.printing.sheet import SittingLine, TicketSheet

PHOTO, QR = "photo", "qr"
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
    yield "footer_number", f"准考证号 {sheet.ticket_number}"
    yield "footer_serial", f"流水号 {sheet.serial}"
    yield "footer_version", f"第 {sheet.version} 版"


def printed_time(moment: datetime) -> str:
    """A moment as the ticket shows it, in whole seconds."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


class TicketPages:
    """Draws tickets with one stack of faces."""

    def __init__(self, stack: FaceStack) -> None:
        self._stack = stack
        self._fitting = Fitting(stack)

    def draw(self, part: Part, form: Form, key: str, sheet: TicketSheet) -> None:
        """Add the sheet's page. Raises TextTooLong and UnusablePhoto, with nothing added."""
        canvas = Canvas()
        texts = [
            (form.boxes[name], self._fitting.fit(text, form.boxes[name]))
            for name, text in place_texts(sheet)
        ]
        jpeg = sheet.photo_jpeg
        photo = jpeg_object(jpeg) if jpeg is not None else b""
        canvas.form(part.form(key, form.drawing))
        if jpeg is not None:
            header, box = jpeg_header(jpeg), form.boxes[PHOTO]
            shape = header.width / header.height
            canvas.draw_cut(part.add(photo), (box.x, box.y, box.width, box.height), shape)
        box = form.boxes[QR]
        canvas.draw(part.add(qr_object(sheet.qr_text)), box.x, box.y, box.width, box.height)
        images = {char: part.add(glyph_object(png)) for char, png in sheet.glyph_images}
        for box, fitted in texts:
            for text, baseline in zip(fitted.lines, fitted.baselines(box), strict=True):
                line = self._stack.line(text, box.font)
                left = box.x + box.align * (box.width - line.width * fitted.size / 1000)
                canvas.text(left, baseline, line, fitted.size, images)
        part.page(canvas)
