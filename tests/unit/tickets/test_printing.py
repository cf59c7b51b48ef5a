"""Real tickets, rendered, looked at and scanned."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFont
from support.ticket_sheets import KEY, LINES, NOTICE, RARE_NAME, long_sheet, sheet
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.printing import (
    FontStack,
    MissingGlyphs,
    SheetOverflow,
    TicketRenderer,
    UnusablePhoto,
)
from zikao_tickets.printing.fonts import default_stack
from zikao_tickets.proof import (
    ProofRejected,
    name_hash,
    verify,
)

A4_POINTS = (595.3, 841.9)
POINTS_PER_INCH = 72
ROW_HEIGHT_POINTS = 10.2 / 25.4 * POINTS_PER_INCH
OFFICE_PRINTER_DPI = 150
BLACK_BELOW = 128
NOBODY_HAS = "\U000f0001"  # private use
KEYS = {"2022a": KEY.public_key()}


@pytest.fixture(scope="module")
def renderer() -> TicketRenderer:
    """The renderer of the default font stack, built once as a service does."""
    return TicketRenderer()


def page_text(pdf: bytes, page: int = 0) -> str:
    """The text of a page without line ends and blanks, which wrapping makes arbitrary."""
    text = pypdfium2.PdfDocument(pdf)[page].get_textpage().get_text_range()
    return "".join(text.split())


def black_and_white(pdf: bytes, page: int = 0) -> Image.Image:
    """A page as a one-bit 150 dpi office printer puts it on paper."""
    bitmap = pypdfium2.PdfDocument(pdf)[page].render(scale=OFFICE_PRINTER_DPI / POINTS_PER_INCH)
    picture: Image.Image = bitmap.to_pil()
    return picture.convert("L").point(lambda level: 255 * (level >= BLACK_BELOW), "1")


def scanned(pdf: bytes, page: int = 0) -> str:
    """The text of the one QR code on a page printed in black and white."""
    (code,) = zxingcpp.read_barcodes(black_and_white(pdf, page).convert("L"))
    return code.text


def test_one_a4_page_a_sheet_in_order(renderer: TicketRenderer) -> None:
    """Three sheets become three A4 pages, each with its own ticket number."""
    sheets = [sheet(number) for number in (1, 2, 3)]
    pdf = renderer.render(sheets)
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 3
    assert document[2].get_size() == pytest.approx(A4_POINTS, abs=0.1)
    for page, expected in enumerate(sheets):
        assert expected.ticket_number in page_text(pdf, page)


def test_everything_the_candidate_needs_is_on_the_page(renderer: TicketRenderer) -> None:
    """Title, person, numbers, every sitting, the whole notice, serial and version are printed."""
    ticket = replace(sheet(), title="临时准考证", version=3)
    text = page_text(renderer.render([ticket]))
    for expected in ticket.texts():
        assert "".join(expected.split()) in text
    assert "第3版" in text
    assert "2022-04-1109:05:00" in text


def test_a_ticket_says_who_issued_it_and_where_the_seal_goes(renderer: TicketRenderer) -> None:
    """As an official document does; what tells versions apart is there once."""
    text = page_text(renderer.render([sheet()]))
    assert "签发机构（盖章）" in text
    assert "成都市锦江区招考机构" in text
    once = (sheet().serial, "第1版", sheet().ticket_number)
    assert [text.count(each) for each in once] == [1, 1, 1]


def test_the_qr_code_scans_from_a_black_and_white_print(renderer: TicketRenderer) -> None:
    """A one-bit 150 dpi print gives back the signed proof, which verifies offline."""
    ticket = sheet(lines=[*LINES, *LINES])
    text = scanned(renderer.render([ticket]))
    assert text == ticket.qr_text
    proof = verify(text, KEYS)
    assert (proof.ticket_number, proof.name_hash) == (ticket.ticket_number, name_hash(ticket.name))
    assert proof.sittings[3] == (4, "S01", "108", "29")


def test_a_scanned_code_with_one_changed_byte_does_not_verify(renderer: TicketRenderer) -> None:
    """A ticket printed with one altered character in its code scans and is refused."""
    text = sheet().qr_text
    forged = replace(sheet(), qr_text=text[:60] + ("A" if text[60] != "A" else "B") + text[61:])
    read = scanned(renderer.render([forged]))
    assert read == forged.qr_text
    with pytest.raises(ProofRejected):
        verify(read, KEYS)


def test_the_qr_code_is_wide_enough_and_has_its_quiet_zone(renderer: TicketRenderer) -> None:
    """The symbol is at least 25 mm wide on paper."""
    page = black_and_white(renderer.render([sheet()]))
    (code,) = zxingcpp.read_barcodes(page.convert("L"))
    pixels = code.position.top_right.x - code.position.top_left.x
    assert pixels / OFFICE_PRINTER_DPI * 25.4 >= 25


def ink(glyph: Image.Image) -> Image.Image:
    """Black ink on white, cropped to the ink and brought to one size, one bit a pixel."""
    dark = ImageChops.invert(glyph.convert("L")).point(lambda level: 255 * (level > 127))
    return dark.crop(dark.getbbox()).resize((48, 48)).point(lambda level: 255 * (level > 127))


def agreement(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that two inked glyphs have in common."""
    return ImageChops.difference(one, other).histogram()[0] / (one.width * one.height)


