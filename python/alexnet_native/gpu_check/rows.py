"""What the parts of the check are given, and what they return."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

__all__ = ["Part", "Row", "Settings", "row"]


class Row(TypedDict):
    """One line of the report. `ok` is None where there is nothing to hold: a speed, a reason."""

    what: str
    ok: bool | None
    figure: str
    numbers: dict[str, float]


def row(what: str, ok: bool | None, figure: str, **numbers: float) -> Row:
    """Leaves out numbers that are not finite, for which JSON has no words; the figure says them."""
    finite = {name: number for name, number in numbers.items() if math.isfinite(number)}
    return Row(what=what, ok=ok, figure=figure, numbers=finite)


@dataclass(frozen=True)
class Settings:
    """One set for all parts; each takes what it needs.

    Attributes:
        devices: under check; `speed`, `layers` and `sanitizer` take the first.
        nets: of `layers`, `loss` and `speed`. precisions: of `layers` and `speed`.
        batches, peers: of `speed`.
        seconds: of this part, after which it is ended. `speed` leaves out what will not fit.
        source: the folder of the repository, for its tests; None: there is none here.
        tests: of `tests`, files or folders in `source`; empty: those that run on the devices.
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
        return self.devices[0]


Part = Callable[[Settings], Iterator[Row]]
