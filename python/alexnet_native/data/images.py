"""Picture files as the paper prepares them: shorter side scaled, then the central part.

Section 2 of the paper: "we first rescaled the image such that the shorter side was of length 256,
and then cropped out the central 256x256 patch". Smaller pictures are enlarged just so.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexnet_native.errors import DataError

__all__ = ["EXTENSIONS", "read_image"]

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
)

_EXIF_ORIENTATION = 0x0112
_SPARE = 2  # JPEGs are decoded at a fraction of their size while this many targets are left
_HARMLESS = "extraneous bytes before marker 0xd9"  # after the last pixel
_FAILURES = (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError)


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Reads a picture, scales it to cover `shape` and cuts out the centre.

    Scaling down is antialiased (triangle filter), scaling up bicubic. EXIF rotation is applied,
    grey, CMYK and palette pictures are converted, 16-bit ones reduced to 8, transparent ones laid
    on white; colour profiles are not used, of animations the first picture is taken.

    Args:
        shape: height, width and channels of the result; 3 channels for RGB, 1 for grey.

    Returns:
        uint8 (height, width, channels).

    Raises:
        DataError: the file cannot be read, is damaged or cut off.
    """
    height, width, channels = shape
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        image = _decode(data, max(height, width) * _SPARE)
    except _FAILURES as error:
        raise DataError(f"{path} is damaged or not a picture: {_reason(error)}") from error
    image = _cover(image, height, width)
    pixels = np.asarray(image if channels == 3 else image.convert("L"))
    return pixels.reshape(shape)


def _decode(data: bytes, enough: int) -> Image.Image:
    """The upright picture, mode RGB; sides may be reduced, but not below `enough`."""
    with Image.open(io.BytesIO(data)) as image:
        if image.format == "JPEG" and image.mode in ("L", "RGB"):
            try:
                pixels = simplejpeg.decode_jpeg(
                    data, "RGB", min_height=enough, min_width=enough, min_factor=2
                )
                return _upright(Image.fromarray(pixels), image.getexif())
            except ValueError as error:
                if _HARMLESS not in str(error):
                    raise
        return _upright(_to_rgb(image), image.getexif())


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image, exif: Image.Exif) -> Image.Image:
    turns: dict[Any, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(exif.get(_EXIF_ORIENTATION))
    return image if turn is None else image.transpose(turn)


def _cover(image: Image.Image, height: int, width: int) -> Image.Image:
    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)  # source pixels per result pixel
    left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    box = (left, top, left + scale * width, top + scale * height)
    kind = Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BICUBIC
    return image.resize((width, height), kind, box)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture format is recognised"
    text = str(error).strip().rstrip(".") or type(error).__name__
    return " ".join(text.split())
