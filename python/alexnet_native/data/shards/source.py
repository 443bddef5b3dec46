"""Reads a prepared data set. Records are read from their files when they are used."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import Records, records_in_files
from alexnet_native.data.shards.columns import (
    read_checksums,
    read_labels,
    read_record_names,
    read_statistics,
)
from alexnet_native.data.shards.index import SPLITS, Index, read_index
from alexnet_native.data.source import Dataset
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["ShardSource", "read_shards"]


class ShardSource:
    """One split of a folder written by `alexnet-native prepare`; a :class:`Source`.

    Args:
        folder: the folder with dataset.json.
        index: the content of dataset.json.
        split: name of a split in the index.

    Raises:
        DataError: a file is missing, has the wrong length, or belongs to another data set.
    """

    def __init__(self, folder: Path, index: Index, split: str) -> None:
        self.labels = read_labels(folder, index, split)
        self.image_shape = index.record_shape
        self._folder, self._index, self._split = folder, index, split
        self._each = index.splits[split].records_per_shard
        self._names: list[str] | None = None
        self._shards = [
            np.memmap(folder / shard.file, np.uint8, "r", shape=(shard.images, *index.record_shape))
            for shard in index.splits[split].shards
        ]

    def __len__(self) -> int:
        return len(self.labels)

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        if out is None:
            out = np.empty((len(indices), *self.image_shape), np.uint8)
        for place, index in enumerate(indices.tolist()):
            out[place] = self._shards[index // self._each][index % self._each]
        return out

    def records(self) -> Records | None:
        files = [str(self._folder / shard.file) for shard in self._index.splits[self._split].shards]
        return records_in_files(self.image_shape, len(self), files, self._each)

    def item_name(self, index: int) -> str:
        if self._names is None:
            self._names = read_record_names(self._folder, self._index, self._split)
        return self._names[index]

    def statistics(self) -> Statistics:
        """The statistics of the training records, computed when the data set was prepared."""
        return read_statistics(self._folder, self._index)

    def verify(self) -> None:
        """Compares every record with its checksum.

        Raises:
            DataError: a record is damaged; the message names the first.
        """
        for index, checksum in enumerate(read_checksums(self._folder, self._index, self._split)):
            record = self._shards[index // self._each][index % self._each]
            if zlib.crc32(record) != checksum:
                file = self._index.splits[self._split].shards[index // self._each].file
                raise DataError(
                    f"record {index % self._each} of {self._folder / file} "
                    f"({self.item_name(index)}) is damaged; prepare the data set again"
                )


def read_shards(folder: Path) -> Dataset:
    """Opens a prepared data set.

    Raises:
        DataError: there is no index, there are no training records, or a file is damaged or
            missing.
    """
    index = read_index(folder)
    if "train" not in index.splits:
        raise DataError(f"{folder} has no training records; prepare a data set with a train split")
    sources = {
        split: ShardSource(folder, index, split)
        for split in SPLITS
        if split in index.splits and index.splits[split].images
    }
    if "train" not in sources:
        raise DataError(f"{folder} has no training records; prepare a data set with a train split")
    return Dataset(index.name, index.classes, **sources)
