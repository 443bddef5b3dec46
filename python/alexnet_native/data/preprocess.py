"""Test images: the central crop or the ten views of the paper's section 4.1, minus the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.config.augmentation import MeanMode
from alexnet_native.data.augment import check_crop, mean_for
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["VIEWS", "Preprocess"]

VIEWS = (1, 10)
_IMAGES_AT_A_TIME = 16  # ten views repeat the uint8 pixels; this bounds the copy


@dataclass(frozen=True)
class Preprocess:
    """Converts uint8 images to the network's input for inference.

    Attributes:
        statistics: of the training images; the images must have the size of its mean image.
        crop: height and width of the network's input.
        mean: see :class:`Augmentation`; "matched" and "centre" differ for the ten views only.
        scale: factor of the result.
    """

    statistics: Statistics
    crop: tuple[int, int]
    mean: MeanMode = "matched"
    scale: float = 1.0

    def views(
        self, images: NDArray[np.uint8], views: int = 1, *, threads: int = 1
    ) -> NDArray[np.float32]:
        """One or ten views of each image.

        The ten views are the crops at the top left, top right, centre, bottom left and bottom
        right, then the same five mirrored. The paper averages the probabilities over them (section
        4.1).

        Args:
            images: uint8 (N, H, W, C), with the size of the mean image.
            views: 1 for the central crop, or 10.
            threads: number of CPU threads.

        Returns:
            float32 (N * views, C, h, w); the views of image 0 come first.

        Raises:
            DataError: the number of views, or the shape or type of the images, is wrong.
        """
        if views not in VIEWS:
            raise DataError(f"views is {views}; it must be 1 (the centre) or 10")
        shape = self.statistics.image_shape
        check_crop(self.crop, shape)
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise DataError(
                f"the network was trained on uint8 images of shape (N, {shape[0]}, {shape[1]}, "
                f"{shape[2]}); got {images.dtype} of shape {images.shape}"
            )
        offsets, mirror = _windows(shape, self.crop, views)
        out = np.empty((len(images) * views, shape[2], *self.crop), np.float32)
        mean = mean_for(self.statistics, self.crop, self.mean)
        for start in range(0, len(images), _IMAGES_AT_A_TIME):
            some = images[start : start + _IMAGES_AT_A_TIME]
            _core.augment(
                np.repeat(some, views, axis=0),
                out[start * views : (start + len(some)) * views],
                np.tile(offsets, (len(some), 1)),
                np.tile(mirror, len(some)),
                mean,
                None,
                self.scale,
                threads,
            )
        return out


def _windows(
    shape: tuple[int, int, int], crop: tuple[int, int], views: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    bottom, right = shape[0] - crop[0], shape[1] - crop[1]
    centre = (bottom // 2, right // 2)
    if views == 1:
        return np.array([centre], np.int32), np.zeros(1, np.uint8)
    five = [(0, 0), (0, right), centre, (bottom, 0), (bottom, right)]
    return np.array(five * 2, np.int32), np.repeat(np.array([0, 1], np.uint8), 5)