def drawn_by_font(char: str) -> Image.Image:
    """The glyph of the heading font, drawn without the ticket printer."""
    face = default_stack().heading
    font = ImageFont.truetype(str(face.path), 200, index=face.index)
    image = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(image).text((80, 40), char, font=font, fill=0)
    return image


def test_a_rare_name_is_drawn_with_its_own_glyph(renderer: TicketRenderer) -> None:
    """The ink of 𬭎 on the ticket is the font's glyph of it, not a box and not another one."""
    page = pypdfium2.PdfDocument(renderer.render([sheet(name=RARE_NAME)]))[0]
    text_page = page.get_textpage()
    index, _ = text_page.search(RARE_NAME[0]).get_next()
    left, bottom, right, top = text_page.get_charbox(index + 1)
    # Narrow: the glyph before it may end a point away.
    scale, margin = 12, 0.5
    picture = page.render(scale=scale).to_pil()
    height = page.get_height()
    corners = (left - margin, height - top - margin, right + margin, height - bottom + margin)
    printed = ink(picture.crop(tuple(round(scale * corner) for corner in corners)))
    assert agreement(printed, ink(drawn_by_font("𬭎"))) > 0.95
    assert agreement(printed, ink(drawn_by_font(NOBODY_HAS))) < 0.6
    assert agreement(printed, ink(drawn_by_font("铉"))) < 0.9


@pytest.mark.parametrize("char", [NOBODY_HAS, "\ue000", "\U000e0100", "\n", "\u0008"])
def test_a_name_that_no_font_draws_is_refused(renderer: TicketRenderer, char: str) -> None:
    """A character without glyph stops the ticket, named with its code point."""
    assert default_stack().missing_glyphs(f"张{char}{char}") == [char]
    with pytest.raises(MissingGlyphs, match=rf"U\+{ord(char):04X}") as caught:
        renderer.render([sheet(1), sheet(2, name=f"张{char}")])
    assert caught.value.characters == (char,)
    assert caught.value.ticket_number == sheet(2).ticket_number


def test_glyphs_are_checked_in_every_text_of_a_sheet(renderer: TicketRenderer) -> None:
    """A site whose name cannot be drawn stops the ticket as a candidate's name does."""
    line = replace(LINES[0], site_name=f"第{NOBODY_HAS}中学")
    with pytest.raises(MissingGlyphs):
        renderer.check(sheet(lines=[line]))


def test_the_same_sheets_give_the_same_bytes(renderer: TicketRenderer) -> None:
    """Rendering twice, with another renderer, gives identical bytes."""
    sheets = [sheet(1), sheet(2)]
    assert renderer.render(sheets) == TicketRenderer(FontStack.discover()).render(sheets)


def test_a_ticket_issued_between_two_seconds_is_printed(renderer: TicketRenderer) -> None:
    """Clocks have fractions of seconds; the sheet shows and the document carries whole ones."""
    issued_at = datetime(2022, 4, 11, 9, 5, 7, 654321, tzinfo=ZoneInfo("Asia/Shanghai"))
    pdf = renderer.render([replace(sheet(), issued_at=issued_at)])
    assert "2022-04-1109:05:07" in page_text(pdf)


def test_a_long_notice_and_long_sites_still_give_one_page(renderer: TicketRenderer) -> None:
    """Four sittings with long sites and a notice of 1,500 characters stay on one page, whole."""
    ticket = long_sheet()
    pdf = renderer.render([ticket, ticket])
    assert len(pypdfium2.PdfDocument(pdf)) == 2
    assert all(paragraph in page_text(pdf, 1) for paragraph in ticket.notice)
    assert scanned(pdf, 1) == ticket.qr_text


