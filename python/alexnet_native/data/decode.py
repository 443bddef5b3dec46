"""Decodes image files of the usual formats to upright RGB pixels."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexnet_native.data.jpeg import open_jpeg

__all__ = ["Damaged", "Picture", "Scratch", "decode"]

_EXIF_ORIENTATION = 0x0112
_SPARE = 4  # a JPEG decoded at a fraction of its size must still have this many target sizes
_FRACTIONS = (8, 4, 2)
_MOST_PIXELS = 2 * 89_478_485  # Pillow, too, treats more as a decompression bomb
_CUT_OFF = ("premature end", "truncated", "unexpected end", "end of file", "not enough image data")
# Pillow's names. Other formats depend on how Pillow was built; EPS starts another program.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_large = threading.Lock()  # held while a large image is loaded
_PNG = b"\x89PNG\r\n\x1a\n"
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Damaged(Exception):
    """The bytes cannot be decoded to an image.

    Attributes:
        kind: "empty", "cut off", "no picture", "too large" or "damaged".
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8 (H, W, 3), upright, RGB. If a scratch buffer was given, valid until the next
            image is decoded.
        size: height and width in the file, before EXIF rotation.
        format: Pillow's name: "JPEG", "PNG", ...
        conversions: conversions in addition to decoding: pairs of kind and description.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    format: str
    conversions: tuple[tuple[str, str], ...] = ()


@dataclass
class Scratch:
    """A buffer that one thread reuses for decoding."""

    bytes: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    def room(self, count: int) -> NDArray[np.uint8]:
        """At least `count` bytes."""
        if len(self.bytes) < count:
            self.bytes = np.empty(count, np.uint8)
        return self.bytes


def decode(data: bytes, size: int, scratch: Scratch | None = None) -> Picture:
    """Decodes an image file.

    The format is determined by the content, not by the file's extension. EXIF rotation is applied.
    Grey, CMYK and palette images are converted to RGB, 16-bit images are reduced to 8 bits,
    transparent images are placed on a white background. CMYK in JPEGs is read as Adobe stores it,
    inverted. Only the first image of an animation is read. Color profiles are not used.

    Args:
        data: the content of the file.
        size: height and width of the target. JPEGs may be decoded at 1/2, 1/4 or 1/8 of their size
            if both sides then still have at least 4 times this length.
        scratch: buffer for the pixels of JPEGs; if None, the returned array owns its memory.

    Raises:
        Damaged: the file cannot be decoded; the message is the reason.
    """
    if not data:
        raise Damaged("empty", "the file has no bytes")
    try:
        picture = _jpeg(data, size, scratch or Scratch()) if data[:2] == b"\xff\xd8" else None
        return picture or _other(data)
    except Damaged:
        raise
    except Exception as error:  # decoders raise many types of exceptions for damaged files
        raise _named(error, jpeg=data[:2] == b"\xff\xd8") from error


def _jpeg(data: bytes, size: int, scratch: Scratch) -> Picture | None:
    """Decodes grey and RGB JPEGs; returns None for others."""
    jpeg = open_jpeg(data)
    if jpeg is None:
        return None
    height, width = jpeg.height, jpeg.width
    _check_pixels(height, width)
    spare = min(height, width) / (_SPARE * size)
    pixels, stray = jpeg.pixels(next((f for f in _FRACTIONS if f <= spare), 1), scratch.room)
    notes = [("grey", "one channel")] if jpeg.grey else []
    if stray:
        notes.append(("stray bytes", f"bytes that belong to no pixel, {stray}"))
    if _has_application_data(data):
        pixels = _upright(pixels, _jpeg_orientation(data), notes)
    return Picture(pixels, (height, width), "JPEG", tuple(notes))


def _other(data: bytes) -> Picture:
    try:
        return _with_pillow(data)
    except Exception:
        pixels_only = _without_metadata(data)
        if len(pixels_only) == len(data):
            raise
    picture = _with_pillow(pixels_only)
    note = ("metadata", "a color profile or a text that Pillow rejects is not read")
    return replace(picture, conversions=(*picture.conversions, note))


