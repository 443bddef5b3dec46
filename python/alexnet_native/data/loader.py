"""Training batches, made on a background thread while the device works on those before."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.augment import Augmentation, Augmenter
from alexnet_native.data.draws import Draws
from alexnet_native.data.ring import Ring, produce
from alexnet_native.data.source import Source
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["Batch", "Meter", "Position", "TrainLoader"]


@dataclass(frozen=True, order=True)
class Position:
    """A place in the endless sequence of images: `offset` images of `epoch` are used."""

    epoch: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Batch:
    """One mini-batch.

    Attributes:
        images: float32 (N, C, h, w), C-contiguous, owned by the batch.
        labels: int32 (N,).
        epoch: the epoch that all its images belong to.
        index: which batch of the epoch, from 0.
        next_position: where the batch after this one starts.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int32]
    epoch: int
    index: int
    next_position: Position


@dataclass(frozen=True)
class Meter:
    """Who waited for whom, in seconds: a waiting consumer means that the loader is too slow."""

    consumer_waited: float
    producer_waited: float


class TrainLoader:
    """Iterates over batches of a source endlessly, epoch after epoch.

    The order of an epoch is a permutation keyed by (seed, epoch); crop, mirror and colour of an
    image are functions of (seed, epoch, its position in the epoch). So a loader started at any
    position gives what an uninterrupted one gives from there, for any `threads` and `prefetch`.
    The last batch of an epoch may be smaller: no batch spans two epochs.

    Args:
        source: the training images.
        batch_size: images per batch.
        augmentation: how they are varied.
        statistics: of the training images; see :class:`Augmenter`.
        seed: 0 to 2**64 - 1.
        position: where to start.
        threads: native threads that augment.
        prefetch: batches made ahead; memory is bounded by prefetch + 2 of them.

    Raises:
        DataError: a setting that does not fit the images. While iterating: an image that cannot
            be decoded; the batches before it come first.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        augmentation: Augmentation,
        statistics: Statistics | None,
        seed: int,
        position: Position | None = None,
        threads: int = 1,
        prefetch: int = 3,
    ) -> None:
        if len(source) == 0:
            raise DataError("there are no images to train on")
        if batch_size < 1:
            raise DataError(f"the batch size is {batch_size}; it must be 1 or more")
        if prefetch < 1:
            raise DataError(f"prefetch is {prefetch}; it must be 1 or more")
        start = position or Position()
        if start.epoch < 0 or not 0 <= start.offset <= len(source):
            raise DataError(
                f"position {start.offset} of epoch {start.epoch} is outside the data set of "
                f"{len(source)} images; it belongs to another one"
            )
        augmenter = Augmenter(
            augmentation, source.image_shape, statistics, seed=seed, threads=threads
        )
        batches = _batches(source, batch_size, augmenter, Draws(seed, "data/order"), start)
        # The thread knows the ring but not this object, so that a forgotten loader is closed.
        self._ring: Ring[Batch] = Ring(prefetch)
        self._close = weakref.finalize(self, self._ring.close)
        self._thread = threading.Thread(
            target=produce, args=(self._ring, batches.__next__), name="alexnet-loader", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return self._ring.get()

    @property
    def meter(self) -> Meter:
        """The seconds that each side has waited since the start."""
        return Meter(self._ring.consumer_waited, self._ring.producer_waited)

    def close(self) -> None:
        """Stops the thread; waits for the batch that it is making. May be called twice."""
        self._close()
        self._thread.join()

    def __enter__(self) -> TrainLoader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _batches(
    source: Source, batch_size: int, augmenter: Augmenter, order: Draws, position: Position
) -> Iterator[Batch]:
    count = len(source)
    epoch, first = position.epoch, position.offset
    while True:
        permutation = order.permutation(epoch, count)
        while first < count:
            last = min(first + batch_size, count)
            chosen = permutation[first:last]
            yield Batch(
                images=augmenter.apply(source.gather(chosen), epoch=epoch, first=first),
                labels=source.labels[chosen],
                epoch=epoch,
                index=first // batch_size,
                next_position=Position(epoch, last) if last < count else Position(epoch + 1, 0),
            )
            first = last
        epoch, first = epoch + 1, 0
