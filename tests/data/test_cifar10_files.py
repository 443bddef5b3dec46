from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import open_data
from alexnet_native.errors import DataError, UserError
from data_files import write_cifar10

RECORD = 3073


def all_indices(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def test_records_become_images_in_file_order(tmp_path: Path) -> None:
    images, labels = write_cifar10(tmp_path, records=3)
    data = open_data(tmp_path)
    assert data.val is not None
    np.testing.assert_array_equal(data.train.gather(all_indices(15)), images[:15])
    np.testing.assert_array_equal(data.train.labels, labels[:15])
    np.testing.assert_array_equal(data.val.gather(all_indices(3)), images[15:])
    np.testing.assert_array_equal(data.val.labels, labels[15:])
    assert data.train.image_shape == (32, 32, 3)
    assert data.classes[0] == "airplane" and data.classes[9] == "truck"


def test_the_official_folder_is_found_below_the_given_one(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    assert len(open_data(str(tmp_path)).train) == 15


def test_class_names_come_from_the_meta_file(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    names = [f"thing{i}" for i in range(10)]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert open_data(tmp_path).classes == tuple(names)


def test_an_image_is_named_by_file_and_record(tmp_path: Path) -> None:
    write_cifar10(tmp_path, records=3)
    source = open_data(tmp_path).train
    assert source.item_name(0) == f"{tmp_path / 'data_batch_1.bin'}, record 0"
    assert source.item_name(7) == f"{tmp_path / 'data_batch_3.bin'}, record 1"
    assert source.item_name(14) == f"{tmp_path / 'data_batch_5.bin'}, record 2"


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def relabel(file: Path, record: int, label: int) -> None:
    data = bytearray(file.read_bytes())
    data[record * RECORD] = label
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: cut(f / "data_batch_2.bin", 2 * RECORD + 5), ["data_batch_2.bin", "record 2"]),
        (lambda f: cut(f / "data_batch_4.bin", RECORD - 1), ["data_batch_4.bin", "record 0"]),
        (lambda f: cut(f / "test_batch.bin", 0), ["test_batch.bin", "empty"]),
        (
            lambda f: (f / "data_batch_1.bin").write_bytes(bytes(3074 * 4)),  # CIFAR-100's records
            ["data_batch_1.bin", "12296 bytes", "record 4"],
        ),
        (
            lambda f: relabel(f / "data_batch_5.bin", 1, 10),
            ["data_batch_5.bin", "record 1", "label 10"],
        ),
        (
            lambda f: relabel(f / "test_batch.bin", 2, 255),
            ["test_batch.bin", "record 2", "label 255"],
        ),
        (lambda f: (f / "data_batch_3.bin").unlink(), ["data_batch_3.bin"]),
        (lambda f: (f / "test_batch.bin").unlink(), ["test_batch.bin"]),
        (
            lambda f: (f / "batches.meta.txt").write_text("cat\ndog\n"),
            ["batches.meta.txt", "2 class names"],
        ),
    ],
)
def test_damage_is_reported_in_one_message_with_file_and_record(
    tmp_path: Path, damage: object, words: list[str]
) -> None:
    write_cifar10(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    assert isinstance(caught.value, UserError)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert re.search(re.escape(word), text), text


@pytest.mark.slow
def test_the_whole_set_has_the_official_counts_and_first_labels(
    shared: Path, tmp_path: Path
) -> None:
    script = shared / "data" / "cifar10" / "unpack.py"
    if not script.is_file():
        pytest.skip(f"no {script}")
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    data = open_data(tmp_path)
    assert data.val is not None
    assert (len(data.train), len(data.val)) == (50_000, 10_000)
    # The set's own page shows the first pictures: a frog, two trucks, a deer, an automobile.
    first = [data.classes[label] for label in data.train.labels[:5]]
    assert first == ["frog", "truck", "truck", "deer", "automobile"]
    assert np.bincount(data.train.labels).tolist() == [5000] * 10
    assert np.bincount(data.val.labels).tolist() == [1000] * 10