def _with_pillow(data: bytes) -> Picture:
    with _opened(data) as image:
        width, height = image.size
        _check_pixels(height, width)
        kind = image.format or ""
        notes: list[tuple[str, str]] = []
        if getattr(image, "is_animated", False) and kind != "MPO":
            notes.append(("animation", "the first picture is taken"))
        if any(";16" in str(tile[3]) for tile in image.tile) and not image.mode.startswith("I"):
            notes.append(("16-bit", "reduced to 8 bits"))
        turned = _orientation(image) if kind == "TIFF" else None  # Pillow rotates TIFFs on load
        pixels = np.asarray(_to_rgb(image, notes))
        if turned in _TURNS:
            notes.append(("rotated", f"EXIF orientation {turned}"))
        pixels = _upright(pixels, _orientation(image), notes)
    return Picture(pixels, (height, width), kind, tuple(notes))


def _opened(data: bytes) -> Image.Image:
    """`Image.open` without its warning about images that are large, but below our limit.

    Filters for warnings belong to the whole process, so threads that decode must not change them.

    Raises:
        UnidentifiedImageError: the data has none of our formats.
    """
    Image.preinit()  # the common formats; init: all
    for name in _FORMATS:
        if name not in Image.OPEN:
            Image.init()
        if name not in Image.OPEN:  # Pillow was built without it
            continue
        factory, accept = Image.OPEN[name]
        accepted = accept is None or accept(data[:16])
        if not accepted or isinstance(accepted, str):  # the reason why Pillow cannot read it
            continue
        try:
            image: Image.Image = factory(io.BytesIO(data), "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # as Image.open does
            continue
        return image
    raise UnidentifiedImageError


def _load(image: Image.Image) -> None:
    """`image.load` without the same warning, which Pillow gives again for TIFFs."""
    if image.width * image.height <= _MOST_PIXELS // 2:
        image.load()
        return
    with _large, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image.load()


def _without_metadata(data: bytes) -> bytes:
    """A PNG without its color profile and texts; other data unchanged."""
    if not data.startswith(_PNG):
        return data
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in (b"iCCP", b"iTXt", b"tEXt", b"zTXt"):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])


def _to_rgb(image: Image.Image, notes: list[tuple[str, str]]) -> Image.Image:
    _load(image)
    mode = image.mode
    if mode in ("1", "L", "LA", "La"):
        notes.append(("grey", f"mode {mode}"))
    elif mode in ("P", "PA"):
        notes.append(("palette", f"mode {mode}"))
    elif mode == "CMYK":
        notes.append(("CMYK", "four inks"))
    elif mode not in ("RGB", "RGBA", "RGBa", "F") and not mode.startswith("I"):
        notes.append(("color space", f"mode {mode}"))
    if mode.startswith("I"):
        notes.append(("16-bit", "grey, reduced to 8 bits"))
        wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8)).convert("RGB")
    if mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        notes.append(("transparent", "laid on white"))
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _jpeg_orientation(data: bytes) -> int | None:
    try:
        with _opened(data) as image:
            return _orientation(image)
    except Exception:  # the EXIF block is damaged, but the pixels are intact
        return None


def _orientation(image: Image.Image) -> int | None:
    try:
        value = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # as above
        return None
    return value if isinstance(value, int) else None


def _upright(
    pixels: NDArray[np.uint8], orientation: int | None, notes: list[tuple[str, str]]
) -> NDArray[np.uint8]:
    if orientation not in _TURNS:
        return pixels
    notes.append(("rotated", f"EXIF orientation {orientation}"))
    return np.asarray(Image.fromarray(pixels).transpose(_TURNS[orientation]))


def _has_application_data(data: bytes) -> bool:
    """Whether a JPEG has an APP1 segment (EXIF) before its pixels."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in (0xE1, 0xDA):
            return marker == 0xE1
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _check_pixels(height: int, width: int) -> None:
    if height * width > _MOST_PIXELS:
        raise Damaged(
            "too large", f"it declares {width} x {height} pixels, more than {_MOST_PIXELS:,} pixels"
        )


def _named(error: Exception, *, jpeg: bool) -> Damaged:
    if isinstance(error, UnidentifiedImageError):
        if jpeg:
            return Damaged("damaged", "the header of this JPEG is incomplete or damaged")
        return Damaged("no picture", f"it is none of {', '.join(_FORMATS)}")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return Damaged("too large", f"it declares more than {_MOST_PIXELS:,} pixels")
    text = " ".join(str(error).strip().rstrip(".").split()) or type(error).__name__
    cut_off = any(words in text.lower() for words in _CUT_OFF)
    return Damaged("cut off" if cut_off else "damaged", text)
