"""The pixels of grey and RGB JPEGs: by simplejpeg, or by Pillow where that is not installed.

Both decode with libjpeg-turbo, in the same way: the pixels are equal to the bit. Where libjpeg only
warns of damage ("Corrupt JPEG data: ..."), simplejpeg refuses the file; Pillow drops the warning.
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

_HARMLESS = "extraneous bytes before marker 0xd9"  # after the last pixel
_CUT_OFF = "Premature end of JPEG file"  # libjpeg's words
_MARKER = re.compile(rb"\xff[^\x00\xff]")  # 0xff 0x00 is a byte of pixels, 0xff 0xff fills
_EXIF, _SCAN, _END = 0xE1, 0xDA, 0xD9
_NO_LENGTH = range(0xD0, 0xDA)  # RST0 to RST7, SOI, EOI
_UNKNOWN = {*range(0x02, 0xC0), *range(0xF0, 0xFE), 0xDE, 0xDF}  # to libjpeg


class _Once:
    """A warning that a process gives once, whichever of its threads is first."""

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
    "simplejpeg is not installed, so Pillow reads JPEGs: it is slower and takes some damaged files "
    "for good ones; to change that: pip install simplejpeg"
)


@dataclass(frozen=True)
class Jpeg:
    """A JPEG of which the header is read.

    Attributes:
        data: the whole file.
        height, width: in pixels.
        grey: whether it has one channel; else it has three.
    """

    data: bytes
    height: int
    width: int
    grey: bool

    def pixels(
        self, factor: int, room: Callable[[int], NDArray[np.uint8]]
    ) -> tuple[NDArray[np.uint8], bool]:
        """Decodes it at 1 / `factor` of its size, rounded up.

        Args:
            factor: 1, 2, 4 or 8, at most a quarter of the shorter side unless 1.
            room: gives so many bytes of memory, which the pixels may be in.

        Returns:
            uint8 (H, W, 3), and whether there are bytes that belong to no pixel after the last one,
            which only simplejpeg tells.

        Raises:
            ValueError: it is damaged or cut off.
        """
        if simplejpeg is None:
            return _with_pillow(self, factor), False
        return _with_simplejpeg(self, factor, room)


def open_jpeg(data: bytes) -> Jpeg | None:
    """None for what is no grey or RGB JPEG with a sound header."""
    if simplejpeg is None:
        _slower()
        try:
            with _opened(data) as image:
                mode, (width, height) = image.mode, image.size
        except Exception:  # damaged bytes make it raise what it never meant to
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
    """Names and versions of what reads pictures."""
    names = ("Pillow",) if simplejpeg is None else ("simplejpeg", "Pillow")
    return ", ".join(f"{name} {version(name)}" for name in names)


def _with_simplejpeg(
    jpeg: Jpeg, factor: int, room: Callable[[int], NDArray[np.uint8]]
) -> tuple[NDArray[np.uint8], bool]:
    options = {
        "min_height": -(-jpeg.height // factor),
        "min_width": -(-jpeg.width // factor),
        "min_factor": factor,
        "buffer": room(jpeg.height * jpeg.width * 3),
    }
    try:
        return simplejpeg.decode_jpeg(jpeg.data, "RGB", **options), False
    except ValueError as error:
        if _HARMLESS not in str(error):
            raise
        return simplejpeg.decode_jpeg(jpeg.data, "RGB", strict=False, **options), True


def _with_pillow(jpeg: Jpeg, factor: int) -> NDArray[np.uint8]:
    with _opened(jpeg.data) as image:
        if factor > 1:
            image.draft(None, (jpeg.width // factor, jpeg.height // factor))
        try:
            image.load()
        except OSError as error:
            raise ValueError(_reason(jpeg.data, image, str(error))) from error
        if all(marker != _END for _, _, marker in _segments(jpeg.data)):  # Pillow does not mind
            raise ValueError(_CUT_OFF)
        return np.asarray(image.convert("RGB") if jpeg.grey else image)


def _opened(data: bytes) -> JpegImageFile:
    """Without its EXIF blocks: the pixels need none, and a damaged one makes Pillow warn."""
    parts, at = [], 0
    for start, end, marker in _segments(data):
        if marker == _EXIF:
            parts.append(data[at:start])
            at = end
        if marker == _SCAN:
            break
    return JpegImageFile(io.BytesIO(b"".join([*parts, data[at:]]) if parts else data))


def _reason(data: bytes, image: JpegImageFile, pillows: str) -> str:
    """What libjpeg says of a damaged file, where that can be told; Pillow does not hand it on."""
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
    """Start, end and marker of each segment up to the picture's end; passes over the pixels."""
    found = _MARKER.search(data, 2)
    while found:
        start, end, marker = found.start(), found.end(), data[found.end() - 1]
        if marker not in _NO_LENGTH:
            end += int.from_bytes(data[end : end + 2], "big")
        yield start, end, marker
        if marker == _END:
            return
        found = _MARKER.search(data, end)
