"""Images and labels as callers have them -> as the native core takes them, or a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["as_batch", "as_labels", "checked_images", "in_parts", "neutral_preprocess"]

_AT_A_TIME = 128  # images computed in one go where the caller gives more

# Subtracted where no mean image is known: the middle of 0..255.
_MID_GREY = 128.0


def as_batch(
    images: ArrayLike,
    shape: tuple[int, int, int],
    dtype: type[np.floating[Any]],
    preprocess: Preprocess,
    views: int = 1,
) -> NDArray[np.floating[Any]]:
    """(N * views, C, H, W) of `dtype`, C-contiguous; an array that already is one is not copied.

    Args:
        images: see `checked_images`.
        shape: the network's input: channels, height, width.
        preprocess: for uint8 images.
        views: 1, or 10: four corners and the centre, plain and mirrored. uint8 images only.

    Raises:
        DataError: another type or shape, or no images.
    """
    array = checked_images(images, shape)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(preprocess.views(array, views), dtype)
    if views != 1:
        raise DataError("views are cut from uint8 images; floats are taken as they are")
    return np.ascontiguousarray(array, dtype)


def checked_images(images: ArrayLike, shape: tuple[int, int, int]) -> NDArray[Any]:
    """The images as an array, if they are of a kind that the network takes.

    Args:
        images: uint8 (N, H, W, C), not smaller than the network's input, or floats (N, C, H, W) of
            exactly its size, which are taken as they are.
        shape: the network's input: channels, height, width.

    Raises:
        DataError: another type or shape, or no images.
    """
    array = np.asarray(images)
    channels, height, width = shape
    if array.ndim == 4 and len(array) == 0:
        raise DataError("the batch is empty: at least one image is needed")
    bytes_fit = array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == channels
    floats_fit = array.dtype.kind == "f" and array.shape[1:] == shape
    if not bytes_fit and not floats_fit:
        raise DataError(
            f"images must be uint8 (N, H, W, {channels}) of at least {height} x {width} pixels, or "
            f"floats (N, {channels}, {height}, {width}), not {array.dtype} of shape {array.shape}"
        )
    if bytes_fit and (array.shape[1] < height or array.shape[2] < width):
        raise DataError(
            f"images of {array.shape[1]} x {array.shape[2]} pixels are smaller than the "
            f"network's input of {height} x {width}"
        )
    return array


def as_labels(labels: ArrayLike, images: int, classes: int) -> NDArray[np.int32]:
    """int32 (N,), one for each image, each below `classes`.

    Raises:
        DataError: another type, length or range; names the first wrong label.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"labels must be whole numbers (N,), not {array.dtype} of {array.shape}")
    if len(array) != images:
        raise DataError(f"there are {images} images but {len(array)} labels")
    wrong = np.flatnonzero((array < 0) | (array >= classes))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"label {array[first]} of image {first} is outside 0..{classes - 1}, "
            f"the network's {classes} classes"
        )
    return np.ascontiguousarray(array, np.int32)


def neutral_preprocess(images: ArrayLike, shape: tuple[int, int, int], scale: float) -> Preprocess:
    """Centre crop minus mid-grey, for images of these dimensions when no mean image is known."""
    array = np.asarray(images)
    channels, height, width = shape
    size = array.shape[1:3] if array.ndim == 4 else (height, width)
    statistics = Statistics(
        mean=np.full((channels, *size), _MID_GREY, np.float32),
        pca_std=np.zeros(channels, np.float32),
        pca_vectors=np.eye(channels, dtype=np.float32),
    )
    return Preprocess(statistics=statistics, crop=(height, width), scale=scale)


def in_parts(images: NDArray[Any], views: int = 1) -> list[NDArray[Any]]:
    """A bounded number of images, or views of images, at a time."""
    size = max(1, _AT_A_TIME // max(views, 1))
    return [images[i : i + size] for i in range(0, len(images), size)]
