"""Part "speed": the training step compared with PyTorch's and with the lower bound of the device.

A cell is a network, a precision and a batch size. Our step and the PyTorch variants alternate in
one process. Every step uploads its images from host memory, and steps are enqueued without waiting
for each other. A compiled variant is measured alone with ours, after resetting the compiler, since
compiling takes longer than everything else: in the first cell immediately, in the others after all
cells without compiling. Cells for which there is not enough time are left out, with a row that
states this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

from alexnet_native import _core
from alexnet_native.errors import ModelError
from alexnet_native.gpu_check.contestants import (
    Contestant,
    RandomBatch,
    is_compiled,
    ours,
    release_memory,
    torchs,
)
from alexnet_native.gpu_check.rows import CheckRow, Settings, row
from alexnet_native.net import BaseNet
from alexnet_native.reports.roofline import StepRoofline, step_roofline

__all__ = ["COMPILED", "TARGET", "speed"]

COMPILED = ", compile"  # suffix of the cell's name in the rows of compiled variants
TARGET = 1.3  # ratio to the fastest PyTorch variant
_ROUNDS, _STEPS = 3, 5
_ONCE_MORE = 1.5  # a cell starts if this many times the time of the slowest cell so far is left


@dataclass(frozen=True)
class Cell:
    batch: int
    net: str
    precision: str

    def __str__(self) -> str:
        return f"{self.net}, {self.precision}, batch {self.batch}"


def speed(settings: Settings) -> Iterator[CheckRow]:
    end = time.monotonic() + settings.seconds
    limits = _core.measure_peak_rates(settings.device)
    yield _limits_row(settings.device, limits)
    peers = [name for name in settings.peers if find_spec("torch")]
    if settings.peers and not peers:
        yield row("PyTorch", None, "not installed; only our step is measured")
    plain = [peer for peer in peers if not is_compiled(peer)]
    compiled = [peer for peer in peers if is_compiled(peer)]
    first, *others = [
        Cell(batch, net, precision)
        for batch in settings.batches
        for net in settings.nets
        for precision in settings.precisions
    ]
    measured = _Cells(settings.device, limits, has_peers=bool(peers))
    both = [plain, *([peer] for peer in compiled)]
    yield from _in_time([first], end, "cells", lambda cell: measured.rows(cell, both))
    yield from _in_time(others, end, "cells", lambda cell: measured.rows(cell, [plain]))
    if compiled:
        alone = [[peer] for peer in compiled]
        yield from _in_time(
            others, end, f"cells{COMPILED}", lambda cell: measured.rows(cell, alone)
        )


def _in_time(
    cells: Sequence[Cell], end: float, what: str, rows: Callable[[Cell], Iterator[CheckRow]]
) -> Iterator[CheckRow]:
    """The rows of the cells while there is time, and a row about the cells left out."""
    slowest = 0.0
    for i, cell in enumerate(cells):
        began = time.monotonic()
        if end - began < _ONCE_MORE * slowest or end < began:
            why = f"{len(cells) - i} left out for lack of time, starting with {cell}"
            yield row(what, None, why)
            return
        yield from rows(cell)
        slowest = max(slowest, time.monotonic() - began)


def _limits_row(device: str, limits: _core.PeakRates) -> CheckRow:
    rates = {"fp32": limits["fp32"], "TF32": limits["tf32"], "bf16": limits["bf16"]}
    words = [f"{name} {rate / 1e12:.2f} TFLOP/s" for name, rate in rates.items() if rate]
    words.append(f"memory {limits['bytes'] / 1e9:,.0f} GB/s")
    return row(f"{device} peak rates", None, ", ".join(words), **rates, bytes=limits["bytes"])


class _Cells:
    """Measures cells; the batch of the last cell is kept for the next."""

    def __init__(self, device: str, limits: _core.PeakRates, *, has_peers: bool) -> None:
        self._device, self._limits, self._has_peers = device, limits, has_peers
        self._batches: dict[tuple[str, int], RandomBatch] = {}

    def rows(self, cell: Cell, groups: Sequence[Sequence[str]]) -> Iterator[CheckRow]:
        """A row for each group of PyTorch variants, compared with our step."""
        try:
            net = BaseNet(cell.net, devices=(self._device,), precision=cell.precision)
        except (ModelError, _core.UnavailableError) as error:
            yield row(str(cell), None, str(error))
            return
        batch = self._batch(cell)
        floor = step_roofline(net, cell.batch, [self._limits])
        try:
            own = ours(net, batch)
            for peers in groups:
                name = f"{cell}, {peers[0]}" if any(map(is_compiled, peers)) else str(cell)
                contestants, failed = self._contestants(cell, batch, own, peers)
                yield _row(name, cell.batch, contestants, failed, floor)
                del contestants
                release_memory()
        except _core.AlexnetError as error:
            yield row(str(cell), False, str(error))

    def _batch(self, cell: Cell) -> RandomBatch:
        key = (cell.net, cell.batch)
        if key not in self._batches:
            self._batches.clear()  # a batch of 1024 images needs 630 MB
            self._batches[key] = RandomBatch(*key, for_torch=self._has_peers)
        return self._batches[key]

    def _contestants(
        self, cell: Cell, batch: RandomBatch, own: Contestant, peers: Sequence[str]
    ) -> tuple[dict[str, Contestant], dict[str, str]]:
        """The contestants that work, and the reasons why the others do not."""
        contestants, failed = {"ours": own}, {}
        for peer in peers:
            try:
                contestant = torchs(peer, cell.net, cell.precision, batch, self._device)
                contestant.seconds(2)  # compiles
                contestants[peer] = contestant
            except Exception as error:
                failed[peer] = (str(error) or type(error).__name__).splitlines()[0]
        return contestants, failed


def _row(
    what: str,
    batch: int,
    contestants: dict[str, Contestant],
    failed: dict[str, str],
    floor: StepRoofline | None,
) -> CheckRow:
    rates = {name: batch / seconds for name, seconds in _medians(contestants).items()}
    numbers = dict(rates)
    own = rates.pop("ours")
    figure, feeds = f"{own:,.0f} images/s", {"ours": contestants["ours"].feed}
    if rates:
        best = max(rates, key=lambda peer: rates[peer])
        numbers["ratio"] = own / rates[best]
        figure += f", {numbers['ratio']:.2f} x PyTorch {best} ({rates[best]:,.0f})"
        feeds["PyTorch"] = contestants[best].feed
    if floor:
        numbers["floor"] = batch / floor.all_taps
        figure += f", {own / numbers['floor']:.0%} of the lower bound's speed"
    figure += "; images " + ", ".join(f"{side}: {feed}" for side, feed in feeds.items())
    if failed:
        figure += "; " + ", ".join(f"no {peer} ({why})" for peer, why in failed.items())
    return row(what, None, figure, **numbers)


def _medians(contestants: dict[str, Contestant]) -> dict[str, float]:
    """The median seconds of a step of each contestant; they alternate."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant.seconds(3)
    for _ in range(_ROUNDS):
        for name, contestant in contestants.items():
            times[name].append(contestant.seconds(_STEPS))
    return {name: median(seconds) for name, seconds in times.items()}
