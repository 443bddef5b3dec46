"""The batches that a loader makes, and their positions in the sequence of all images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core

__all__ = ["Position", "RawImages", "TrainBatch"]


@dataclass(frozen=True, order=True)
class Position:
    """A position in the endless sequence of images: `offset` images of `epoch` have been used."""

    epoch: int = 0
    offset: int = 0


@dataclass(frozen=True)
class RawImages:
    """Images that the network's device augments, and the random draws for them.

    Attributes:
        records: uint8 (N, H, W, C).
        offsets: int32 (N, 2): top and left of the crop.
        mirror: uint8 (N,).
        color: float32 (N, C), or None.
        scale: factor of the finished image.
    """

    records: NDArray[np.uint8]
    offsets: NDArray[np.int32]
    mirror: NDArray[np.uint8]
    color: NDArray[np.float32] | None
    scale: float

    def augmented(
        self, crop: tuple[int, int], mean: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """The augmented images, computed on the CPU: (N, C, h, w)."""
        count, _, _, channels = self.records.shape
        out = np.empty((count, channels, *crop), np.float32)
        _core.augment(self.records, out, self.offsets, self.mirror, mean, self.color, self.scale)
        return out

    def native(self, labels: NDArray[np.int32]) -> _core.Batch:
        """The batch for the native network."""
        return _core.Batch.of_records(
            self.records,
            labels,
            offsets=self.offsets,
            mirror=self.mirror,
            color=self.color,
            scale=self.scale,
        )


@dataclass(frozen=True)
class TrainBatch:
    """One mini-batch.

    Its arrays are in a buffer that the loader reuses once all of them have been deleted. An
    enqueued step keeps references until its result is read.

    Attributes:
        images: float32 (N, C, h, w), C-contiguous; :class:`RawImages` if the device augments.
        labels: int32 (N,).
        epoch: the epoch of its images.
        index: index of the batch in the epoch, from 0.
        total: number of images of the batch on all ranks.
        next_position: the position of the next batch.
    """

    images: NDArray[np.float32] | RawImages
    labels: NDArray[np.int32]
    epoch: int
    index: int
    total: int
    next_position: Position
