"""Documents written in parts: what other programs make of them, and going on with them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.subset import Subsetter
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageDraw, ImageFont
from support.ticket_sheets import LINES, long_sheet, sheet
from support.tickets_typst import TypstTickets
from zikao_tickets.printing import TicketRenderer, TicketSheet
from zikao_tickets.printing.fonts import default_stack, known_font_directories
from zikao_tickets.printing.pdf.canvas import Canvas
from zikao_tickets.printing.pdf.document import HEADER, Document, Growth, OtherFonts
from zikao_tickets.printing.pdf.faces import Face, UnusableFont
from zikao_tickets.printing.pdf.imported import import_page
from zikao_tickets.printing.pdf.lines import FaceStack

DPI = 150
CLEARLY = 48
"""Of 255: less is smoothing at the edges of glyphs."""
SHEETS = [sheet(1), sheet(2, name="阿卜杜热合曼·买买提"), sheet(3, lines=LINES[:1])]


@pytest.fixture(scope="module")
def renderer() -> TicketRenderer:
    """The renderer of the default font stack."""
    return TicketRenderer()


def pixels(pdf: bytes) -> Image.Image:
    """The first page in grey."""
    bitmap = pypdfium2.PdfDocument(pdf)[0].render(scale=DPI / 72)
    picture: Image.Image = bitmap.to_pil()
    return picture.convert("L")


@pytest.mark.parametrize("ticket", [sheet(1), sheet(lines=[*LINES, *LINES]), long_sheet()])
def test_a_page_looks_as_the_typesetter_sets_it(
    renderer: TicketRenderer, ticket: TicketSheet
) -> None:
    """Less than 1 % of the pixels differ from the typesetter's own page, and none without ink."""
    ours, theirs = (
        pixels(renderer.render([ticket])),
        pixels(TypstTickets(default_stack()).page(ticket)),
    )
    assert ours.size == theirs.size
    differing = sum(ImageChops.difference(ours, theirs).histogram()[CLEARLY:])
    inked = sum(theirs.histogram()[:128])
    assert differing < 0.01 * ours.width * ours.height
    assert inked > 0.02 * ours.width * ours.height


def parts_of(
    renderer: TicketRenderer, document: Document, sheets: Sequence[Sequence[TicketSheet]]
) -> tuple[list[bytes], list[Growth]]:
    """The parts, each made with nothing but what is kept of those before it."""
    chunks, growths, place = [], [], document.start
    for group in sheets:
        part = document.part(place)
        for each in group:
            renderer.draw(part, each)
        pages, growth = part.finish()
        chunks.append(pages)
        growths.append(Growth.from_bytes(growth.to_bytes()))
        place = growths[-1].after
    return chunks, growths


def test_a_document_of_parts_is_one_for_other_programs(renderer: TicketRenderer) -> None:
    """Two readers find every page, text and image, and nothing to complain of."""
    document = renderer.document(SHEETS)
    groups = [SHEETS[:2], [], SHEETS[2:], SHEETS[:1]]
    chunks, growths = parts_of(renderer, document, groups)
    pdf = HEADER + b"".join(chunks) + document.close(growths)
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
        assert len(opened.pages) == 4
        assert [len(page.get_images()) for page in opened.pages] == [2] * 4
        assert str(opened.docinfo["/Title"]) == "2022年4月高等教育自学考试准考证（考试通知单）"
    read = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_range() for page in read]
    for ticket, text in zip([*SHEETS, SHEETS[0]], texts, strict=True):
        assert ticket.name in text
        assert ticket.ticket_number in text


def test_a_part_is_made_again_byte_for_byte(renderer: TicketRenderer) -> None:
    """Another renderer, in the middle of the document, gives the same bytes and the same end."""
    document = renderer.document(SHEETS)
    groups = [[each] for each in SHEETS]
    chunks, growths = parts_of(renderer, document, groups)
    other = TicketRenderer()
    part = other.document(SHEETS).part(growths[0].after)
    other.draw(part, SHEETS[1])
    assert part.finish() == (chunks[1], growths[1])
    assert other.document(SHEETS).close(growths) == document.close(growths)


def test_fonts_and_forms_are_in_a_document_once(renderer: TicketRenderer) -> None:
    """A hundred pages carry as many fonts as one, and one form for each number of courses."""
    one, hundred = renderer.render(SHEETS[:1]), renderer.render(SHEETS[:1] * 100)
    assert hundred.count(b"/FontFile") == one.count(b"/FontFile")
    assert hundred.count(b"/Subtype/Form") == one.count(b"/Subtype/Form") == 1
    two_forms = renderer.render([SHEETS[0], SHEETS[2]])
    assert two_forms.count(b"/Subtype/Form") == 2


def test_forms_that_differ_in_anything_are_others(renderer: TicketRenderer) -> None:
    """Each ticket shows its own notice and heading, also in parts that are made one by one."""
    other = replace(SHEETS[0], notice=("一、改为凭身份证入场。",), notice_version="2")
    renamed = replace(SHEETS[0], session_name="2022年10月高等教育自学考试")
    sheets = [SHEETS[0], other, renamed, SHEETS[0]]
    document = renderer.document(sheets)
    chunks, growths = parts_of(renderer, document, [[each] for each in sheets])
    pdf = HEADER + b"".join(chunks) + document.close(growths)
    assert pdf.count(b"/Subtype/Form") == 3
    read = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_range() for page in read]
    assert ["改为凭身份证入场" in text for text in texts] == [False, True, False, False]
    assert ["2022年10月" in text for text in texts] == [False, False, True, False]


