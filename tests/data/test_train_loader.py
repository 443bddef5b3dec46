from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
from alexnet_native.data import ArraySource
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.loader import Batch, Position, TrainLoader
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import DataError
from data_files import pixels
from numpy.typing import NDArray

COUNT, BATCH = 23, 5
SOURCE = ArraySource(pixels((COUNT, 8, 8, 3)), np.arange(COUNT))  # the label is the index
STATISTICS = statistics(SOURCE)
PLAIN = Augmentation(crop=(8, 8), mirror=False, random_crop=False, colour_std=0, mean="none")


def loader(**changes: Any) -> TrainLoader:
    settings: dict[str, Any] = {
        "batch_size": BATCH,
        "augmentation": Augmentation(crop=(5, 6)),
        "statistics": STATISTICS,
        "seed": 7,
    }
    source = changes.pop("source", SOURCE)
    return TrainLoader(source, **(settings | changes))


def take(count: int, **changes: Any) -> list[Batch]:
    with loader(**changes) as batches:
        return list(islice(batches, count))


def assert_same(got: list[Batch], want: list[Batch]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert (a.epoch, a.index, a.next_position) == (b.epoch, b.index, b.next_position)


def loader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "alexnet-loader"]


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)
    return done()


def test_every_epoch_holds_every_image_once_in_another_order() -> None:
    batches = take(15)
    orders = []
    for epoch in range(3):
        part = batches[5 * epoch : 5 * epoch + 5]
        assert [b.epoch for b in part] == [epoch] * 5
        assert [b.index for b in part] == [0, 1, 2, 3, 4]
        assert [len(b.labels) for b in part] == [5, 5, 5, 5, 3]
        orders.append(np.concatenate([b.labels for b in part]).tolist())
        assert sorted(orders[-1]) == list(range(COUNT))
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_labels_stay_with_their_images() -> None:
    images = SOURCE.gather(np.arange(COUNT, dtype=np.int64))
    for batch in take(5, augmentation=PLAIN):
        want = images[batch.labels].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(batch.images, want.astype(np.float32))
        assert batch.labels.dtype == np.int32


@pytest.mark.parametrize("changes", [{"prefetch": 1}, {"prefetch": 9}, {"threads": 3}])
def test_batches_do_not_depend_on_prefetch_or_threads(changes: dict[str, Any]) -> None:
    assert_same(take(12, **changes), take(12))


@pytest.mark.parametrize("skipped", [1, 3, 4, 5, 6, 10])
def test_a_loader_started_anywhere_continues_exactly(skipped: int) -> None:
    whole = take(13)
    position = whole[skipped - 1].next_position
    assert position == Position(skipped // 5, skipped % 5 * BATCH)
    assert_same(take(13 - skipped, position=position), whole[skipped:])


def test_a_start_inside_a_batch_gives_the_same_images_and_pixels() -> None:
    whole = take(5)
    images = np.concatenate([b.images for b in whole])
    labels = np.concatenate([b.labels for b in whole])
    rest = take(4, position=Position(0, 7))
    np.testing.assert_array_equal(np.concatenate([b.images for b in rest]), images[7:])
    np.testing.assert_array_equal(np.concatenate([b.labels for b in rest]), labels[7:])
    assert [len(b.labels) for b in rest] == [5, 5, 5, 1]


def test_the_end_of_an_epoch_is_the_start_of_the_next() -> None:
    assert_same(take(2, position=Position(0, COUNT)), take(2, position=Position(1, 0)))


def test_another_batch_size_gives_the_same_images_and_pixels() -> None:
    one, other = take(5), take(4, batch_size=6)
    for field in ("images", "labels"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(b, field) for b in one]),
            np.concatenate([getattr(b, field) for b in other]),
        )


def test_different_seeds_give_different_orders_and_pixels() -> None:
    one, other = take(5), take(5, seed=8)
    assert any((a.labels != b.labels).any() for a, b in zip(one, other, strict=True))
    fixed = ArraySource(np.repeat(pixels((1, 8, 8, 3)), COUNT, axis=0), np.zeros(COUNT, int))
    one, other = take(1, source=fixed), take(1, source=fixed, seed=8)
    assert (one[0].images != other[0].images).any()


