"""MNIST and data sets in its format: IDX files, optionally compressed with gzip, ten classes.

An IDX file has a big-endian magic number 0x000008DD (DD: number of dimensions), one uint32 size per
dimension, then the data bytes. Source: http://yann.lecun.com/exdb/mnist/, "File formats".
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.source import ArraySource, Dataset
from alexnet_native.errors import DataError

__all__ = ["find_mnist", "read_mnist"]

_CLASSES = tuple(str(digit) for digit in range(10))
_TEST_PREFIXES = ("t10k", "t3k")


def find_mnist(folder: Path) -> bool:
    """Whether `folder` has IDX files with training or test images."""
    return any(_find(folder, prefix, "images") for prefix in ("train", *_TEST_PREFIXES))


def read_mnist(folder: Path) -> Dataset:
    """Reads train-* and t10k-* (or t3k-*) into memory: uint8 (N, H, W, 1), classes "0" to "9".

    Raises:
        DataError: a file is missing, damaged or not an IDX file, or contains a label above 9.
    """
    tests = [prefix for prefix in _TEST_PREFIXES if _find(folder, prefix, "images")]
    return Dataset(
        name=f"IDX images in {folder}",
        classes=_CLASSES,
        train=_read_split(folder, "train"),
        val=_read_split(folder, tests[0]) if tests else None,
    )


def _find(folder: Path, prefix: str, kind: str) -> Path | None:
    dims = 3 if kind == "images" else 1
    for dot in ("-", "."):
        for ending in ("", ".gz"):
            file = folder / f"{prefix}-{kind}{dot}idx{dims}-ubyte{ending}"
            if file.is_file():
                return file
    return None


def _read_split(folder: Path, prefix: str) -> ArraySource:
    images_file, labels_file = (_find(folder, prefix, kind) for kind in ("images", "labels"))
    if images_file is None or labels_file is None:
        kind, dims = ("images", 3) if images_file is None else ("labels", 1)
        raise DataError(f"{folder} has no {prefix}-{kind}-idx{dims}-ubyte (or .gz)")
    images, labels = _read_idx(images_file, 3), _read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_file} has {len(images)} images, but {labels_file} has {len(labels)} labels"
        )
    wrong = np.flatnonzero(labels >= len(_CLASSES))
    if len(wrong):
        raise DataError(
            f"{labels_file}, record {wrong[0]} has label {labels[wrong[0]]}; labels must be 0 to 9"
        )
    return ArraySource(
        images,
        labels,
        name=str(images_file),
        item_name=lambda index: f"{images_file}, record {index}",
    )


def _read_idx(file: Path, dims: int) -> NDArray[np.uint8]:
    data = _read_bytes(file)
    header = 4 + 4 * dims
    magic = 0x00000800 + dims
    if len(data) < header:
        raise DataError(f"{file} is truncated in its header: {len(data)} of {header} bytes")
    found, *shape = (int(n) for n in np.frombuffer(data, ">u4", 1 + dims))
    if found != magic:
        raise DataError(
            f"{file} starts with 0x{found:08X} instead of 0x{magic:08X}; it is not an IDX file of "
            f"unsigned bytes with {dims} dimension{'s' if dims > 1 else ''}"
        )
    item = int(np.prod(shape[1:], dtype=object))
    if item == 0:
        raise DataError(f"{file} declares images of {shape[1]} x {shape[2]} pixels")
    body = len(data) - header
    if body < shape[0] * item:
        raise DataError(
            f"{file} is truncated in record {body // item} of {shape[0]}; copy or download it again"
        )
    if body > shape[0] * item:
        raise DataError(
            f"{file} has {body - shape[0] * item} bytes after its {shape[0]} records; copy or "
            "download it again"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _read_bytes(file: Path) -> bytes:
    try:
        if file.suffix != ".gz":
            return file.read_bytes()
        with gzip.open(file) as stream:
            return stream.read()
    except EOFError as error:
        raise DataError(f"{file} is truncated; copy or download it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file} is not a valid gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
