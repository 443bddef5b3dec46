"""Mean image and colour statistics of the training images.

Sections 2 and 4.1 of the paper: the mean over the training set is subtracted from each pixel, and
colour noise runs along the principal components of the set of RGB pixel values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.source import Source
from alexnet_native.errors import DataError

__all__ = ["Statistics", "statistics"]

_BLOCK_BYTES = 32 * 1024**2  # of uint8 images gathered at a time


@dataclass(frozen=True)
class Statistics:
    """What augmentation needs to know of the training images; pixel units, 0 to 255.

    Attributes:
        mean: float32 (C, H, W), the mean image.
        pca_std: float32 (C,), standard deviations along the components, ascending. Their squares
            are the eigenvalues of the covariance of the pixels' channel values.
        pca_vectors: float32 (C, C), row i is the unit vector of component i; its sign is such that
            its largest entry is positive.
    """

    mean: NDArray[np.float32]
    pca_std: NDArray[np.float32]
    pca_vectors: NDArray[np.float32]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of the images that these statistics are of."""
        channels, height, width = self.mean.shape
        return height, width, channels


def statistics(source: Source) -> Statistics:
    """One pass over all images of `source`.

    Sums are of integers below 2**53, so they are exact in float64, for any order of summation, up
    to 10**11 pixels. The covariance is over all pixels of all images, about their overall mean.

    Raises:
        DataError: there are no images, or one cannot be decoded.
    """
    count = len(source)
    if count == 0:
        raise DataError("the mean image of no images was asked for")
    height, width, channels = source.image_shape
    total = np.zeros((height, width, channels), np.float64)
    products = np.zeros((channels, channels), np.float64)
    for block in _blocks(source):
        total += block.sum(axis=0, dtype=np.uint64)
        for image in block:
            planes = image.reshape(-1, channels).T.astype(np.float64, order="C")
            products += planes @ planes.T
    pixels = count * height * width
    colour = total.sum(axis=(0, 1)) / pixels
    covariance = products / pixels - np.outer(colour, colour)
    std, vectors = (part.astype(np.float32) for part in principal_components(covariance))
    mean = np.ascontiguousarray((total / count).transpose(2, 0, 1), np.float32)
    return Statistics(mean, std, vectors)


def principal_components(
    covariance: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviations, ascending, and unit vectors as rows, largest entry positive."""
    eigenvalues, columns = np.linalg.eigh(covariance)
    largest = np.abs(columns).argmax(axis=0)
    signs = np.where(columns[largest, np.arange(len(largest))] < 0, -1.0, 1.0)
    return np.sqrt(np.maximum(eigenvalues, 0.0)), np.ascontiguousarray((columns * signs).T)


def _blocks(source: Source) -> Iterator[NDArray[np.uint8]]:
    size = max(1, _BLOCK_BYTES // int(np.prod(source.image_shape)))
    for start in range(0, len(source), size):
        yield source.gather(np.arange(start, min(start + size, len(source)), dtype=np.int64))
