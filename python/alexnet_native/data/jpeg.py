"""Decodes grey and RGB JPEGs with simplejpeg, or with Pillow if simplejpeg is not installed.

Both use libjpeg-turbo with the same options, and their pixels are equal to the bit. If libjpeg only
warns of damage ("Corrupt JPEG data: ..."), simplejpeg rejects the file; Pillow drops the warning.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from alexnet_native import log

try:
    import simplejpeg  # type: ignore[import-untyped]
except ImportError:
    simplejpeg = None

__all__ = ["Jpeg", "decoders", "open_jpeg"]

# Before the end of the image, or before a restart marker, at which decoding starts afresh.
_HARMLESS = re.compile(r"extraneous bytes before marker 0x(d[0-79])")
_CUT_OFF = "Premature end of JPEG file"  # libjpeg's message
_MARKER = re.compile(rb"\xff[^\x00\xff]")  # 0xff 0x00 is a data byte, 0xff 0xff is a fill byte
_EXIF, _SCAN, _END = 0xE1, 0xDA, 0xD9
_NO_LENGTH = range(0xD0, 0xDA)  # RST0 to RST7, SOI, EOI
_UNKNOWN = {*range(0x02, 0xC0), *range(0xF0, 0xFE), 0xDE, 0xDF}  # libjpeg does not know these


class _Once:
    """A warning that is printed once per process, from any thread."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lock = threading.Lock()
        self._said = False

    def __call__(self) -> None:
        with self._lock:
            first, self._said = not self._said, True
        if first:
            log.warning(self._text)


_slower = _Once(
    "simplejpeg is not installed; JPEGs are read with Pillow, which is slower and does not detect "
    "all damaged files; to install it: pip install simplejpeg"
)


@dataclass(frozen=True)
class Jpeg:
    """A JPEG whose header has been read.

    Attributes:
        data: the content of the file.
        height, width: in pixels.
        grey: True if it has one channel, False if it has three.
    """

    data: bytes
    height: int
    width: int
    grey: bool

    def pixels(
        self, factor: int, room: Callable[[int], NDArray[np.uint8]]
    ) -> tuple[NDArray[np.uint8], str]:
        """Decodes the image at 1 / `factor` of its size, rounded up.

        Args:
            factor: 1, 2, 4 or 8; unless 1, at most a quarter of the shorter side.
            room: returns a buffer of the given number of bytes, which may be used for the pixels.

        Returns:
            uint8 (H, W, 3), and where there are bytes that belong to no pixel: "after the last
            one", "before a restart marker" or "" (always with Pillow, which does not report them).

        Raises:
            ValueError: the file is damaged or truncated.
        """
        if simplejpeg is None:
            return _with_pillow(self, factor), ""
        return _with_simplejpeg(self, factor, room)


def open_jpeg(data: bytes) -> Jpeg | None:
    """Reads the header; returns None unless it is a grey or RGB JPEG with a valid header."""
    if simplejpeg is None:
        _slower()
        try:
            with _opened(data) as image:
                mode, (width, height) = image.mode, image.size
        except Exception:  # Pillow raises many types of exceptions for damaged files
            return None
    else:
        try:
            height, width, mode, _ = simplejpeg.decode_jpeg_header(data)
        except (ValueError, KeyError):
            return None
    if mode not in ("YCbCr", "RGB", "Gray", "L"):
        return None
    return Jpeg(data, height, width, mode in ("Gray", "L"))


def decoders() -> str:
    """Names and versions of the decoders in use."""
    names = ("Pillow",) if simplejpeg is None else ("simplejpeg", "Pillow")
    return ", ".join(f"{name} {version(name)}" for name in names)


def _with_simplejpeg(
    jpeg: Jpeg, factor: int, room: Callable[[int], NDArray[np.uint8]]
) -> tuple[NDArray[np.uint8], str]:
    options = {
        "min_height": -(-jpeg.height // factor),
        "min_width": -(-jpeg.width // factor),
        "min_factor": factor,
        "buffer": room(jpeg.height * jpeg.width * 3),
    }
    try:
        return simplejpeg.decode_jpeg(jpeg.data, "RGB", **options), ""
    except ValueError as error:
        stray = _HARMLESS.search(str(error))
        if stray is None:
            raise
        where = "after the last one"
        if int(stray[1], 16) != _END:
            _require_end(jpeg.data)
            where = "before a restart marker"
        return simplejpeg.decode_jpeg(jpeg.data, "RGB", strict=False, **options), where


def _with_pillow(jpeg: Jpeg, factor: int) -> NDArray[np.uint8]:
    with _opened(jpeg.data) as image:
        if factor > 1:
            image.draft(None, (jpeg.width // factor, jpeg.height // factor))
        try:
            image.load()
        except OSError as error:
            raise ValueError(_reason(jpeg.data, image, str(error))) from error
        _require_end(jpeg.data)  # Pillow accepts a file without it
        return np.asarray(image.convert("RGB") if jpeg.grey else image)


def _require_end(data: bytes) -> None:
    if all(marker != _END for _, _, marker in _segments(data)):
        raise ValueError(_CUT_OFF)


def _opened(data: bytes) -> JpegImageFile:
    """Opens a JPEG without its EXIF blocks, since Pillow warns about damaged ones."""
    parts, at = [], 0
    for start, end, marker in _segments(data):
        if marker == _EXIF:
            parts.append(data[at:start])
            at = end
        if marker == _SCAN:
            break
    return JpegImageFile(io.BytesIO(b"".join([*parts, data[at:]]) if parts else data))


def _reason(data: bytes, image: JpegImageFile, pillows: str) -> str:
    """libjpeg's reason for rejecting a file, if it can be derived; Pillow does not report it."""
    if "truncated" in pillows:
        return _CUT_OFF
    for _, _, _, table in image.layer:
        if table not in image.quantization:
            return f"Quantization table 0x{table:02x} was not defined"
    for _, _, marker in _segments(data):
        if marker in _UNKNOWN:
            return f"Unsupported marker type 0x{marker:02x}"
    return pillows


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and marker of each segment up to the end of the image; skips the pixel data."""
    found = _MARKER.search(data, 2)
    while found:
        start, end, marker = found.start(), found.end(), data[found.end() - 1]
        if marker not in _NO_LENGTH:
            end += int.from_bytes(data[end : end + 2], "big")
        yield start, end, marker
        if marker == _END:
            return
        found = _MARKER.search(data, end)
