"""CIFAR-10 in the binary layout: data_batch_1..5.bin, test_batch.bin, batches.meta.txt.

A record is one label byte and 3072 pixel bytes: red, green and blue planes of 32 x 32.
Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.source import ArraySource, Dataset
from alexnet_native.errors import DataError

__all__ = ["class_names", "find_cifar10", "read_cifar10"]

_OFFICIAL_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST = "test_batch.bin"
_META = "batches.meta.txt"
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def find_cifar10(folder: Path) -> Path | None:
    """The folder with the batches: `folder`, or cifar-10-batches-bin in it; None if neither."""
    for place in (folder, folder / _OFFICIAL_FOLDER):
        if any((place / name).is_file() for name in (*_TRAIN, _TEST)):
            return place
    return None


def read_cifar10(folder: Path) -> Dataset:
    """Reads the data set into memory: uint8 (N, 32, 32, 3), ten classes.

    Raises:
        DataError: a file is missing or truncated, or contains a label above 9.
    """
    missing = [name for name in (*_TRAIN, _TEST) if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} has no {missing[0]}; CIFAR-10 in the binary layout needs "
            "data_batch_1.bin to data_batch_5.bin and test_batch.bin"
        )
    return Dataset(
        name="CIFAR-10",
        classes=class_names(folder / _META),
        train=_read_split([folder / name for name in _TRAIN]),
        val=_read_split([folder / _TEST]),
    )


def _read_split(files: list[Path]) -> ArraySource:
    batches = [_read_batch(file) for file in files]
    starts = np.cumsum([0, *(len(labels) for _, labels in batches)])

    def item_name(index: int) -> str:
        file = int(np.searchsorted(starts, index, side="right")) - 1
        return f"{files[file]}, record {index - starts[file]}"

    return ArraySource(
        np.concatenate([images for images, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
        item_name=item_name,
    )


def _read_batch(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    records, rest = divmod(len(data), _RECORD)
    if len(data) == 0:
        raise DataError(f"{file} is empty; expected records of {_RECORD} bytes")
    if rest:
        raise DataError(
            f"{file} has {len(data)} bytes and is truncated in record {records}: it has {rest} of "
            f"{_RECORD} bytes; copy or download the file again"
        )
    table = data.reshape(records, _RECORD)
    planes = table[:, 1:].reshape(records, *_SHAPE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), table[:, 0]


def class_names(file: Path) -> tuple[str, ...]:
    """The class names in `file`, or the official ones if it does not exist."""
    if not file.is_file():
        return _CLASSES
    names = tuple(file.read_text("utf-8-sig", errors="replace").split())
    if len(names) != len(_CLASSES):
        raise DataError(
            f"{file} has {len(names)} class names, but CIFAR-10 has 10; restore or delete it"
        )
    return names
