"""The progress of a preparation, saved so that an interrupted one can be continued."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from alexnet_native.data.shards.columns import write_arrays
from alexnet_native.data.statistics import Moments
from alexnet_native.errors import DataError

__all__ = ["SplitState", "State"]

_FILE = "state.npz"


@dataclass
class SplitState:
    """Progress of one split: data up to here is on the disk; anything after it is discarded."""

    inputs: int = 0
    records: int = 0
    name_bytes: int = 0
    sha256: list[str] = field(default_factory=list)  # of the complete shards


@dataclass
class State:
    """Progress of the preparation.

    Attributes:
        splits: progress of each split, by name.
        moments: sums over the training records.
        report_bytes: number of bytes of the report's rows.
    """

    splits: dict[str, SplitState]
    moments: Moments
    report_bytes: int = 0

    def save(self, folder: Path) -> None:
        """Writes the state atomically; the data that it describes must already be on the disk.

        Raises:
            OSError: the disk is full.
        """
        counts = {
            "splits": {name: asdict(split) for name, split in self.splits.items()},
            "report_bytes": self.report_bytes,
            "images": self.moments.images,
        }
        write_arrays(
            folder / _FILE,
            counts=np.frombuffer(json.dumps(counts).encode(), np.uint8),
            sums=self.moments.sums,
            products=self.moments.products,
        )

    @classmethod
    def load(cls, folder: Path, splits: list[str], shape: tuple[int, int, int]) -> State:
        """The state in `folder`, or the initial state if there is none.

        Raises:
            DataError: the file is damaged.
        """
        file = folder / _FILE
        if not file.is_file():
            return cls({name: SplitState() for name in splits}, Moments.none(shape))
        try:
            with np.load(file, allow_pickle=False) as archive:
                counts = json.loads(archive["counts"].tobytes())
                moments = Moments(counts["images"], archive["sums"], archive["products"])
            return cls(
                {name: SplitState(**counts["splits"][name]) for name in splits},
                moments,
                counts["report_bytes"],
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{file} is damaged ({error}); delete {folder.parent} and prepare it again"
            ) from error
