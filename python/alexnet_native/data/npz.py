"""Data sets in one .npz file, under any of the usual array names."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.arrays import class_names
from alexnet_native.data.source import ArraySource, Dataset, Splits
from alexnet_native.errors import DataError

__all__ = ["read_npz", "read_npz_splits"]

_TRAIN = (("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels"))
_VAL = (
    ("x_test", "y_test"),
    ("x_val", "y_val"),
    ("test_images", "test_labels"),
    ("val_images", "val_labels"),
)
_CLASS_NAMES = ("classes", "class_names")


def read_npz(file: Path) -> Dataset:
    """Reads images, integers 0 to 255 of shape (N, H, W, C) or (N, H, W), and labels (N,).

    The array names, upper or lower case: images/labels, x_train/y_train or
    train_images/train_labels for training; x_test/y_test, x_val/y_val, test_images/test_labels or
    val_images/val_labels for validation; classes or class_names (optional).

    Raises:
        DataError: the arrays are missing, or their shapes do not match.
    """
    return _dataset(_read(file), file)


def read_npz_splits(file: Path) -> Splits:
    """Reads the same arrays to evaluate them; those for training may be missing.

    Raises:
        DataError: as for `read_npz`.
    """
    arrays = _read(file)
    val = _split(arrays, _VAL, file)
    if val is None or _split(arrays, _TRAIN, file) is not None:
        data = _dataset(arrays, file)
        return Splits(data.name, data.classes, data.splits)
    # As a Dataset, which checks the labels.
    data = Dataset(file.name, class_names(val, _names(arrays)), val)
    return Splits(data.name, data.classes, {"val": val})


def _dataset(arrays: Mapping[str, NDArray[Any]], file: Path) -> Dataset:
    train = _split(arrays, _TRAIN, file)
    if train is None:
        raise DataError(
            f"{file} contains {_listed(arrays)}; the arrays must be named images and labels, or "
            "x_train, y_train, x_test and y_test"
        )
    val = _split(arrays, _VAL, file)
    return Dataset(file.name, class_names(train, _names(arrays)), train, val)


def _names(arrays: Mapping[str, NDArray[Any]]) -> list[str] | None:
    names = next((arrays[key] for key in _CLASS_NAMES if key in arrays), None)
    return None if names is None else [str(name) for name in names]


def _read(file: Path) -> Mapping[str, NDArray[Any]]:
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream):
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                return {name.lower(): archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
        raise DataError(f"{file} cannot be read as .npz: {error}") from error


def _split(
    arrays: Mapping[str, NDArray[Any]], spellings: tuple[tuple[str, str], ...], file: Path
) -> ArraySource | None:
    for images, labels in spellings:
        if (images in arrays) != (labels in arrays):
            there, absent = (images, labels) if images in arrays else (labels, images)
            raise DataError(f"{file} has {there} but no {absent}")
        if images in arrays:
            return ArraySource(arrays[images], arrays[labels], name=f"{file}, {images}")
    return None


def _listed(arrays: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(sorted(arrays)) or "no arrays"
