"""The settings that a prepared data set depends on, and checks that a folder has the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_native import _core
from alexnet_native.atomic import write_text
from alexnet_native.data.jpeg import decoders
from alexnet_native.data.prepare.inputs import Listing
from alexnet_native.data.shards.index import WORK, Index
from alexnet_native.errors import DataError

__all__ = ["Request", "check_begun", "check_finished", "settings_of"]

_FILE = "settings.json"
_RESIZE = "shorter side to size, centre; triangle filter down, cubic up"


@dataclass(frozen=True)
class Request:
    """The arguments of a preparation.

    Attributes:
        source: file or folder.
        folder: the folder of the data set.
        name: name of the data set.
        size: height and width of the records; 0 = the default of the source.
        shard_bytes: maximum size of a shard, which has at least one record.
    """

    source: Path
    folder: Path
    name: str
    size: int
    shard_bytes: int

    def per_shard(self, size: int) -> int:
        """Number of records per shard."""
        return max(1, self.shard_bytes // (3 * size * size))


def settings_of(request: Request, listing: Listing) -> dict[str, Any]:
    """Everything that the bytes of the data set depend on, for dataset.json."""
    size = request.size or listing.size
    return {
        "source": listing.kind,
        "name": request.name,
        "size": size,
        "records_per_shard": request.per_shard(size),
        "resize": _RESIZE,
        "inputs": {split: len(inputs) for split, inputs in listing.splits.items()},
        "fingerprint": listing.fingerprint(),
        "program": f"alexnet-native {_core.__version__}",
        "decoders": decoders(),
        **listing.details,
    }


def check_finished(request: Request, index: Index) -> None:
    """Raises DataError if the complete data set in `index` is not the requested one."""
    asked = {
        "name": request.name,
        "size": request.size or index.size,
        "records_per_shard": request.per_shard(request.size or index.size),
    }
    _compare(request.folder, {**index.settings, "name": index.name}, asked, "has a data set")


def check_begun(request: Request, settings: Mapping[str, Any]) -> None:
    """Writes the settings of a new preparation, or compares them with those of an earlier run.

    Raises:
        DataError: the settings differ.
    """
    file = request.folder / WORK / _FILE
    if not file.is_file():
        write_text(file, json.dumps(settings))
        return
    try:
        before = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise DataError(
            f"{file} is damaged; delete {request.folder} and prepare it again"
        ) from error
    _compare(request.folder, before, settings, "was started")
    if before != json.loads(json.dumps(settings)):
        raise DataError(
            f"{request.source} has changed since {request.folder} was started; delete "
            f"{request.folder} and prepare it again"
        )


def _compare(folder: Path, there: Mapping[str, Any], asked: Mapping[str, Any], what: str) -> None:
    for key in ("source", "name", "size", "records_per_shard", "resize", "program", "decoders"):
        if key in asked and there.get(key) != asked[key]:
            raise DataError(
                f"{folder} {what} with {key.replace('_', ' ')} {there.get(key)}, but now it is "
                f"{asked[key]}; use another folder, or delete this one"
            )
