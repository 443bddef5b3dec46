"""Training batches, made by threads of the native core while the device computes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.config.augmentation import Augmentation
from alexnet_native.data.augment import Augmenter
from alexnet_native.data.batches import Position, RawImages, TrainBatch
from alexnet_native.data.meter import Meter
from alexnet_native.data.source import Source
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["TrainLoader"]


class TrainLoader:
    """Iterates over the batches of a source endlessly, epoch after epoch.

    The order of an epoch is a permutation keyed by (seed, epoch). Crop, mirroring and color noise
    of an image are functions of (seed, epoch, position in the epoch). A loader that starts at any
    position therefore makes the same batches as an uninterrupted one, for any `threads`, `prefetch`
    and `ranks`. No batch spans two epochs; the last batch of an epoch may be smaller.

    If the native core can read the records of the source, its threads do all the work. Otherwise a
    Python thread reads the images from the source and the native threads augment them.

    Args:
        source: the training images.
        batch_size: number of images per batch on all ranks.
        augmentation: the random changes to apply.
        statistics: of the training images; see :class:`Augmenter`.
        seed: 0 to 2**64 - 1.
        position: where to start (default: the beginning of the first epoch).
        threads: number of native threads that read and augment.
        prefetch: number of batches made in advance. At most prefetch + 2 batches, and those that
            the caller keeps, are in memory.
        rank: index of this process among `ranks` processes; each uses every `ranks`-th position of
            the epoch.
        ranks: number of processes.
        device: the device that uses the batches; they are in host memory that it can access
            directly.
        on_device: whether the device augments; batches then hold :class:`RawImages`.

    Raises:
        DataError: a setting does not match the images; while iterating, an image cannot be read or
            decoded. The batches before that image are returned first.
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
        rank: int = 0,
        ranks: int = 1,
        device: str = "cpu:0",
        on_device: bool = False,
    ) -> None:
        start = position or Position()
        _check(source, batch_size, prefetch, threads, start)
        augmenter = Augmenter(augmentation, source.image_shape, statistics, seed=seed)
        records = _records(source)
        self._count, self._batch_size, self._prefetch = len(source), batch_size, prefetch
        self._native = _core.Loader(
            records,
            source.image_shape,
            np.ascontiguousarray(source.labels, np.int32),
            augmenter.draws,
            augmenter.mean,
            batch_size=batch_size,
            epoch=start.epoch,
            offset=start.offset,
            threads=threads,
            prefetch=prefetch,
            rank=rank,
            ranks=ranks,
            on_device=on_device,
            device=device,
        )
        # The thread has no reference to this object, so a loader that is deleted is also closed.
        self._close = weakref.finalize(self, self._native.close)
        self._failure: list[BaseException] = []
        self._thread: threading.Thread | None = None
        if records is None:
            self._thread = threading.Thread(
                target=_gather,
                args=(self._native, source, self._failure),
                name="alexnet-loader",
                daemon=True,
            )
            self._thread.start()

    def __iter__(self) -> Iterator[TrainBatch]:
        return self

    def __next__(self) -> TrainBatch:
        try:
            taken = self._native.next()
        except ValueError as error:
            raise DataError(str(error)) from error
        if taken is None:
            if self._failure and self._close.alive:
                raise self._failure[0]
            raise StopIteration
        epoch, first, last = taken["epoch"], taken["first"], taken["last"]
        return TrainBatch(
            images=_images(taken),
            labels=taken["labels"],
            epoch=epoch,
            index=first // self._batch_size,
            total=last - first,
            next_position=Position(epoch, last) if last < self._count else Position(epoch + 1, 0),
        )

    @property
    def meter(self) -> Meter:
        """The counters since the start."""
        now = self._native.meter()
        return Meter(
            elapsed=now["elapsed"],
            consumer_waited=now["consumer_waited"],
            producer_waited=now["producer_waited"],
            images=now["images"],
            taken=now["taken"],
            ready=now["ready_at_take"],
            prefetch=self._prefetch,
        )

    @property
    def buffers(self) -> int:
        """The number of buffers; a new one is allocated if the caller keeps batches."""
        return self._native.meter()["buffers"]

    def close(self) -> None:
        """Stops the threads and waits for them. May be called more than once."""
        self._close()
        if self._thread:
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


def _images(taken: _core.LoaderBatch) -> NDArray[np.float32] | RawImages:
    if taken["images"] is not None:
        return taken["images"]
    records = taken["records"]
    assert records is not None
    return RawImages(records, taken["offsets"], taken["mirror"], taken["color"], taken["scale"])


def _gather(native: _core.Loader, source: Source, failure: list[BaseException]) -> None:
    """Body of the thread that reads images from the source, until the loader is closed."""
    try:
        while (claimed := native.claim()) is not None:
            source.gather(*claimed)
            native.hand_over()
    except BaseException as error:
        failure.append(error)
        native.fail()


def _records(source: Source) -> _core.Records | None:
    try:
        return source.records()
    except ValueError as error:
        raise DataError(str(error)) from error


def _check(source: Source, batch_size: int, prefetch: int, threads: int, start: Position) -> None:
    if len(source) == 0:
        raise DataError("there are no images to train on")
    for name, value in (("batch size", batch_size), ("prefetch", prefetch), ("threads", threads)):
        if value < 1:
            raise DataError(f"the loader's {name} is {value}; it must be 1 or more")
    if start.epoch < 0 or not 0 <= start.offset <= len(source):
        raise DataError(
            f"position {start.offset} of epoch {start.epoch} is outside the data set, which has "
            f"{len(source)} images; it may be from a training run on other data"
        )
