"""The contents of batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alexnet_native import _core
from alexnet_native.data import ArraySource
from alexnet_native.data.augment import Augmentation, Augmenter
from alexnet_native.data.batches import Position
from alexnet_native.errors import DataError
from augmented import augmented
from data_files import pixels
from small_loaders import (
    ASKED,
    BATCH,
    COUNT,
    PLAIN,
    SOURCE,
    STATISTICS,
    assert_same,
    loader,
    loader_threads,
    take,
)


def test_every_epoch_contains_every_image_once_in_a_new_order() -> None:
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


@pytest.mark.parametrize("source", [SOURCE, ASKED])
@pytest.mark.parametrize("changes", [{"prefetch": 1}, {"prefetch": 9}, {"threads": 3}])
def test_batches_do_not_depend_on_prefetch_threads_or_reader(
    changes: dict[str, Any], source: ArraySource
) -> None:
    assert_same(take(12, source=source, **changes), take(12))


def test_batches_are_the_epochs_order_augmented() -> None:
    """The loader's pixels against the augmentation of the same images at once."""
    a = Augmentation(crop=(5, 6))
    augmenter = Augmenter(a, (8, 8, 3), STATISTICS, seed=7)
    for batch in take(10):
        order = _core.permutation(7, _core.site_of("data/order"), batch.epoch, COUNT)
        first = batch.index * BATCH
        chosen = order[first : first + BATCH]
        want = augmented(SOURCE.gather(chosen), augmenter, a, epoch=batch.epoch, first=first)
        np.testing.assert_array_equal(batch.images, want)
        np.testing.assert_array_equal(batch.labels, chosen)


@pytest.mark.parametrize("ranks", [2, 3, 7])
@pytest.mark.parametrize("start", [Position(), Position(0, 7)])
def test_ranks_share_the_batches_of_one_loader(ranks: int, start: Position) -> None:
    whole = take(11, position=start)
    parts = [take(11, rank=r, ranks=ranks, threads=2, position=start) for r in range(ranks)]
    for number, batch in enumerate(whole):
        offset = (batch.next_position.offset or COUNT) - len(batch.labels)
        for rank in range(ranks):
            part = parts[rank][number]
            mine = (offset + np.arange(len(batch.labels))) % ranks == rank
            np.testing.assert_array_equal(part.images, batch.images[mine])
            np.testing.assert_array_equal(part.labels, batch.labels[mine])
            assert part.total == len(batch.labels)
            assert part.next_position == batch.next_position


def test_buffers_are_reused() -> None:
    with loader(prefetch=2) as batches:
        for _ in range(50):
            next(batches)
        assert batches.buffers <= 2 + 2


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


def test_a_batch_larger_than_the_data_contains_the_epoch() -> None:
    batches = take(2, batch_size=100)
    assert [len(b.labels) for b in batches] == [COUNT, COUNT]
    assert batches[0].next_position == Position(1, 0)


def test_batches_do_not_change_while_later_ones_are_made() -> None:
    with loader() as batches:
        first = next(batches)
        copy = first.images.copy()
        for _ in range(12):
            next(batches)
        np.testing.assert_array_equal(first.images, copy)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 0}, ["batch size is 0"]),
        ({"threads": 0}, ["threads is 0"]),
        ({"prefetch": 0}, ["prefetch is 0"]),
        ({"position": Position(0, 24)}, ["position 24 of epoch 0", "23 images"]),
        ({"position": Position(-1, 0)}, ["epoch -1"]),
        ({"augmentation": Augmentation(crop=(9, 5))}, ["9 x 5", "8 x 8"]),
        ({"statistics": None}, ["statistics"]),
        ({"source": ArraySource(pixels((0, 8, 8, 3)), np.zeros(0, int))}, ["no images"]),
    ],
)
def test_invalid_settings_are_reported_immediately(
    changes: dict[str, Any], words: list[str]
) -> None:
    before = loader_threads()
    with pytest.raises(DataError) as caught:
        loader(**changes)
    assert [word for word in words if word not in str(caught.value)] == [], caught.value
    assert loader_threads() == before
