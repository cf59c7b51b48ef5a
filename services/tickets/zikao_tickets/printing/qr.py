"""The QR code as an image of one bit a pixel.

A module has several pixels: readers smooth what they enlarge, and only its edges may suffer.
"""

import segno

from zikao_tickets.printing.pdf.images import bilevel_object

QUIET_ZONE_MODULES = 4
ERROR_LEVEL = "M"
"""15 % may be lost to folds and stains; the next level makes the modules smaller."""
MASK = 0
"""Any mask reads; to look for the best of the eight takes five times as long as the code."""

PIXELS_A_MODULE = 6
"""About 300 dpi at the size in which it is printed."""


def qr_object(text: str) -> bytes:
    """The text as an image object, quiet zone included.

    The error level is at least M and higher where the same symbol size has room for it.
    Raises segno.DataOverflowError when the text fits no QR code.
    """
    code = segno.make(text, error=ERROR_LEVEL, boost_error=True, micro=False, mask=MASK)
    side = len(code.matrix) + 2 * QUIET_ZONE_MODULES
    margin, white = bytes(QUIET_ZONE_MODULES), [bytes(side)] * QUIET_ZONE_MODULES
    rows = [*white, *(margin + bytes(row) + margin for row in code.matrix), *white]
    return bilevel_object(rows, PIXELS_A_MODULE)
