"""Mean image and color statistics of the training images.

Sections 2 and 4.1 of the paper: the mean over the training set is subtracted from each pixel, and
color noise is added along the principal components of the RGB pixel values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.data.source import Source
from alexnet_native.errors import DataError

__all__ = ["Moments", "Statistics", "statistics"]

_BLOCK_BYTES = 32 * 1024**2  # uint8 images read at a time


@dataclass(frozen=True)
class Statistics:
    """Statistics of the training images; pixels are 0 to 255.

    Attributes:
        mean: float32 (C, H, W), the mean image.
        pca_std: float32 (C,), standard deviations along the principal components, ascending. Their
            squares are the eigenvalues of the covariance of the channel values of all pixels.
        pca_vectors: float32 (C, C), row i is the unit vector of component i; the sign is chosen
            such that its largest entry is positive.
    """

    mean: NDArray[np.float32]
    pca_std: NDArray[np.float32]
    pca_vectors: NDArray[np.float32]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of the images."""
        channels, height, width = self.mean.shape
        return height, width, channels


@dataclass
class Moments:
    """Integer sums over images; the result does not depend on the order of the images.

    Attributes:
        images: number of images.
        sums: uint64 (H, W, C), of each pixel over the images.
        products: uint64 (C, C), of the products of channels over all pixels.
    """

    images: int
    sums: NDArray[np.uint64]
    products: NDArray[np.uint64]

    @classmethod
    def none(cls, shape: tuple[int, int, int]) -> Moments:
        """The sums over zero images with this height, width and number of channels."""
        return cls(0, np.zeros(shape, np.uint64), np.zeros((shape[2], shape[2]), np.uint64))

    def add(self, images: NDArray[np.uint8]) -> None:
        """Adds the images, uint8 (N, H, W, C), to the sums."""
        _core.add_moments(np.ascontiguousarray(images), self.sums, self.products)
        self.images += len(images)

    def merge(self, other: Moments) -> None:
        """Adds the sums over other images."""
        self.images += other.images
        self.sums += other.sums
        self.products += other.products

    def mean(self) -> NDArray[np.float64]:
        """The mean image, float64 (H, W, C)."""
        return self.sums.astype(np.float64) / self.images

    def covariance(self) -> NDArray[np.float64]:
        """The covariance of the channels over all pixels of all images, (C, C).

        Computed with integers and rounded once.
        """
        height, width, channels = self.sums.shape
        count = self.images * height * width
        color = [int(total) for total in self.sums.sum(axis=(0, 1))]
        covariance = np.empty((channels, channels))
        for row, column in np.ndindex(covariance.shape):
            product = count * int(self.products[row, column])
            covariance[row, column] = (product - color[row] * color[column]) / count**2
        return covariance

    def statistics(self) -> Statistics:
        eigenvalues, vectors = principal_components(self.covariance())
        mean = np.ascontiguousarray(self.mean().transpose(2, 0, 1), np.float32)
        return Statistics(mean, np.sqrt(eigenvalues).astype(np.float32), vectors.astype(np.float32))


@runtime_checkable
class _Measured(Protocol):
    def statistics(self) -> Statistics: ...


def statistics(source: Source) -> Statistics:
    """Computes the statistics of all images of `source`, or reads them if the source has them.

    Raises:
        DataError: there are no images, or one cannot be decoded.
    """
    if len(source) == 0:
        raise DataError("the mean image cannot be computed: there are no images")
    if isinstance(source, _Measured):
        return source.statistics()
    moments = Moments.none(source.image_shape)
    for block in _blocks(source):
        moments.add(block)
    return moments.statistics()


def principal_components(
    covariance: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues (ascending, not negative) and unit vectors (rows, largest entry positive)."""
    eigenvalues, columns = np.linalg.eigh(covariance)
    largest = np.abs(columns).argmax(axis=0)
    signs = np.where(columns[largest, np.arange(len(largest))] < 0, -1.0, 1.0)
    return np.maximum(eigenvalues, 0.0), np.ascontiguousarray((columns * signs).T)


def _blocks(source: Source) -> Iterator[NDArray[np.uint8]]:
    size = max(1, _BLOCK_BYTES // int(np.prod(source.image_shape)))
    for start in range(0, len(source), size):
        yield source.gather(np.arange(start, min(start + size, len(source)), dtype=np.int64))
