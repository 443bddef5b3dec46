"""The index of a prepared data set, dataset.json.

A prepared folder contains::

    dataset.json         this index; written last: if it exists, the data set is complete
    train-00000.bin ...  records: uint8 (size, size, channels), interleaved, nothing between them
    train.labels.npy     int32 (N,), 0 to classes - 1, in record order
    train.crc32.npy      uint32 (N,), the CRC-32 of each record
    train.names.txt      the source of each record, one per line (see record_names.py)
    val-00000.bin ...    the same for each other split: val, test
    statistics.npz       statistics of the training split (see columns.py)
    report.csv           inputs that were converted or left out, with the reason

Record i of a split is record i % records_per_shard of shard i // records_per_shard.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet_native.atomic import write_text
from alexnet_native.errors import DataError

__all__ = ["INDEX", "SPLITS", "WORK", "Index", "Shard", "Split", "find_shards", "read_index"]

INDEX = "dataset.json"
WORK = ".prepare"  # the working folder of an incomplete preparation
SPLITS = ("train", "val", "test")

_FORMAT = "alexnet-native shards"
_VERSION = 1


@dataclass(frozen=True)
class Shard:
    """One file of records."""

    file: str
    images: int
    sha256: str


@dataclass(frozen=True)
class Split:
    """The shards of one split; all except the last contain `records_per_shard` records."""

    images: int
    records_per_shard: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Index:
    """The content of dataset.json.

    Attributes:
        name: name of the data set, for display.
        size: height and width of every record, in pixels.
        channels: number of channels of every record; 3 = red, green, blue.
        classes: class names, in the order of the labels.
        splits: by name: "train" and optionally "val" and "test".
        settings: how the data set was prepared; not needed to read it.
    """

    name: str
    size: int
    channels: int
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    settings: Mapping[str, Any]

    @property
    def record_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of a record."""
        return self.size, self.size, self.channels

    @property
    def record_bytes(self) -> int:
        return self.size * self.size * self.channels

    def write(self, folder: Path) -> None:
        """Writes dataset.json atomically.

        Raises:
            OSError: the file cannot be written.
        """
        text = json.dumps({"format": _FORMAT, "version": _VERSION, **asdict(self)}, indent=1)
        write_text(folder / INDEX, text + "\n")


def find_shards(folder: Path) -> bool:
    """Whether `folder` contains a prepared data set, complete or not."""
    return (folder / INDEX).is_file() or (folder / WORK).is_dir()


def read_index(folder: Path) -> Index:
    """Reads dataset.json and checks that its shards exist and have the right length.

    Raises:
        DataError: the data set is incomplete, the index is damaged or from a later version, or a
            shard is missing or has the wrong length.
    """
    file = folder / INDEX
    if not file.is_file() and (folder / WORK).is_dir():
        raise DataError(
            f"{folder} is incomplete; run the same alexnet-native prepare command again to continue"
        )
    try:
        values = json.loads(file.read_text("utf-8"))
        _check_version(file, values)
        index = Index(
            name=str(values["name"]),
            size=int(values["size"]),
            channels=int(values["channels"]),
            classes=tuple(str(name) for name in values["classes"]),
            splits={name: _split(split) for name, split in values["splits"].items()},
            settings=values["settings"],
        )
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is damaged ({error!r}); prepare the data set again") from error
    _check(folder, index)
    return index


def _split(values: Mapping[str, Any]) -> Split:
    return Split(
        images=int(values["images"]),
        records_per_shard=int(values["records_per_shard"]),
        shards=tuple(
            Shard(str(shard["file"]), int(shard["images"]), str(shard["sha256"]))
            for shard in values["shards"]
        ),
    )


def _check_version(file: Path, values: Mapping[str, Any]) -> None:
    if values.get("format") != _FORMAT:
        raise DataError(
            f'{file} is not the index of a prepared data set; it has no "format": "{_FORMAT}"'
        )
    if values["version"] != _VERSION:
        raise DataError(
            f"{file} has format version {values['version']}, but this program reads version "
            f"{_VERSION}; prepare the data set again, or install a newer version of the program"
        )


def _check(folder: Path, index: Index) -> None:
    if index.size < 1 or index.channels < 1 or "train" not in index.splits:
        raise DataError(f"{folder / INDEX} has no training images; prepare the data set again")
    for name, split in index.splits.items():
        full = [split.records_per_shard] * (len(split.shards) - 1)
        counts = [shard.images for shard in split.shards]
        if counts[:-1] != full or sum(counts) != split.images:
            raise DataError(
                f"{folder / INDEX}: the shards of {name} do not add up to its {split.images} "
                "images; prepare the data set again"
            )
        for shard in split.shards:
            _check_shard(folder / shard.file, shard.images * index.record_bytes)


def _check_shard(file: Path, size: int) -> None:
    try:
        found = file.stat().st_size
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror or error}); copy or prepare the data set again"
        ) from error
    if found != size:
        raise DataError(
            f"{file} has {found} bytes instead of {size}; copy or prepare the data set again"
        )
