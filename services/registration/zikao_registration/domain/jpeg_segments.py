"""A JPEG without its metadata and without re-encoding it (ITU-T T.81, annex B).

Photos of older candidates are small already; encoding them once more would only blur them.
It is walked segment by segment: tables, frame and scans stay, application data and comments go.
No pixel is decoded, so a bomb costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_MARKER = 0xFF
_START_OF_SCAN = 0xDA
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_QUANTIZATION, _HUFFMAN, _RESTART_INTERVAL = 0xDB, 0xC4, 0xDD
# Baseline, extended and progressive frames by Huffman's code: what every printer draws.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_ADOBE = 0xEE  # says how the colours are to be read; holds nothing else
_KEPT = _FRAMES | {_START_OF_SCAN, _QUANTIZATION, _HUFFMAN, _RESTART_INTERVAL, _ADOBE}


class NotJpeg(ValueError):  # noqa: N818 - says what it is
    """The bytes are no JPEG that can be printed; the text says why, in Chinese."""


@dataclass(frozen=True)
class StrippedJpeg:
    """The picture without metadata, and its size in pixels as its header tells it."""

    jpeg: bytes
    width_pixels: int
    height_pixels: int


def strip_metadata(original: bytes) -> StrippedJpeg:
    """Drop EXIF, thumbnails, profiles, comments and what follows the picture; raises NotJpeg."""
    if not original.startswith(_START):
        raise NotJpeg("不是JPEG文件")
    kept, size, at = [_START], (0, 0), len(_START)
    while original[at : at + 2] != _END:
        marker, end = _segment(original, at)
        if marker in _OTHER_FRAMES:
            raise NotJpeg("JPEG编码方式不常用，无法打印")
        if marker in _FRAMES:
            size = _size(original[at:end])
        if marker == _START_OF_SCAN:
            end = _end_of_scan(original, end)
        if marker in _KEPT:
            kept.append(original[at:end])
        at = end
    if 0 in size:
        raise NotJpeg("JPEG文件缺少图像尺寸")
    return StrippedJpeg(b"".join([*kept, _END]), *size)


def _segment(data: bytes, at: int) -> tuple[int, int]:
    """The marker of the segment at `at`, and where the segment ends."""
    if len(data) < at + 4 or data[at] != _MARKER:
        raise NotJpeg("JPEG文件不完整或已损坏")
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
    if not at + 4 <= end <= len(data):
        raise NotJpeg("JPEG文件不完整")
    return data[at + 1], end


def _size(frame: bytes) -> tuple[int, int]:
    if len(frame) < 9:
        raise NotJpeg("JPEG文件已损坏")
    return int.from_bytes(frame[7:9]), int.from_bytes(frame[5:7])


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next marker is: FF inside of a scan's data is followed by 00 or a restart."""
    found = _NEXT_MARKER.search(data, at)
    if found is None:
        raise NotJpeg("JPEG文件不完整")
    return found.start()
