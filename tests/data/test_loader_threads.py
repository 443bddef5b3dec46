"""Threads of a loader: how many batches they prefetch, how they end, and waiting times."""

from __future__ import annotations

import threading
import time
from itertools import islice

import numpy as np
import pytest
from alexnet_native.data import ArraySource
from alexnet_native.data.batches import TrainBatch
from alexnet_native.errors import DataError
from data_files import pixels
from numpy.typing import NDArray
from small_loaders import ASKED, BATCH, COUNT, SOURCE, Asked, loader, loader_threads, within


class Counting(Asked):
    """Counts the batches that were gathered."""

    def __init__(self) -> None:
        super().__init__(pixels((COUNT, 8, 8, 3)), np.arange(COUNT))
        self.gathered = 0

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        self.gathered += 1
        return super().gather(indices, out)


@pytest.mark.parametrize("prefetch", [1, 4])
def test_at_most_prefetch_plus_one_batches_are_prepared_in_advance(prefetch: int) -> None:
    source = Counting()
    with loader(source=source, prefetch=prefetch) as batches:
        assert within(5, lambda: source.gathered == prefetch + 1)
        time.sleep(0.05)
        assert source.gathered == prefetch + 1
        next(batches)
        assert within(5, lambda: source.gathered == prefetch + 2)


@pytest.mark.parametrize(("source", "threads"), [(SOURCE, 3), (ASKED, 4)])
@pytest.mark.parametrize("taken", [0, 1, 7])
def test_closing_early_ends_the_threads(taken: int, source: ArraySource, threads: int) -> None:
    before = loader_threads()
    batches = loader(prefetch=2, threads=3, source=source)
    for _ in range(taken):
        next(batches)
    assert loader_threads() == before + threads
    batches.close()
    batches.close()
    assert within(5, lambda: loader_threads() == before)
    assert next(batches, None) is None


def test_the_threads_end_when_a_loader_is_garbage_collected() -> None:
    before = loader_threads()
    for source in (SOURCE, ASKED):
        batches = loader(source=source)
        next(batches)
        assert loader_threads() > before
        del batches
        assert within(5, lambda: loader_threads() == before)


class Failing(Counting):
    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        if self.gathered >= self.good:
            raise DataError("cat.jpg is damaged: it ends early")
        return super().gather(indices, out)


@pytest.mark.parametrize("good", [0, 1, 6])
def test_an_error_in_the_thread_reaches_the_consumer_after_the_good_batches(good: int) -> None:
    before = loader_threads()
    with loader(source=Failing(good)) as batches:
        assert len(list(islice(batches, good))) == good
        for _ in range(2):
            with pytest.raises(DataError, match=r"^cat\.jpg is damaged: it ends early$"):
                next(batches)
    assert within(5, lambda: loader_threads() == before)


class Waiting(Counting):
    """Gathers only while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        assert self.gate.wait(20)
        return super().gather(indices, out)


def test_closing_wakes_a_consumer_that_waits() -> None:
    source = Waiting()
    batches = loader(source=source)
    seen: list[TrainBatch | None] = []
    consumer = threading.Thread(target=lambda: seen.append(next(batches, None)))
    consumer.start()
    closer = threading.Thread(target=batches.close)
    closer.start()
    consumer.join(10)
    assert seen == [None]
    source.gate.set()
    closer.join(10)
    assert not closer.is_alive()


def test_the_meter_reports_whether_loader_or_consumer_waits() -> None:
    source = Waiting()
    with loader(source=source, prefetch=1) as batches:
        opener = threading.Timer(0.2, source.gate.set)
        opener.start()
        next(batches)
        slow = batches.meter
        assert 0.1 < slow.consumer_waited < 10
        assert slow.bottleneck == "loader" and slow.fullness == 0
        time.sleep(0.2)
        next(batches)
        assert within(5, lambda: batches.meter.producer_waited > 0.1)
        later = batches.meter - slow
        assert later.bottleneck == "device" and later.fullness == 1 and later.taken == 1
        assert batches.meter.images >= 2 * BATCH and batches.meter.images_per_second > 0
        opener.join()
