from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native.data import ArraySource, Dataset, open_data
from alexnet_native.errors import DataError
from data_files import pixels

IMAGES = pixels((4, 6, 5, 3))
LABELS = np.array([0, 2, 1, 2])
GREY = IMAGES[..., 0]


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (("images", "labels"), None),
        (("x_train", "y_train"), ("x_test", "y_test")),
        (("X_train", "Y_train"), ("x_val", "y_val")),
        (("train_images", "train_labels"), ("test_images", "test_labels")),
        (("images", "labels"), ("val_images", "val_labels")),
    ],
)
def test_npz_files_are_read_in_the_usual_spellings(
    tmp_path: Path, train: tuple[str, str], val: tuple[str, str] | None
) -> None:
    arrays: dict[str, Any] = {train[0]: IMAGES, train[1]: LABELS}
    if val:
        arrays |= {val[0]: IMAGES[:2], val[1]: LABELS[2:]}
    np.savez(tmp_path / "set.npz", **arrays)
    data = open_data(tmp_path / "set.npz")
    np.testing.assert_array_equal(data.train.gather(np.arange(4, dtype=np.int64)), IMAGES)
    assert data.train.labels.tolist() == [0, 2, 1, 2]
    assert data.classes == ("0", "1", "2")
    assert (data.val is None) == (val is None)
    if data.val is not None:
        assert data.val.labels.tolist() == [1, 2]


def test_class_names_can_be_stored_with_the_arrays(tmp_path: Path) -> None:
    file = tmp_path / "set.npz"
    np.savez_compressed(
        file, images=GREY, labels=LABELS[:, None], classes=np.array(["a", "b", "c"])
    )
    data = open_data(file)
    assert data.classes == ("a", "b", "c")
    assert data.train.image_shape == (6, 5, 1)


def test_integers_of_other_widths_are_accepted_if_they_are_pixel_values() -> None:
    data = open_data((IMAGES.astype(np.int64), LABELS.astype(np.uint8)))
    images = data.train.gather(np.array([3], np.int64))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[0], IMAGES[3])
    assert data.train.labels.dtype == np.int32


def test_uint8_arrays_are_borrowed() -> None:
    mine = IMAGES.copy()
    source = open_data((mine, LABELS)).train
    mine[1] = 7
    assert (source.gather(np.array([1], np.int64)) == 7).all()


def test_four_arrays_are_two_splits() -> None:
    data = open_data((IMAGES, LABELS, IMAGES[:1], LABELS[:1]))
    assert data.val is not None
    assert (len(data.train), len(data.val)) == (4, 1)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": IMAGES, "labels": LABELS}, ["labels", "images"]),
        ({"x_train": IMAGES}, ["x_train", "no y_train"]),
        (
            {"x_train": IMAGES, "y_train": LABELS, "y_test": LABELS},
            ["y_test", "no x_test"],
        ),
        ({"images": IMAGES, "labels": LABELS[:3]}, ["4 images", "3 labels"]),
        ({"images": IMAGES / 255.0, "labels": LABELS}, ["float64", "uint8"]),
        ({"images": IMAGES.astype(int) + 1, "labels": LABELS}, ["256", "0 to 255"]),
        ({"images": IMAGES[0], "labels": LABELS[:1]}, ["6 images", "1 labels"]),
        ({"images": IMAGES[0, 0], "labels": LABELS}, ["(5, 3)"]),
        ({"images": pixels((4, 3, 9, 9)), "labels": LABELS}, ["looks like (N, C, H, W)"]),
        ({"images": IMAGES, "labels": LABELS * 1.0}, ["float64", "integer"]),
        ({"images": IMAGES, "labels": np.eye(4, dtype=int)}, ["(4, 4)", "one integer"]),
        ({"images": IMAGES, "labels": LABELS - 1}, ["image 0", "label -1"]),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, ["no training images"]),
        (
            {"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b"])},
            ["image 1", "label 2", "0 to 1"],
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_val": GREY, "y_val": LABELS},
            ["6 x 5 x 1", "6 x 5 x 3"],
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_val": IMAGES, "y_val": LABELS + 1},
            ["x_val", "image 1", "label 3"],
        ),
        ({"images": np.array([None, 3], object), "labels": LABELS}, ["cannot be read"]),
    ],
)
def test_arrays_that_do_not_match_are_refused_with_one_message(
    tmp_path: Path, arrays: dict[str, Any], words: list[str]
) -> None:
    file = tmp_path / "set.npz"
    np.savez(file, **arrays)
    with pytest.raises(DataError) as caught:
        open_data(file)
    text = str(caught.value)
    assert "\n" not in text
    assert [word for word in ["set.npz", *words] if word not in text] == [], text


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "set.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz cannot be read"):
        open_data(file)


def test_a_tuple_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="not a tuple of 3"):
        open_data((IMAGES, LABELS, IMAGES))


def test_a_data_set_checks_its_labels_against_its_classes() -> None:
    source = ArraySource(IMAGES, LABELS, name="mine")
    with pytest.raises(DataError, match="mine, image 1 has label 2; labels must be 0 to 1"):
        Dataset("mine", ("a", "b"), source)
