"""The files beside the records: labels, checksums, names and statistics."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.atomic import replacing
from alexnet_native.data.shards.index import Index
from alexnet_native.data.shards.record_names import read_names
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = [
    "STATISTICS",
    "column",
    "read_checksums",
    "read_labels",
    "read_record_names",
    "read_statistics",
    "shard_file",
    "write_arrays",
]

STATISTICS = "statistics.npz"


def shard_file(split: str, number: int) -> str:
    """The file name of a shard."""
    return f"{split}-{number:05d}.bin"


def column(split: str, kind: str) -> str:
    """The file name of the "labels", "crc32" or "names" of a split."""
    return f"{split}.{kind}.{'txt' if kind == 'names' else 'npy'}"


def read_labels(folder: Path, index: Index, split: str) -> NDArray[np.int32]:
    """Reads the labels: int32 (N,), 0 to classes - 1.

    Raises:
        DataError: the file is missing, damaged or has the wrong length, or a label has no class.
    """
    labels = _array(folder / column(split, "labels"), np.dtype(np.int32), index, split)
    if labels.size and (labels.min() < 0 or labels.max() >= len(index.classes)):
        raise DataError(
            f"{folder / column(split, 'labels')} contains a label outside 0 to "
            f"{len(index.classes) - 1}; prepare the data set again"
        )
    return labels


def read_checksums(folder: Path, index: Index, split: str) -> NDArray[np.uint32]:
    """uint32 (N,): zlib's CRC-32 of each record.

    Raises:
        DataError: missing, damaged or of another length.
    """
    return _array(folder / column(split, "crc32"), np.dtype(np.uint32), index, split)


def read_record_names(folder: Path, index: Index, split: str) -> list[str]:
    """Where each record came from.

    Raises:
        DataError: missing, damaged or of another length.
    """
    file = folder / column(split, "names")
    names = read_names(file)
    if len(names) != index.splits[split].images:
        raise _length(file, len(names), index, split)
    return names


def read_statistics(folder: Path, index: Index) -> Statistics:
    """Reads the mean image and the principal components of the training records.

    statistics.npz contains float64 arrays: `mean` (size, size, channels), `covariance` of all
    pixels (channels, channels), `eigenvalues` (channels,) in ascending order, `eigenvectors`
    (channels, channels) as rows.

    Raises:
        DataError: the file is missing, damaged or for images of another size.
    """
    file = folder / STATISTICS
    try:
        with np.load(file, allow_pickle=False) as archive:
            mean, values, rows = (archive[k] for k in ("mean", "eigenvalues", "eigenvectors"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{file} is missing or damaged ({error}); prepare the data set again"
        ) from error
    if mean.shape != index.record_shape or rows.shape != (index.channels,) * 2:
        raise DataError(f"{file} is for images of another size; prepare the data set again")
    return Statistics(
        np.ascontiguousarray(mean.transpose(2, 0, 1), np.float32),
        np.sqrt(np.maximum(values, 0.0)).astype(np.float32),
        rows.astype(np.float32),
    )


def write_arrays(file: Path, array: NDArray[Any] | None = None, **arrays: Any) -> None:
    """Writes .npy (one array) or .npz (named arrays); equal arrays give equal bytes.

    Raises:
        OSError: the file cannot be written.
    """
    buffer = io.BytesIO()
    if array is not None:
        np.save(buffer, array, allow_pickle=False)
    else:
        np.savez(buffer, **arrays)
    with replacing(file) as stream:
        stream.write(buffer.getbuffer())


def _array(file: Path, dtype: np.dtype[Any], index: Index, split: str) -> NDArray[Any]:
    try:
        array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{file} is missing or damaged ({error}); prepare the data set again"
        ) from error
    if array.dtype != dtype or array.ndim != 1:
        raise DataError(
            f"{file} contains {array.dtype} {array.shape}, not {dtype} (N,); prepare the data set "
            "again"
        )
    if len(array) != index.splits[split].images:
        raise _length(file, len(array), index, split)
    return np.ascontiguousarray(array)


def _length(file: Path, found: int, index: Index, split: str) -> DataError:
    return DataError(
        f"{file} has {found} entries instead of {index.splits[split].images}; prepare the data set "
        "again"
    )
