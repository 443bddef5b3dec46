"""The paper's update rule, with a network of one weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from alexnet_native import _core
from helpers import assert_close, normals

RATES = [0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
# w0 = 1, g = 1, decay 5e-4, momentum 0.9: computed twice by hand. PyTorch's form shrinks the
# velocity at the drop and would give .404340834, .363376402, .316506597 for the last three.
WEIGHTS = [0.89995, 0.709860003, 0.438743512, 0.184736476, -0.053870779, -0.27861704]


def one_layer(precision: str, device: str, classes: int = 1, features: int = 1) -> _core.Network:
    layers: list[dict[str, Any]] = [
        {"name": "fc", "type": "dense", "channels": classes},
        {"name": "probabilities", "type": "softmax"},
    ]
    return _core.Network(layers, (features, 1, 1), devices=(device,), precision=precision)


def test_the_reference_matches_values_computed_by_hand() -> None:
    w, v = np.ones(1), np.zeros(1)
    for rate, want in zip(RATES, WEIGHTS, strict=True):
        w, v = reference.sgd(w, v, np.ones(1), lr=rate, momentum=0.9, decay=5e-4)
        assert w[0] == pytest.approx(want, abs=1e-9)


def test_the_update_matches_values_computed_by_hand(device: str, precision: str) -> None:
    net = one_layer(precision, device)
    shape = net.param_shape("fc.weight")
    dtype = np.float64 if precision == "fp64" else np.float32
    net.set("fc.weight", "value", np.ones(shape, dtype))
    for rate, want in zip(RATES, WEIGHTS, strict=True):
        net.set("fc.weight", "gradient", np.ones(shape, dtype))
        net.set_update("fc.weight", rate, 0.9, 5e-4)
        net.update()
        got = net.get("fc.weight").item()
        assert got == pytest.approx(want, abs=1e-9 if precision == "fp64" else 3e-7)
        assert net.get("fc.weight", "gradient").item() == 0


def test_updates_of_many_weights_match_the_reference(device: str, precision: str) -> None:
    net = one_layer(precision, device, classes=7, features=5)
    dtype = np.float64 if precision == "fp64" else np.float32
    w = normals(net.param_shape("fc.weight"))
    v = np.zeros_like(w)
    net.set("fc.weight", "value", w.astype(dtype))
    for step in range(4):
        g = normals(w.shape, seed=step + 1)
        rate = 0.1 / (step + 1)
        w, v = reference.sgd(w, v, g, lr=rate, momentum=0.9, decay=0.25)
        net.set("fc.weight", "gradient", g.astype(dtype))
        net.set_update("fc.weight", rate, 0.9, 0.25)
        net.update()
    tolerance = 1e-12 if precision == "fp64" else 1e-6
    assert_close(net.get("fc.weight"), w, tolerance)
    assert_close(net.get("fc.weight", "momentum"), v, tolerance)


def test_a_rate_of_zero_freezes_weights_and_momentum(device: str) -> None:
    net = one_layer("fp64", device)
    shape = net.param_shape("fc.weight")
    net.set("fc.weight", "value", np.full(shape, 2.0))
    net.set("fc.weight", "momentum", np.full(shape, 0.5))
    net.set("fc.weight", "gradient", np.ones(shape))
    net.set_update("fc.weight", 0.0, 0.9, 5e-4)
    net.update()
    assert net.get("fc.weight").item() == 2.0


def test_the_accuracy_of_a_constant_network_is_k_over_the_number_of_classes(device: str) -> None:
    net = one_layer("fp64", device, classes=1000, features=3)
    net.set("fc.weight", "value", np.zeros(net.param_shape("fc.weight")))
    labels = np.arange(0, 1000, 8, dtype=np.int32)  # 125 images
    result = net.evaluate(normals((125, 3, 1, 1)), labels)
    assert result.images == 125
    assert result.top1 / result.images == pytest.approx(0.001, rel=1e-12)
    assert result.top5 / result.images == pytest.approx(0.005, rel=1e-12)
    assert result.loss / result.images == pytest.approx(np.log(1000), rel=1e-12)
