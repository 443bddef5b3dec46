"""Training images: the random draws and the mean image that an `Augmentation` needs."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.config.augmentation import Augmentation, MeanMode
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["Augmenter", "check_crop", "color_axes", "mean_for"]


class Augmenter:
    """The mean image and the random draws that the native loader needs for one augmentation.

    Every draw is a function of (seed, epoch, position of the image in the epoch).

    Args:
        augmentation: the settings.
        image_shape: height, width, channels of the uint8 images.
        statistics: of the training images; None if neither mean nor color noise is used.
        seed: 0 to 2**64 - 1.

    Raises:
        DataError: the crop is larger than the images, or the statistics are missing or of images
            with another shape.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        image_shape: tuple[int, int, int],
        statistics: Statistics | None,
        *,
        seed: int,
    ) -> None:
        a = augmentation
        check_crop(a.crop, image_shape)
        if statistics is None and (a.mean != "none" or a.color_std != 0):
            raise DataError("mean subtraction and color noise need the statistics of the images")
        if statistics is not None and statistics.image_shape != image_shape:
            raise DataError(
                f"the statistics are for images of {_size(statistics.image_shape)}, but the images "
                f"are {_size(image_shape)}; compute the statistics of this data set"
            )
        self.mean = None if statistics is None else mean_for(statistics, a.crop, a.mean)
        self.draws = _core.ImageDraws(
            seed=seed,
            channels=image_shape[2],
            mirror=a.mirror,
            group=a.draw_group,
            axes=None if a.color_std == 0 or statistics is None else color_axes(statistics, a),
            color_epochs=sys.maxsize if a.color_off is None else a.color_off,
            scale=a.scale,
            color_scale=a.scale / a.color_divisor,
            **_windows(a, image_shape),
        )

    def draw(
        self, count: int, *, epoch: int, first: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float32] | None]:
        """Crop offsets (n, 2) as y, x; mirror flags (n,); color shifts (n, C) or None."""
        return self.draws.draw(epoch=epoch, first=first, count=count)


def _windows(a: Augmentation, image_shape: tuple[int, int, int]) -> dict[str, tuple[int, int]]:
    """The size of the crop, its number of possible offsets, and the first of them."""
    spare = [image_shape[axis] - a.crop[axis] for axis in (0, 1)]
    if not a.random_crop:
        return {"crop": a.crop, "positions": (1, 1), "first": (spare[0] // 2, spare[1] // 2)}
    extra = 1 if a.offsets == "inclusive" else 0
    positions = (max(spare[0] + extra, 1), max(spare[1] + extra, 1))
    return {"crop": a.crop, "positions": positions, "first": (0, 0)}


def color_axes(statistics: Statistics, augmentation: Augmentation) -> NDArray[np.float64]:
    """(C, C): row i is multiplied by a standard normal draw for component i."""
    std = statistics.pca_std.astype(np.float64)
    length = std if augmentation.color_axes == "sqrt" else std**2
    return augmentation.color_std * length[:, np.newaxis] * statistics.pca_vectors


def mean_for(
    statistics: Statistics, crop: tuple[int, int], mode: MeanMode
) -> NDArray[np.float32] | None:
    """The mean for the native core: (C, H, W) for "matched", (C, h, w) for "centre"."""
    if mode == "none":
        return None
    if mode == "matched":
        return statistics.mean
    height, width, _ = statistics.image_shape
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    return np.ascontiguousarray(statistics.mean[:, top : top + crop[0], left : left + crop[1]])


def check_crop(crop: tuple[int, int], image_shape: tuple[int, int, int]) -> None:
    """Raises DataError if the crop is larger than the images."""
    height, width, _ = image_shape
    if not (0 < crop[0] <= height and 0 < crop[1] <= width):
        raise DataError(
            f"the network's input is {crop[0]} x {crop[1]} pixels, but the images have {height} x "
            f"{width}; use larger images or a network with a smaller input"
        )


def _size(shape: tuple[int, int, int]) -> str:
    return " x ".join(str(n) for n in shape)
