"""What a step needs at least: the floors beside which a profile and `bench` print their times.

The floor of a row is the larger of two times: its floating-point operations over the measured peak,
and its operands' bytes, each moved once, over the measured rate of the memory. The latter is no
bound for operands that a cache keeps. The direct floor of a step is the arithmetic of all its
convolutions and dense layers over the peak plus the weights' traffic over the memory's rate:
weights are read forward and backward, gradients written, and the update reads three values and
writes two. An algorithm with fewer operations (Winograd) can go below both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alexnet_native import _core
from alexnet_native.net import BaseNet

__all__ = ["Floor", "Row", "best_peak_rates", "direct_floor", "peak", "peak_rates_of"]

_TRAINING_TRAFFIC, _PREDICTION_TRAFFIC = 8, 1  # times the weights' bytes


@dataclass(frozen=True)
class Row:
    """One layer in one direction on one device; medians over the steps."""

    device: str
    layer: str
    type: str
    phase: str
    seconds: float
    flops: float = 0  # all taps
    needless_flops: float = 0  # of taps in the padding
    bytes: float = 0
    peak: float = 0  # of the device; 0: unknown
    memory_rate: float = 0

    @property
    def arithmetic_floor(self) -> float:
        return self.flops / self.peak if self.peak else 0.0

    @property
    def memory_floor(self) -> float:
        return self.bytes / self.memory_rate if self.memory_rate else 0.0

    @property
    def floor(self) -> float:
        return max(self.arithmetic_floor, self.memory_floor)

    @property
    def floor_without_padding(self) -> float:
        needed = (self.flops - self.needless_flops) / self.peak if self.peak else 0.0
        return max(needed, self.memory_floor)

    @property
    def bound(self) -> str:
        if not self.floor:
            return ""
        return "arithmetic" if self.arithmetic_floor >= self.memory_floor else "memory"


@dataclass(frozen=True)
class Floor:
    """Seconds that a step needs at least with direct convolutions."""

    all_taps: float
    padding_skipped: float


def peak_rates_of(net: BaseNet) -> list[_core.PeakRates]:
    """What each device of the network can do at best with its share of the threads; measured."""
    devices = list(dict.fromkeys(net.devices))
    share = max(1, (net.threads or _core.available_threads()) // len(devices))
    return [_core.measure_peak_rates(device, share) for device in devices]


def best_peak_rates(one: _core.PeakRates, other: _core.PeakRates) -> _core.PeakRates:
    """The larger of two measurements: other programs only take away."""
    return {
        "fp32": max(one["fp32"], other["fp32"]),
        "tf32": max(one["tf32"], other["tf32"]),
        "bf16": max(one["bf16"], other["bf16"]),
        "bytes": max(one["bytes"], other["bytes"]),
    }


def peak(limits: _core.PeakRates, precision: str) -> float:
    """Floating-point operations per second; 0: not known."""
    if precision == "fp64":
        return 0.0
    if precision == "bf16":
        return limits["bf16"] or limits["tf32"] or limits["fp32"]
    return limits["tf32"] or limits["fp32"] if precision == "tf32" else limits["fp32"]


def direct_floor(
    net: BaseNet, batch: int, limits: Sequence[_core.PeakRates], *, training: bool = True
) -> Floor | None:
    """The floor of a step of `batch` images; None where the peak is not known."""
    rate = sum(peak(one, net.precision) for one in limits)
    memory_rate = sum(one["bytes"] for one in limits)
    if not rate or not memory_rate:
        return None
    costs = net.native.costs(batch, training)
    weights = sum(m["parameter_bytes"] for m in net.native.plan(1, False)["memory"])
    traffic = weights * (_TRAINING_TRAFFIC if training else _PREDICTION_TRAFFIC) / memory_rate
    every = sum(2 * c["multiply_adds"] for c in costs)
    needless = sum(2 * c["padding_multiply_adds"] for c in costs)
    return Floor(every / rate + traffic, (every - needless) / rate + traffic)