def test_parts_that_do_not_follow_are_no_document(renderer: TicketRenderer) -> None:
    """A part that is missing or in another place is an error, never a broken file."""
    document = renderer.document(SHEETS)
    _, growths = parts_of(renderer, document, [[each] for each in SHEETS])
    for wrong in (growths[1:], [growths[0], growths[2]], [growths[1], growths[0]]):
        with pytest.raises(ValueError, match="do not follow"):
            document.close(wrong)


def test_a_document_is_not_gone_on_with_in_other_fonts(renderer: TicketRenderer) -> None:
    """Their glyphs have other numbers: names would become others, in silence."""
    document = renderer.document(SHEETS)
    _, growths = parts_of(renderer, document, [[each] for each in SHEETS])
    faces = FaceStack([Face(str(mpl_font("SimHei.ttf")))], {"body": (0,)})
    other = Document(faces, "", datetime(2022, 4, 11, tzinfo=UTC))
    with pytest.raises(OtherFonts):
        other.part(growths[0].after)
    with pytest.raises(OtherFonts):
        other.close(growths)


def test_a_character_without_font_is_drawn_from_its_image(renderer: TicketRenderer) -> None:
    """An image in place of a glyph is on the page, in the line of the name."""
    drawn = Image.new("1", (64, 64), 1)
    drawn.paste(0, (16, 16, 48, 48))
    buffer = BytesIO()
    drawn.save(buffer, "PNG")
    strange = sheet(name="张\ue123")
    ticket = replace(strange, glyph_images=(("\ue123", buffer.getvalue()),))
    page = pypdfium2.PdfDocument(renderer.render([ticket]))[0]
    images = [
        each for each in page.get_objects(max_depth=5) if isinstance(each, pypdfium2.PdfImage)
    ]
    assert len(images) == 3
    text_page = page.get_textpage()
    index, _ = text_page.search("张").get_next()
    _, bottom, right, top = text_page.get_charbox(index)
    (glyph,) = [each for each in images if each.get_bounds()[0] == pytest.approx(right, abs=1.5)]
    assert glyph.get_bounds()[1] == pytest.approx(bottom, abs=2)
    assert glyph.get_bounds()[3] == pytest.approx(top, abs=2)


def test_what_is_no_page_of_the_typesetter_is_not_imported(renderer: TicketRenderer) -> None:
    """A document of another shape is an error: nothing is drawn by guess."""
    with pytest.raises(ValueError, match="pages where one"):
        import_page(renderer.render(SHEETS))


def mpl_font(name: str) -> Path:
    """A font of the Python package."""
    known = (directory / name for directory in known_font_directories())
    return next(path for path in known if path.is_file())


def truetype(_: Path) -> Path:
    """A font as rare characters come in."""
    return mpl_font("SimHei.ttf")


def cid_keyed(path: Path) -> Path:
    """A CFF font whose CIDs are not its glyphs' places."""
    with TTFont(mpl_font("NotoSansCJKsc-Regular.otf")) as font:
        subsetter = Subsetter()
        subsetter.populate(text="东西汉龘")
        subsetter.subset(font)
        font.save(path)
    return path


def name_keyed(path: Path) -> Path:
    """A CFF font without CIDs."""
    with TTFont(mpl_font("NotoSansCJKsc-Regular.otf"), lazy=True) as font:
        glyphs, cmap = font.getGlyphSet(), font.getBestCmap()
        named = {".notdef": ".notdef"} | {f"uni{ord(c):04X}": cmap[ord(c)] for c in "东龘汉"}
        outlines = {}
        for name, glyph in named.items():
            pen = T2CharStringPen(1000, glyphs)
            glyphs[glyph].draw(pen)
            outlines[name] = pen.getCharString()
    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder(list(outlines))
    builder.setupCharacterMap({int(name[3:], 16): name for name in list(outlines)[1:]})
    builder.setupCFF("Named", {"FullName": "Named"}, outlines, {})
    builder.setupHorizontalMetrics(dict.fromkeys(outlines, (1000, 0)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Named", "styleName": "Regular", "psName": "Named (1)"})
    builder.setupPost()
    builder.save(path)
    return path


@pytest.mark.parametrize("make_font", [truetype, cid_keyed, name_keyed])
def test_every_kind_of_font_is_drawn(make_font: Callable[[Path], Path], tmp_path: Path) -> None:
    """Offices add fonts for rare characters: their glyphs are found, named and as they should."""
    path = make_font(tmp_path / "font.otf")
    stack = FaceStack([Face(str(path))], {"body": (0,)})
    document = Document(stack, "字", datetime(2022, 4, 11, tzinfo=UTC))
    part, canvas = document.part(document.start), Canvas(200, 120)
    canvas.text(20, 90, stack.line("汉龘", "body"), 80)
    part.page(canvas)
    pages, growth = part.finish()
    pdf = HEADER + pages + document.close([growth])
    assert len(pdf) < 20_000
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
    page = pypdfium2.PdfDocument(pdf)[0]
    assert page.get_textpage().get_text_range() == "汉龘"
    printed = page.render(scale=2).to_pil().convert("L")
    expected = Image.new("L", printed.size, 255)
    font = ImageFont.truetype(str(path), 160)
    ImageDraw.Draw(expected).text((40, 180), "汉龘", font=font, fill=0, anchor="ls")
    differing = sum(ImageChops.difference(printed, expected).histogram()[128:])
    assert differing < 0.05 * sum(expected.histogram()[:128])


def test_a_font_of_bitmaps_is_refused(tmp_path: Path) -> None:
    """Without outlines nothing could be drawn: said when fonts are loaded, not on paper."""
    with TTFont(mpl_font("SimHei.ttf")) as font:
        del font["glyf"], font["loca"]
        font.save(tmp_path / "font.ttf")
    with pytest.raises(UnusableFont, match="outlines"):
        Face(str(tmp_path / "font.ttf"))
