"""Part "speed": the training step beside PyTorch's and beside the floor of the card.

Each cell is a net, a precision and a batch. Ours and PyTorch's forms of the same step take turns in
one process, all with the upload of the images from the host; nobody waits for a step that has just
begun. PyTorch's compiled forms come last, beside ours once more, since compiling takes longer than
measuring. A cell that will not fit into the part's time is left out, and said to be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.errors import ModelError
from alexnet_native.gpu_check.rows import Row, Settings, row
from alexnet_native.models import describe
from alexnet_native.net import Net
from alexnet_native.reports.bench import TrainSteps
from alexnet_native.reports.floors import direct_floor

__all__ = ["COMPILED", "PEERS", "TARGET", "speed"]

PEERS = {  # name: (channels last, compiled)
    "eager": (False, False),
    "channels_last": (True, False),
    "compile": (False, True),
    "compile channels_last": (True, True),
}
COMPILED = ", compiled"
TARGET = 1.3  # times the best PyTorch row
_ROUNDS, _STEPS = 3, 5
_LR, _MOMENTUM, _DECAY = 1e-4, 0.9, 5e-4
_ONCE_MORE = 1.5  # a cell is begun if the time left is so many times that of the slowest so far


@dataclass(frozen=True)
class Contestant:
    """One side of a cell: a step, and the wait for what it has enqueued."""

    step: Callable[[], object]
    finish: Callable[[], object]

    def seconds(self, steps: int) -> float:
        """Of one step, taken over several."""
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        self.finish()
        return (time.perf_counter() - start) / steps


def speed(settings: Settings) -> Iterator[Row]:
    end = time.monotonic() + settings.seconds
    limits = _core.measure_limits(settings.device)
    yield _limits_row(settings.device, limits)
    peers = [name for name in settings.peers if find_spec("torch")]
    if settings.peers and not peers:
        yield row("PyTorch", None, "not installed: ours alone")
    for suffix, some in (
        ("", [peer for peer in peers if not PEERS[peer][1]]),
        (COMPILED, [peer for peer in peers if PEERS[peer][1]]),
    ):
        if some or not suffix:
            yield from _pass(settings, some, suffix, limits, end)


def _pass(
    settings: Settings, peers: list[str], suffix: str, limits: _core.Limits, end: float
) -> Iterator[Row]:
    """All cells, the most wanted batch first, for as long as there is time."""
    left_out, slowest = 0, 0.0
    for batch in settings.batches:
        for name in settings.nets:
            for precision in settings.precisions:
                if end - time.monotonic() < _ONCE_MORE * slowest:
                    left_out += 1
                    continue
                began = time.monotonic()
                what = f"{name}, {precision}, batch {batch}{suffix}"
                yield _cell(settings, what, name, precision, batch, peers, limits)
                slowest = max(slowest, time.monotonic() - began)
    if left_out:
        why = f"{left_out} left out: no time for them in {settings.seconds:.0f} s"
        yield row(f"cells{suffix}", None, why)


def _limits_row(device: str, limits: _core.Limits) -> Row:
    rates = {"fp32": limits["fp32"], "TF32": limits["tf32"], "bf16": limits["bf16"]}
    words = [f"{name} {rate / 1e12:.2f} TFLOP/s" for name, rate in rates.items() if rate]
    words.append(f"memory {limits['bytes'] / 1e9:,.0f} GB/s")
    return row(f"{device} at best", None, ", ".join(words), **rates, bytes=limits["bytes"])


def _cell(
    settings: Settings,
    what: str,
    name: str,
    precision: str,
    batch: int,
    peers: list[str],
    limits: _core.Limits,
) -> Row:
    try:
        net = Net(name, devices=(settings.device,), precision=precision)
    except (ModelError, _core.UnavailableError) as error:
        return row(what, None, str(error))
    contestants = {"ours": _ours(net, batch)}
    failed = {}
    for peer in peers:
        try:
            contestants[peer] = _torch(peer, name, precision, batch, settings.device)
            contestants[peer].seconds(2)  # compiles
        except Exception as error:  # a peer that cannot do it has no row
            contestants.pop(peer, None)
            failed[peer] = (str(error) or type(error).__name__).splitlines()[0]
    rates = {peer: batch / seconds for peer, seconds in _medians(contestants).items()}
    own = rates.pop("ours")
    numbers = {"ours": own, **rates}
    figure = f"{own:,.0f} images/s"
    if rates:
        best = max(rates, key=lambda peer: rates[peer])
        numbers["ratio"] = own / rates[best]
        figure += f", {numbers['ratio']:.2f} x PyTorch {best} ({rates[best]:,.0f})"
    if floor := direct_floor(net, batch, [limits]):
        numbers["floor"] = batch / floor.all_taps
        figure += f", {own / numbers['floor']:.0%} of the floor"
    if failed:
        figure += "; " + ", ".join(f"no {peer} ({why})" for peer, why in failed.items())
    return row(what, None, figure, **numbers)


def _medians(contestants: dict[str, Contestant]) -> dict[str, float]:
    """Seconds of a step of each; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant.seconds(3)
    for _ in range(_ROUNDS):
        for name, contestant in contestants.items():
            times[name].append(contestant.seconds(_STEPS))
    return {name: median(seconds) for name, seconds in times.items()}


def _batch(
    shape: tuple[int, ...], classes: int, images: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(1)
    return (
        rng.standard_normal((images, *shape), dtype=np.float32),
        rng.integers(0, classes, images, dtype=np.int32),
    )


def _ours(net: Net, batch: int) -> Contestant:
    images, labels = _batch(net.input_shape, net.classes, batch)
    for name in net.params:
        net.native.set_update(name, _LR, _MOMENTUM, _DECAY)
    steps = TrainSteps(net.native, images, labels)
    return Contestant(steps.step, steps.finish)


def _torch(peer: str, name: str, precision: str, batch: int, device: str) -> Contestant:
    from alexnet_native.interop.torch_net import Step, build, torch_device

    module, shape = build(describe(name))
    channels_last, compiled = PEERS[peer]
    words: dict[str, Any] = {"channels_last": channels_last, "compiled": compiled}
    step = Step(
        module, *_batch(shape, describe(name).classes, batch), lr=_LR, momentum=_MOMENTUM,
        decay=_DECAY, device=torch_device(device), precision=precision, **words,
    )  # fmt: skip
    return Contestant(step, step.finish)