def test_a_batch_larger_than_the_data_holds_the_epoch() -> None:
    batches = take(2, batch_size=100)
    assert [len(b.labels) for b in batches] == [COUNT, COUNT]
    assert batches[0].next_position == Position(1, 0)


def test_batches_stay_as_they_are_while_later_ones_are_made() -> None:
    with loader() as batches:
        first = next(batches)
        copy = first.images.copy()
        for _ in range(12):
            next(batches)
        np.testing.assert_array_equal(first.images, copy)


class Counting(ArraySource):
    """Counts the batches that were gathered."""

    def __init__(self) -> None:
        super().__init__(pixels((COUNT, 8, 8, 3)), np.arange(COUNT))
        self.gathered = 0

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        self.gathered += 1
        return super().gather(indices)


@pytest.mark.parametrize("prefetch", [1, 4])
def test_no_more_than_prefetch_and_one_batches_are_made_ahead(prefetch: int) -> None:
    source = Counting()
    with loader(source=source, prefetch=prefetch) as batches:
        assert within(5, lambda: source.gathered == prefetch + 1)
        time.sleep(0.05)
        assert source.gathered == prefetch + 1
        next(batches)
        assert within(5, lambda: source.gathered == prefetch + 2)


@pytest.mark.parametrize("taken", [0, 1, 7])
def test_closing_early_ends_the_thread(taken: int) -> None:
    before = len(loader_threads())
    batches = loader(prefetch=2)
    for _ in range(taken):
        next(batches)
    assert len(loader_threads()) == before + 1
    batches.close()
    batches.close()
    assert len(loader_threads()) == before
    assert next(batches, None) is None


def test_a_forgotten_loader_ends_its_thread() -> None:
    before = len(loader_threads())
    batches = loader()
    next(batches)
    del batches
    assert within(5, lambda: len(loader_threads()) == before)


class Failing(Counting):
    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self.gathered >= self.good:
            raise DataError("cat.jpg is damaged: it ends early")
        return super().gather(indices)


@pytest.mark.parametrize("good", [0, 1, 6])
def test_an_error_in_the_thread_reaches_the_consumer_after_the_good_batches(good: int) -> None:
    with loader(source=Failing(good)) as batches:
        assert len(list(islice(batches, good))) == good
        for _ in range(2):
            with pytest.raises(DataError, match=r"^cat\.jpg is damaged: it ends early$"):
                next(batches)
    assert loader_threads() == []


class Waiting(Counting):
    """Gathers only while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        assert self.gate.wait(20)
        return super().gather(indices)


def test_closing_wakes_a_consumer_that_waits() -> None:
    source = Waiting()
    batches = loader(source=source)
    seen: list[Batch | None] = []
    consumer = threading.Thread(target=lambda: seen.append(next(batches, None)))
    consumer.start()
    closer = threading.Thread(target=batches.close)
    closer.start()
    consumer.join(10)
    assert seen == [None]
    source.gate.set()
    closer.join(10)
    assert not closer.is_alive()


def test_the_meter_tells_who_waits() -> None:
    source = Waiting()
    with loader(source=source, prefetch=1) as batches:
        opener = threading.Timer(0.2, source.gate.set)
        opener.start()
        next(batches)
        slow = batches.meter
        assert 0.1 < slow.consumer_waited < 10
        time.sleep(0.2)
        next(batches)
        assert within(5, lambda: batches.meter.producer_waited > 0.1)
        opener.join()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 0}, ["batch size is 0"]),
        ({"prefetch": 0}, ["prefetch is 0"]),
        ({"position": Position(0, 24)}, ["position 24 of epoch 0", "23 images"]),
        ({"position": Position(-1, 0)}, ["epoch -1"]),
        ({"augmentation": Augmentation(crop=(9, 5))}, ["9 x 5", "8 x 8"]),
        ({"statistics": None}, ["statistics"]),
        ({"source": ArraySource(pixels((0, 8, 8, 3)), np.zeros(0, int))}, ["no images"]),
    ],
)
def test_settings_that_cannot_be_are_said_at_once(
    changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        loader(**changes)
    assert [word for word in words if word not in str(caught.value)] == [], caught.value
    assert loader_threads() == []
