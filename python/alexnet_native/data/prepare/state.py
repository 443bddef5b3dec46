"""How far a preparation has come: what a killed one needs to go on."""

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
    """Of one split: everything up to here is on the disk, what is there beyond does not count."""

    inputs: int = 0
    records: int = 0
    name_bytes: int = 0
    sha256: list[str] = field(default_factory=list)  # of the shards that are full, and the last


@dataclass
class State:
    """Of the whole preparation.

    Attributes:
        splits: by name.
        report_bytes: of the rows of the report.
        moments: of the training records.
    """

    splits: dict[str, SplitState]
    moments: Moments
    report_bytes: int = 0

    def save(self, folder: Path) -> None:
        """Writes the state in one piece; what it describes must be on the disk already.

        Raises:
            OSError: full disk.
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
        """The state in `folder`, or that of a preparation that begins.

        Raises:
            DataError: it is damaged.
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
