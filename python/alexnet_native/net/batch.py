"""Converts images and labels to the arrays of the native core, and checks them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet_native.data.preprocess import VIEWS, Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError
from alexnet_native.net.arguments import as_array

__all__ = ["as_batch", "as_labels", "as_views", "checked_images", "in_parts", "neutral_preprocess"]

_MAX_BATCH = 128  # larger inputs are computed in parts of this number of images

# Subtracted if there is no mean image: the middle of 0..255.
_MID_GREY = 128.0


def as_batch(
    images: ArrayLike,
    shape: tuple[int, int, int],
    dtype: type[np.floating[Any]],
    preprocess: Preprocess,
    views: int = 1,
) -> NDArray[np.floating[Any]]:
    """Returns the images as a C-contiguous array (N * views, C, H, W) of `dtype`.

    An array that already has this form is returned without a copy.

    Args:
        images: see `checked_images`.
        shape: the network's input: channels, height, width.
        dtype: float32 or float64.
        preprocess: applied to uint8 images.
        views: 1, or 10 (four corners and the centre, and their mirror images) for uint8 images.

    Raises:
        DataError: the type or shape is wrong, or there are no images.
    """
    array = checked_images(images, shape)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(preprocess.views(array, views), dtype)
    if views != 1:
        raise DataError(
            "views are cut from uint8 images; float images are not cropped: use views = 1"
        )
    return np.ascontiguousarray(array, dtype)


def checked_images(images: ArrayLike, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Returns the images as an array after checking their type and shape.

    Args:
        images: uint8 (N, H, W, C), not smaller than the network's input, or floats (N, C, H, W) of
            exactly its size, which are not preprocessed.
        shape: the network's input: channels, height, width.

    Raises:
        DataError: the type or shape is wrong, or there are no images.
    """
    array = as_array("images", images)
    channels, height, width = shape
    if array.ndim == 4 and len(array) == 0:
        raise DataError("the batch is empty: at least one image is needed")
    is_uint8 = array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == channels
    is_float = array.dtype.kind == "f" and array.shape[1:] == shape
    if not is_uint8 and not is_float:
        raise DataError(
            f"images must be uint8 (N, H, W, {channels}) of at least {height} x {width} pixels, or "
            f"floats (N, {channels}, {height}, {width}), not {array.dtype} of shape {array.shape}"
        )
    if is_uint8 and (array.shape[1] < height or array.shape[2] < width):
        raise DataError(
            f"images of {array.shape[1]} x {array.shape[2]} pixels are smaller than the "
            f"network's input of {height} x {width}"
        )
    return array


def as_labels(labels: ArrayLike, images: int, classes: int) -> NDArray[np.int32]:
    """Returns the labels as int32 (N,) after checking type, number and range.

    Args:
        labels: integers in [0, classes).
        images: number of images.
        classes: number of classes.

    Raises:
        DataError: the type, number or range is wrong; names the first wrong label.
    """
    array = as_array("labels", labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"labels must be integers (N,), not {array.dtype} of shape {array.shape}")
    if len(array) != images:
        raise DataError(f"there are {images} images but {len(array)} labels")
    wrong = np.flatnonzero((array < 0) | (array >= classes))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"label {array[first]} of image {first} is outside 0..{classes - 1}: "
            f"the network has {classes} classes"
        )
    return np.ascontiguousarray(array, np.int32)


def as_views(views: int) -> int:
    """Returns the number of views.

    Raises:
        DataError: it is neither 1 nor 10.
    """
    if isinstance(views, bool) or not isinstance(views, (int, np.integer)) or views not in VIEWS:
        raise DataError(f"views is {views!r}; it must be 1 (the centre) or 10")
    return int(views)


def neutral_preprocess(images: ArrayLike, shape: tuple[int, int, int], scale: float) -> Preprocess:
    """Returns a centre crop with mid-grey (128) subtracted, for networks without a mean image.

    Args:
        images: their height and width are used.
        shape: the network's input: channels, height, width.
        scale: factor of the pixels.
    """
    array = as_array("images", images)
    channels, height, width = shape
    size = array.shape[1:3] if array.ndim == 4 else (height, width)
    statistics = Statistics(
        mean=np.full((channels, *size), _MID_GREY, np.float32),
        pca_std=np.zeros(channels, np.float32),
        pca_vectors=np.eye(channels, dtype=np.float32),
    )
    return Preprocess(statistics=statistics, crop=(height, width), scale=scale)


def in_parts(images: NDArray[Any], views: int = 1) -> list[NDArray[Any]]:
    """Splits the images so that each part has at most 128 images, or views of images."""
    size = max(1, _MAX_BATCH // max(views, 1))
    return [images[i : i + size] for i in range(0, len(images), size)]