def test_the_longest_name_stays_inside_its_row(renderer: TicketRenderer) -> None:
    """A name of 64 characters is printed whole, in a type small enough for its row."""
    name = ("阿卜杜热合曼·买买提明艾力江·" * 5)[:64]
    pdf = renderer.render([sheet(name=name)])
    assert name in page_text(pdf)
    text_page = pypdfium2.PdfDocument(pdf)[0].get_textpage()
    index, _ = text_page.search("阿").get_next()
    boxes = [text_page.get_charbox(index + offset) for offset in range(len(name))]
    assert max(box[3] for box in boxes) - min(box[1] for box in boxes) < ROW_HEIGHT_POINTS


def test_a_notice_that_cannot_fit_is_an_error_not_a_second_page(renderer: TicketRenderer) -> None:
    """What would need a second page is refused and named."""
    endless = replace(sheet(2), notice=NOTICE * 100)
    with pytest.raises(SheetOverflow) as caught:
        renderer.render([sheet(1), endless])
    assert caught.value.ticket_number == endless.ticket_number


def test_template_markup_in_data_is_printed_as_it_stands(renderer: TicketRenderer) -> None:
    """Data is never template source: code in a site name is text on paper."""
    hostile = replace(LINES[0], site_name='#panic("x") $1+1$ *b* `c`')
    assert '#panic("x")$1+1$*b*`c`' in page_text(renderer.render([sheet(lines=[hostile])]))


@pytest.mark.parametrize(
    "photo", [b"", b"\x89PNG", b"\xff\xd8\xff\xd9", portrait_jpeg(1, "男")[:-9]]
)
def test_a_broken_photo_is_refused(renderer: TicketRenderer, photo: bytes) -> None:
    """Bytes that are no whole JPEG stop the ticket: the photo is never left out in silence."""
    with pytest.raises(UnusablePhoto):
        renderer.render([replace(sheet(), photo_jpeg=photo)])


def test_the_photo_is_on_the_page_as_it_was_handed_in(renderer: TicketRenderer) -> None:
    """The JPEG data goes into the PDF unchanged, 3:4 and about 27 mm wide."""
    pdf = renderer.render([sheet()])
    images = [
        found
        for found in pypdfium2.PdfDocument(pdf)[0].get_objects(max_depth=5)
        if isinstance(found, pypdfium2.PdfImage)
    ]
    photo, _code = images
    assert bytes(photo.get_data()) == sheet().photo_jpeg
    left, bottom, right, top = photo.get_bounds()
    assert (right - left) / (top - bottom) == pytest.approx(0.75, abs=0.01)


def test_nothing_to_print_is_an_error(renderer: TicketRenderer) -> None:
    """No sheets, a sheet without sittings or without time zone is the caller's mistake."""
    with pytest.raises(ValueError, match="nothing to print"):
        renderer.render([])
    with pytest.raises(ValueError, match="without sittings"):
        replace(sheet(), sittings=())
    with pytest.raises(ValueError, match="time zone"):
        replace(sheet(), issued_at=datetime(2022, 4, 11))  # noqa: DTZ001 - the point


def test_a_ticket_without_photo_has_a_place_for_one(renderer: TicketRenderer) -> None:
    """What a temporary ticket says where the photo is to be stuck is on no other."""
    temporary = replace(sheet(), photo_jpeg=None)
    assert "贴照片处" in page_text(renderer.render([temporary]))
    assert "贴照片处" not in page_text(renderer.render([sheet()]))


def test_thin_strokes_survive_a_black_and_white_print(renderer: TicketRenderer) -> None:
    """The one stroke of 一 in a site's name is a line without gaps after 150 dpi in one bit."""
    line = replace(LINES[0], site_name="第一中学")
    pdf = renderer.render([sheet(lines=[line])])
    page = pypdfium2.PdfDocument(pdf)[0]
    text_page = page.get_textpage()
    index, _ = text_page.search("第一中学").get_next()
    left, bottom, right, top = text_page.get_charbox(index + 1)
    scale = OFFICE_PRINTER_DPI / POINTS_PER_INCH
    box = (left, page.get_height() - top - 1, right, page.get_height() - bottom + 1)
    stroke = black_and_white(pdf).convert("L").crop(tuple(round(scale * edge) for edge in box))
    dark = [
        any(stroke.getpixel((x, y)) == 0 for y in range(stroke.height))
        for x in range(1, stroke.width - 1)
    ]
    assert sum(dark) > 0.8 * len(dark)
