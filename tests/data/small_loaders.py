"""Small loaders shared by several tests, and functions that inspect them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from alexnet_native.data import ArraySource
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.batches import TrainBatch
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.statistics import statistics
from data_files import pixels

COUNT, BATCH = 23, 5


class Asked(ArraySource):
    """A source without records that the native core can read, so it gathers each batch itself."""

    def records(self) -> None:
        return None


SOURCE = ArraySource(pixels((COUNT, 8, 8, 3)), np.arange(COUNT))  # the label is the index
ASKED = Asked(pixels((COUNT, 8, 8, 3)), np.arange(COUNT))
STATISTICS = statistics(SOURCE)
PLAIN = Augmentation(crop=(8, 8), mirror=False, random_crop=False, color_std=0, mean="none")


def loader(**changes: Any) -> TrainLoader:
    settings: dict[str, Any] = {
        "batch_size": BATCH,
        "augmentation": Augmentation(crop=(5, 6)),
        "statistics": STATISTICS,
        "seed": 7,
    }
    source = changes.pop("source", SOURCE)
    return TrainLoader(source, **(settings | changes))


def take(count: int, **changes: Any) -> list[TrainBatch]:
    with loader(**changes) as batches:
        return list(islice(batches, count))


def assert_same(got: list[TrainBatch], want: list[TrainBatch]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert (a.epoch, a.index, a.next_position) == (b.epoch, b.index, b.next_position)


def loader_threads() -> int:
    """Of this process, those of Python and those of the native core."""
    return len(list(Path("/proc/self/task").iterdir()))


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)
    return done()
