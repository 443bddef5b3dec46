"""The precision tf32: float32 with rounded products on tensor cores; not available on CPUs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core

LAYERS = [{"name": "fc", "type": "dense", "channels": 2}, {"name": "prob", "type": "softmax"}]


def test_tf32_on_a_cpu_raises_an_error() -> None:
    message = "tf32 needs a GPU with tensor cores; cpu:1 has none: use fp32 or bf16"
    with pytest.raises(_core.UnavailableError, match=message):
        _core.Network(LAYERS, (1, 1, 1), devices=("cpu:1",), precision="tf32")
    with pytest.raises(_core.UnavailableError, match=message):
        _core.LayerRunner("relu", {}, [(1, 1, 1, 1)], device="cpu:1", precision="tf32")


def test_values_stay_float32(device: str) -> None:
    if device.startswith("cpu"):
        pytest.skip(f"{device} has no tensor cores")
    net = _core.Network(LAYERS, (2, 1, 1), devices=(device,), precision="tf32")
    net.set("fc.weight", "value", np.array([[1 + 2.0**-20, 0], [0, 0]], np.float32))
    assert net.get("fc.weight")[0, 0] == np.float32(1 + 2.0**-20)
    features = net.features(np.full((1, 2, 1, 1), 3, np.float32), "fc")
    np.testing.assert_allclose(features.ravel(), [3, 0], rtol=2.0**-10)


def test_a_checkpoint_trained_in_tf32_loads_as_fp32(tmp_path: Path) -> None:
    net = tiny.net()
    net.precision = "tf32"  # as on a GPU; the values in the file do not depend on it
    net.save(tmp_path / "net")
    assert Net.load(tmp_path / "net").precision == "fp32"
