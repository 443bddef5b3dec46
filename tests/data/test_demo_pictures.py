from __future__ import annotations

import hashlib

import numpy as np
import pytest
from alexnet_native.data.demo import demo
from alexnet_native.errors import DataError
from numpy.typing import NDArray


def pictures(
    count: int, split: str = "train", seed: int = 0, threads: int = 1
) -> NDArray[np.uint8]:
    data = demo(count, count, seed=seed, threads=threads)
    source = data.train if split == "train" else data.val
    assert source is not None
    return source.gather(np.arange(count, dtype=np.int64))


KNOWN = ["83b1162ff12f0d9b", "d34da827556f52b3"]  # training, validation


def digest(images: NDArray[np.uint8]) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()[:16]


def test_the_pictures_are_256_by_256_rgb_and_the_classes_alternate() -> None:
    data = demo(40, 20)
    assert data.val is not None
    assert data.train.image_shape == (256, 256, 3)
    assert len(data.classes) == 10 and list(data.classes) == sorted(data.classes)
    assert np.bincount(data.train.labels).tolist() == [4] * 10
    assert np.bincount(data.val.labels).tolist() == [2] * 10
    assert data.train.item_name(3) == "demo, train picture 3"


def test_a_picture_depends_on_seed_split_and_index_only() -> None:
    want = pictures(10)
    np.testing.assert_array_equal(pictures(10, threads=3), want)
    alone = demo(1000, 0).train.gather(np.array([7, 2], np.int64))
    np.testing.assert_array_equal(alone, want[[7, 2]])
    for other in (pictures(10, split="val"), pictures(10, seed=1)):
        assert all((a != b).mean() > 0.5 for a, b in zip(want, other, strict=True))


def test_the_pictures_are_the_same_on_every_machine() -> None:
    # Hashes of the first version of the drawings; they change if the drawings change.
    assert [digest(pictures(10)), digest(pictures(10, split="val"))] == KNOWN


def test_colors_do_not_predict_the_classes() -> None:
    # Nearest class mean of each picture's average color and brightness spread: near chance.
    train, val = pictures(200), pictures(100, split="val")

    def features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        flat = images.reshape(len(images), -1, 3).astype(np.float64)
        return np.concatenate([flat.mean(axis=1), flat.std(axis=1)], axis=1)

    x, y = features(train), features(val)
    scale = x.std(axis=0)
    means = np.array([x[i::10].mean(axis=0) for i in range(10)])
    nearest = (((y[:, None] - means) / scale) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == np.arange(100) % 10).mean() < 0.25


def test_pictures_of_a_class_differ() -> None:
    images = pictures(60).astype(np.float64)
    for label in range(10):
        same = images[label::10].reshape(6, -1)
        assert np.abs(np.corrcoef(same) - np.eye(6)).max() < 0.95


@pytest.mark.parametrize(("train", "val"), [(0, 5), (5, -1)])
def test_impossible_sizes_are_refused(train: int, val: int) -> None:
    with pytest.raises(DataError, match=f"{train} training and {val} validation"):
        demo(train, val)
