"""Reads image files as the paper prepares them: scale the shorter side, crop the centre.

Section 2 of the paper: "we first rescaled the image such that the shorter side was of length 256,
and then cropped out the central 256x256 patch". Smaller images are enlarged in the same way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet_native import _core
from alexnet_native.data.decode import Damaged, decode
from alexnet_native.data.layout import EXTENSIONS
from alexnet_native.errors import DataError

__all__ = ["EXTENSIONS", "fit", "read_image", "require_readable"]


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Reads an image file, scales it to cover `shape` and crops the centre.

    See :func:`decode` for the conversion of grey, rotated, transparent and other images, and
    :func:`fit` for the scaling.

    Args:
        path: the image file.
        shape: height, width and channels of the result; 3 channels for RGB, 1 for grey.

    Returns:
        uint8 (height, width, channels).

    Raises:
        DataError: the file cannot be read, is damaged or truncated, or `shape` has other channels.
    """
    height, width, channels = shape
    require_readable(shape)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        pixels = decode(data, max(height, width)).pixels
    except Damaged as damage:
        raise DataError(f"{path} is damaged or not an image: {damage}") from damage
    pixels = fit(pixels, np.empty((height, width, 3), np.uint8))
    if channels == 3:
        return pixels
    return np.asarray(Image.fromarray(pixels).convert("L")).reshape(shape)


def require_readable(shape: tuple[int, int, int]) -> None:
    """Raises DataError unless image files can have the channels of `shape`."""
    if shape[2] not in (1, 3):
        raise DataError(
            f"the network reads images of {shape[2]} channels, but image files have 3 (RGB) or 1 "
            "(grey); use arrays instead: Net.load(...).predict(images)"
        )


def fit(pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scales the largest central part with the aspect ratio of `out` to the size of `out`.

    Uses an antialiased triangle filter to reduce (Pillow's BILINEAR) and a cubic to enlarge
    (Pillow's BICUBIC). The result is within one grey level of Pillow's.

    Args:
        pixels: uint8 (H, W, 3).
        out: uint8 (h, w, 3), C-contiguous; overwritten.

    Returns:
        `out`.
    """
    _core.resize_cover(np.ascontiguousarray(pixels), out)
    return out
