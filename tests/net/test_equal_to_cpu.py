"""Gradients, ten losses and predictions on all tested placements are close to those of the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alexnet_native import Net, _core
from numpy.typing import NDArray
from placements import FIRST, TOWERS
from tiny_nets import batch, two_towers

STEPS, IMAGES = 10, 6
# Relative to the largest value: the order of sums differs, over ten updates.
TOLERANCE = {"fp32": 1e-5, "fp64": 1e-12}
each_placement = pytest.mark.parametrize("devices", [(FIRST,), *TOWERS], ids=",".join)
each_precision = pytest.mark.parametrize("precision", list(TOLERANCE))


def network(devices: tuple[str, ...], precision: str) -> Net:
    return Net(two_towers(), devices=devices, seed=7, precision=precision)


def gradients(net: Net, precision: str) -> dict[str, NDArray[Any]]:
    images, labels = batch(IMAGES, dtype=np.float64 if precision == "fp64" else np.float32)
    net.native.forward_backward(_core.Batch(images, labels), step=0)
    return {name: net.native.get(name, "gradient") for name in net.params}


@each_placement
@each_precision
def test_gradients_are_those_of_the_cpu(devices: tuple[str, ...], precision: str) -> None:
    want = gradients(network(("cpu:0",), precision), precision)
    got = gradients(network(devices, precision), precision)
    for name, value in want.items():
        error, scale = np.abs(got[name] - value).max(), np.abs(value).max()
        assert scale > 0 and error <= TOLERANCE[precision] * scale, name


@each_placement
@each_precision
def test_ten_losses_and_the_predictions_after_them_are_those_of_the_cpu(
    devices: tuple[str, ...], precision: str
) -> None:
    nets = [network(names, precision) for names in (devices, ("cpu:0",))]
    for step in range(STEPS):
        images, labels = batch(IMAGES, seed=step)
        got, want = (
            net.train_step(images, labels, lr=0.05, weight_decay=0.01).loss for net in nets
        )
        assert got == pytest.approx(want, rel=TOLERANCE[precision]), f"step {step}"
    images, _ = batch(3, seed=99)
    got, want = (net.predict(images) for net in nets)
    assert np.abs(got - want).max() <= TOLERANCE[precision] * np.abs(want).max()
