"""The arguments and the results of the parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

__all__ = ["CheckRow", "Part", "Settings", "row"]


class CheckRow(TypedDict):
    """One line of the report. `ok` is None if nothing is checked, e.g. for a speed."""

    what: str
    ok: bool | None
    figure: str
    numbers: dict[str, float]


def row(what: str, ok: bool | None, figure: str, **numbers: float) -> CheckRow:
    """Makes a row; omits numbers that are not finite, which JSON cannot represent."""
    finite = {name: number for name, number in numbers.items() if math.isfinite(number)}
    return CheckRow(what=what, ok=ok, figure=figure, numbers=finite)


@dataclass(frozen=True)
class Settings:
    """The settings of a part.

    Attributes:
        devices: devices to check; `speed`, `layers` and `sanitizer` use only the first.
        nets: networks for `layers`, `loss` and `speed`.
        batches: batch sizes for `speed`.
        precisions: precisions for `layers` and `speed`.
        peers: PyTorch variants for `speed`.
        seconds: time limit of the part.
        source: folder of the repository, for `tests`; None if there is none.
        tests: files or folders in `source` for `tests`; empty = the default.
    """

    devices: tuple[str, ...]
    nets: tuple[str, ...]
    batches: tuple[int, ...]
    precisions: tuple[str, ...]
    peers: tuple[str, ...]
    seconds: float
    source: Path | None
    tests: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The first device."""
        return self.devices[0]


Part = Callable[[Settings], Iterator[CheckRow]]
