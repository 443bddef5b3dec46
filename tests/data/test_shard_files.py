"""The format of a prepared data set, on files that the test writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native.data.shards.columns import (
    STATISTICS,
    read_checksums,
    read_labels,
    read_record_names,
    read_statistics,
    write_arrays,
)
from alexnet_native.data.shards.index import (
    INDEX,
    WORK,
    Index,
    Shard,
    Split,
    find_shards,
    read_index,
)
from alexnet_native.data.shards.record_names import escaped, lines, unescaped
from alexnet_native.errors import DataError
from properties import given, st

NAMES = ("plain.jpg", "two\nlines\\.jpg", "bytes \udcff.jpg", "größe.jpg", "")
LABELS = (1, 0, 1, 1, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five training records of 2 x 2 pixels in shards of two, no validation."""
    pixels = np.arange(5 * 12, dtype=np.uint8).tobytes()
    for number in range(3):
        (tmp_path / f"train-0000{number}.bin").write_bytes(pixels[24 * number : 24 * (number + 1)])
    write_arrays(tmp_path / "train.labels.npy", np.array(LABELS, np.int32))
    write_arrays(tmp_path / "train.crc32.npy", np.arange(5, dtype=np.uint32))
    (tmp_path / "train.names.txt").write_bytes(lines(NAMES))
    write_arrays(
        tmp_path / STATISTICS,
        mean=np.arange(12.0).reshape(2, 2, 3),
        covariance=np.diag([4.0, 9.0, 16.0]),
        eigenvalues=np.array([4.0, 9.0, 16.0]),
        eigenvectors=np.eye(3),
    )
    shards = tuple(Shard(f"train-0000{i}.bin", n, "") for i, n in enumerate((2, 2, 1)))
    split = Split(images=5, records_per_shard=2, shards=shards)
    Index("five", 2, 3, ("cat", "dog"), {"train": split}, {"made": "by hand"}).write(tmp_path)
    return tmp_path


def test_an_index_is_read_back_unchanged(folder: Path) -> None:
    index = read_index(folder)
    assert (index.name, index.record_shape, index.record_bytes) == ("five", (2, 2, 3), 12)
    assert index.classes == ("cat", "dog") and index.settings == {"made": "by hand"}
    assert index.splits["train"].shards[2] == Shard("train-00002.bin", 1, "")
    values = json.loads((folder / INDEX).read_text())
    assert (values["format"], values["version"]) == ("alexnet-native shards", 1)
    assert find_shards(folder)


def test_columns_are_read_in_record_order(folder: Path) -> None:
    index = read_index(folder)
    assert read_labels(folder, index, "train").tolist() == list(LABELS)
    assert read_checksums(folder, index, "train").tolist() == [0, 1, 2, 3, 4]
    assert read_record_names(folder, index, "train") == list(NAMES)
    statistics = read_statistics(folder, index)
    assert statistics.image_shape == (2, 2, 3)
    assert statistics.mean[:, 1, 0].tolist() == [6, 7, 8]
    assert statistics.pca_std.tolist() == [2, 3, 4]


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_is_stored_on_one_line_and_restored(name: str) -> None:
    line = escaped(name)
    assert "\n" not in line and "\r" not in line
    assert unescaped(line.encode("utf-8").decode("utf-8")) == name


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        values = json.loads((folder / INDEX).read_text())
        change(values)
        (folder / INDEX).write_text(json.dumps(values))

    return damage


def unfinished(folder: Path) -> None:
    (folder / INDEX).unlink()
    (folder / WORK).mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (unfinished, "is incomplete; run the same alexnet-native prepare command again"),
        (lambda folder: (folder / INDEX).unlink(), "cannot be read: No such file"),
        (lambda folder: (folder / INDEX).write_text("{"), "is damaged"),
        (lambda folder: (folder / INDEX).write_text("[]"), "is damaged"),
        (edit(lambda v: v.pop("classes")), "is damaged"),
        (edit(lambda v: v.update(format="other")), "is not the index of a prepared data set"),
        (edit(lambda v: v.update(version=2)), "has format version 2"),
        (edit(lambda v: v.update(splits={})), "has no training images"),
        (edit(lambda v: v["splits"]["train"].update(images=6)), "do not add up to its 6 images"),
        (edit(lambda v: v["splits"]["train"]["shards"].pop(0)), "do not add up to its 5 images"),
        (lambda folder: (folder / "train-00001.bin").unlink(), "train-00001.bin cannot be read"),
        (lambda folder: (folder / "train-00001.bin").write_bytes(b"x"), "has 1 bytes instead of"),
    ],
)
def test_a_damaged_index_is_refused_with_a_message(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(DataError, match=message):
        read_index(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.labels.npy", np.arange(5, dtype=np.int32), "a label outside 0 to 1"),
        ("train.labels.npy", np.zeros(4, np.int32), "has 4 entries instead of 5"),
        ("train.labels.npy", np.zeros(5), "contains float64"),
        ("train.labels.npy", b"no array", "is missing or damaged"),
        ("train.crc32.npy", np.zeros(5, np.int32), "contains int32"),
        ("train.names.txt", b"one\ntwo\n", "has 2 entries instead of 5"),
        ("train.names.txt", b"\\q\n" * 5, "unknown escape"),
        ("train.names.txt", b"\xff\n" * 5, "is damaged"),
        (STATISTICS, b"no archive", "is missing or damaged"),
    ],
)
def test_a_damaged_column_is_refused_with_a_message(
    folder: Path, name: str, content: Any, message: str
) -> None:
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        write_arrays(folder / name, content)
    index = read_index(folder)
    with pytest.raises(DataError, match=message):
        read_labels(folder, index, "train")
        read_checksums(folder, index, "train")
        read_record_names(folder, index, "train")
        read_statistics(folder, index)
