"""Training from prepared sets: the same pixels, labels and statistics as from the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.cli import main
from alexnet_native.data import ArraySource, Dataset, open_data
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.folder import read_folder
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.shards.index import read_index
from alexnet_native.data.shards.source import ShardSource
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import DataError
from alexnet_native.models import describe
from alexnet_native.training import fit
from PIL import Image
from prepared import jpeg, prepare, records, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("shards")
    counts = {"train": 17, "val": 5}
    files = {
        f"{split}/{name}/{i}.jpg": jpeg(seed=31 * i + ord(name))
        for split, count in counts.items()
        for name in "ab"
        for i in range(count)
    }
    folder = top / "set"
    prepare(write(top / "pictures", files), folder, shard_bytes=32 * 32 * 3 * 7)
    return folder


def source(folder: Path, split: str = "train") -> ShardSource:
    return ShardSource(folder, read_index(folder), split)


def test_every_record_is_read_from_any_shard(shards: Path) -> None:
    data = open_data(shards)
    assert data.classes == ("a", "b") and data.val is not None and len(data.val) == 10
    want = records(shards, read_index(shards), "train")
    assert len(read_index(shards).splits["train"].shards) == 5
    order = np.random.default_rng(0).permutation(34)
    np.testing.assert_array_equal(data.train.gather(order), want[order])
    np.testing.assert_array_equal(data.train.labels, [0] * 17 + [1] * 17)
    assert data.train.item_name(20).endswith(".jpg")


def test_statistics_are_those_of_a_pass_over_the_records(shards: Path) -> None:
    known = statistics(source(shards))
    want = statistics(ArraySource(records(shards, read_index(shards), "train"), np.zeros(34, int)))
    np.testing.assert_array_equal(known.mean, want.mean)
    np.testing.assert_allclose(known.pca_std, want.pca_std, rtol=1e-6)
    np.testing.assert_allclose(known.pca_vectors, want.pca_vectors, atol=1e-6)


def test_a_loader_gives_the_same_batches_as_from_memory(shards: Path) -> None:
    mapped = source(shards)
    memory = ArraySource(records(shards, read_index(shards), "train"), mapped.labels)
    augmentation = Augmentation(crop=(28, 24))
    loaders = [
        TrainLoader(
            images, batch_size=8, augmentation=augmentation, statistics=statistics(mapped), seed=3
        )
        for images in (mapped, memory)
    ]
    for _ in range(7):
        got, want = (next(loader) for loader in loaders)
        np.testing.assert_array_equal(got.images, want.images)
        np.testing.assert_array_equal(got.labels, want.labels)
    for loader in loaders:
        loader.close()


def test_the_command_trains_on_shards(shards: Path, tmp_path: Path) -> None:
    words = ["--net", "cifar10-quick", "--epochs", "1", "--steps", "2", "--batch-size", "8"]
    assert main(["train", *words, "--data", str(shards), "--out", str(tmp_path / "run")]) == 0


def test_a_changed_record_is_detected_and_named(shards: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in shards.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    source(copy).verify()
    damaged = copy / "train-00001.bin"
    content = bytearray(damaged.read_bytes())
    content[3072 * 2 + 5] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(DataError, match=r"record 2 of .*train-00001.bin .* is damaged"):
        source(copy).verify()
    damaged.write_bytes(content[:-1])
    with pytest.raises(DataError, match="bytes instead of"):
        open_data(copy)


def losses(data: Dataset, **settings: Any) -> list[tuple[float, float]]:
    """Loss and error of each training step."""
    network = Net(describe("cifar10-quick", classes=2), seed=5)
    outcome = fit(network, data, epochs=2, batch_size=8, log_every=1, verbose=False, **settings)
    return [(r.loss, r.top1_error) for r in outcome.records if r.split == "train"]


def test_a_training_has_the_same_losses_from_shards_and_from_the_folder_of_equal_pixels(
    shards: Path, tmp_path: Path
) -> None:
    """Pictures without loss, in the size of the records, of the same classes and order."""
    index = read_index(shards)
    for split in ("train", "val"):
        found = source(shards, split)
        for number, record in enumerate(records(shards, index, split)):
            name = tmp_path / split / "ab"[found.labels[number]] / f"{number:03d}.png"
            name.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(record).save(name)
    prepared = losses(open_data(shards), color_std=0.1)
    assert len(prepared) == 10 and len(set(prepared)) > 5
    for cache_bytes in (0, 1 << 30):  # decoded for each use, and once
        folder = read_folder(tmp_path, resize=32, cache_bytes=cache_bytes)
        assert losses(folder, color_std=0.1) == prepared
    assert losses(open_data(shards), color_std=0.1, augment="device") == prepared
