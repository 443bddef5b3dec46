"""Roofline model: estimates of the shortest time of a layer and of a step, from peak rates.

Layer: the larger of two times, floating-point operations / peak and bytes of the operands / memory
bandwidth, where each operand is moved once. Operands that stay in a cache can be faster.

Step: operations of all convolutions and dense layers / peak + traffic of the weights / memory
bandwidth. In training the weights are read in the forward and backward passes, the gradients are
written, and the update reads three values and writes two.

Operations are those of direct convolution, so Winograd's algorithm can be faster than both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alexnet_native import _core
from alexnet_native.net import BaseNet

__all__ = [
    "LayerTime",
    "StepRoofline",
    "best_peak_rates",
    "peak",
    "peak_rates_of",
    "step_roofline",
]

_TRAINING_TRAFFIC, _PREDICTION_TRAFFIC = 8, 1  # multiples of the weights' bytes


@dataclass(frozen=True)
class LayerTime:
    """Time, operations and bytes of a layer in one direction on one device.

    Attributes:
        device: name of the device.
        layer, type: name and type of the layer.
        phase: "forward", "backward", "update" and others, see `_core.Task`.
        seconds: median over the steps.
        flops: floating-point operations of all taps.
        padding_flops: the part of `flops` whose taps lie in the padding.
        bytes: bytes of the operands, each moved once.
        peak: floating-point operations per second of the device; 0: not known.
        bandwidth: bytes per second of the device's memory; 0: not known.
    """

    device: str
    layer: str
    type: str
    phase: str
    seconds: float
    flops: float = 0
    padding_flops: float = 0
    bytes: float = 0
    peak: float = 0
    bandwidth: float = 0

    @property
    def compute_time(self) -> float:
        """Seconds of the operations at the peak."""
        return self.flops / self.peak if self.peak else 0.0

    @property
    def memory_time(self) -> float:
        """Seconds to move the operands once."""
        return self.bytes / self.bandwidth if self.bandwidth else 0.0

    @property
    def roofline(self) -> float:
        """Seconds, the larger of both."""
        return max(self.compute_time, self.memory_time)

    @property
    def roofline_without_padding(self) -> float:
        """The same without the operations in the padding."""
        compute_time = (self.flops - self.padding_flops) / self.peak if self.peak else 0.0
        return max(compute_time, self.memory_time)

    @property
    def bound(self) -> str:
        """Which of the two is larger: "arithmetic" or "memory"; "" if neither is known."""
        if not self.roofline:
            return ""
        return "arithmetic" if self.compute_time >= self.memory_time else "memory"


@dataclass(frozen=True)
class StepRoofline:
    """Seconds of a step with direct convolutions, by the roofline model.

    Attributes:
        all_taps: with the operations in the padding.
        padding_skipped: without them.
    """

    all_taps: float
    padding_skipped: float


def peak_rates_of(net: BaseNet) -> list[_core.PeakRates]:
    """Measures the peak rates of each device of the network, with its share of the threads."""
    devices = list(dict.fromkeys(net.devices))
    share = max(1, (net.threads or _core.available_threads()) // len(devices))
    return [_core.measure_peak_rates(device, share) for device in devices]


def best_peak_rates(one: _core.PeakRates, other: _core.PeakRates) -> _core.PeakRates:
    """Returns the larger rates of two measurements: other programs can only lower a rate."""
    return {
        "fp32": max(one["fp32"], other["fp32"]),
        "tf32": max(one["tf32"], other["tf32"]),
        "bf16": max(one["bf16"], other["bf16"]),
        "bytes": max(one["bytes"], other["bytes"]),
    }


def peak(rates: _core.PeakRates, precision: str) -> float:
    """Returns the peak in floating-point operations per second; 0: not known."""
    if precision == "fp64":
        return 0.0
    if precision == "bf16":
        return rates["bf16"] or rates["tf32"] or rates["fp32"]
    return rates["tf32"] or rates["fp32"] if precision == "tf32" else rates["fp32"]


def step_roofline(
    net: BaseNet, batch: int, peak_rates: Sequence[_core.PeakRates], *, training: bool = True
) -> StepRoofline | None:
    """Returns the roofline of a step of `batch` images, or None if the peak is not known.

    Args:
        peak_rates: of each device, from `peak_rates_of`.
        training: whether it is a training step.
    """
    flops_per_second = sum(peak(rates, net.precision) for rates in peak_rates)
    bandwidth = sum(rates["bytes"] for rates in peak_rates)
    if not flops_per_second or not bandwidth:
        return None
    costs = net.native.costs(batch, training)
    weights = sum(m["parameter_bytes"] for m in net.native.plan(1, False)["memory"])
    traffic = weights * (_TRAINING_TRAFFIC if training else _PREDICTION_TRAFFIC) / bandwidth
    flops = sum(2 * c["multiply_adds"] for c in costs)
    padding = sum(2 * c["padding_multiply_adds"] for c in costs)
    return StepRoofline(
        flops / flops_per_second + traffic, (flops - padding) / flops_per_second + traffic
    )
