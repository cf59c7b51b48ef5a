"""The ticket's page as ReportLab draws it: same fonts, boxes, photos and codes.

What is the same on all pages is a form here, too. ReportLab reads TrueType outlines only, so the
characters that are needed are converted, once and outside of what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from io import BytesIO
from pathlib import Path

import reportlab.rl_config
import segno
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont as ReportLabFont
from reportlab.pdfgen.canvas import Canvas
from zikao_tickets.printing.fitting import Box, Fitting
from zikao_tickets.printing.fonts import FontFile, FontStack
from zikao_tickets.printing.forms import Form, FormKey, Forms
from zikao_tickets.printing.pdf.canvas import A4_HEIGHT, A4_WIDTH
from zikao_tickets.printing.qr import ERROR_LEVEL, MASK, QUIET_ZONE_MODULES
from zikao_tickets.printing.sheet import TicketSheet
from zikao_tickets.printing.ticket_page import place_texts

_FONTS = {"heading": "Heading"}
_MAX_ERROR_UNITS = 1.0
_LEVELS = bytes.maketrans(b"\x00\x01", b"\xff\x00")
_NOTICE_POINTS, _LEADING_POINTS = 10.5, 16.0
_LABELS = "姓名性别准考证号证件号码报考县区考次考试时间课程代码及名称考点名称及地址考场座位"


class ReportLabTickets:
    """Draws tickets into one document."""

    def __init__(self, stack: FontStack, folder: Path, sheets: Iterable[TicketSheet]) -> None:
        self._forms, self._fitting = Forms(stack), Fitting(stack.faces)
        self._texts = {text for sheet in sheets for text in _all_texts(sheet)}
        path = folder / "heading.ttf"
        _convert(stack.heading, self._characters, path)
        pdfmetrics.registerFont(ReportLabFont(_FONTS["heading"], str(path)))
        reportlab.rl_config.useA85 = 0

    @cached_property
    def _characters(self) -> set[str]:
        return {char for text in self._texts for char in text} | set(_LABELS)

    def render(self, sheets: Iterable[TicketSheet]) -> bytes:
        """One document, a page a sheet."""
        out = BytesIO()
        canvas = Canvas(out, pagesize=(A4_WIDTH, A4_HEIGHT), pageCompression=1)
        drawn: set[str] = set()
        for sheet in sheets:
            key = FormKey.of(sheet)
            form = self._forms.get(key)
            if key.name not in drawn:
                drawn.add(key.name)
                self._draw_form(canvas, key, form)
            canvas.doForm(_form_name(key))
            self._draw_own(canvas, form, sheet)
            canvas.showPage()
        canvas.save()
        return out.getvalue()

    def _draw_form(self, canvas: Canvas, key: FormKey, form: Form) -> None:
        """Lines, labels and the notice, about where they are."""
        canvas.beginForm(_form_name(key))
        canvas.setFont(_FONTS["heading"], 23)
        canvas.drawCentredString(A4_WIDTH / 2, A4_HEIGHT - 75, key.title)
        canvas.setFont(_FONTS["heading"], 10)
        for name, box in form.boxes.items():
            canvas.rect(box.x, A4_HEIGHT - box.y - box.height, box.width, box.height)
            canvas.drawString(box.x, A4_HEIGHT - box.y, _LABELS[len(name) % 20 :][:4])
        canvas.setFont(_FONTS["heading"], _NOTICE_POINTS)
        for number, paragraph in enumerate(key.notice):
            canvas.drawString(52, 330 - number * _LEADING_POINTS, paragraph)
        canvas.endForm()

    def _draw_own(self, canvas: Canvas, form: Form, sheet: TicketSheet) -> None:
        for name, text in place_texts(sheet):
            box = form.boxes[name]
            fitted = self._fitting.fit(text, box)
            canvas.setFont(_FONTS[box.font], fitted.size)
            for line, baseline in zip(fitted.lines, fitted.baselines(box), strict=True):
                width = pdfmetrics.stringWidth(line, _FONTS[box.font], fitted.size)
                left = box.x + box.align * (box.width - width)
                canvas.drawString(left, A4_HEIGHT - baseline, line)
        assert sheet.photo_jpeg is not None
        _draw(canvas, ImageReader(BytesIO(sheet.photo_jpeg)), form.boxes["photo"])
        _draw(canvas, ImageReader(_code(sheet.qr_text)), form.boxes["qr"])


def _form_name(key: FormKey) -> str:
    return f"form{key.rows}"


def _draw(canvas: Canvas, image: ImageReader, box: Box) -> None:
    canvas.drawImage(image, box.x, A4_HEIGHT - box.y - box.height, box.width, box.height)


def _code(text: str) -> Image.Image:
    """A pixel a module: the smallest image that ReportLab can be given."""
    code = segno.make(text, error=ERROR_LEVEL, boost_error=True, micro=False, mask=MASK)
    side = len(code.matrix)
    white = bytes.maketrans(b"\x00\x01", b"\xff\x00")
    symbol = Image.frombytes(
        "L", (side, side), b"".join(bytes(row) for row in code.matrix).translate(white)
    )
    framed = Image.new("L", (side + 2 * QUIET_ZONE_MODULES,) * 2, 255)
    framed.paste(symbol, (QUIET_ZONE_MODULES, QUIET_ZONE_MODULES))
    return framed


def _all_texts(sheet: TicketSheet) -> Iterable[str]:
    yield from sheet.texts()
    yield from (text for _, text in place_texts(sheet))


def _convert(file: FontFile, characters: set[str], path: Path) -> None:
    """Write a TrueType font with the outlines of these characters."""
    with TTFont(file.path, fontNumber=file.index, lazy=True) as font:
        cmap, glyphs = font.getBestCmap(), font.getGlyphSet()
        names = {ord(char): cmap[ord(char)] for char in characters if ord(char) in cmap}
        outlines, metrics = {}, {}
        for name in (".notdef", *dict.fromkeys(names.values())):
            pen = TTGlyphPen(None)
            glyphs[name].draw(Cu2QuPen(pen, _MAX_ERROR_UNITS, reverse_direction=True))
            outlines[name] = pen.glyph()
            outlines[name].recalcBounds(None)
            metrics[name] = (font["hmtx"][name][0], getattr(outlines[name], "xMin", 0))
        builder = FontBuilder(font["head"].unitsPerEm, isTTF=True)
        builder.setupGlyphOrder(list(outlines))
        builder.setupCharacterMap(names)
        builder.setupGlyf(outlines)
        builder.setupHorizontalMetrics(metrics)
        builder.setupHorizontalHeader(ascent=font["hhea"].ascent, descent=font["hhea"].descent)
        builder.setupNameTable(
            {"familyName": path.stem, "styleName": "Regular", "psName": path.stem}
        )
        builder.setupOS2()
        builder.setupPost()
        builder.save(path)
