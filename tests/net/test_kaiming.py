"""Initial weights scaled by the size of the layers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.models import Description
from alexnet_native.net.kaiming import with_kaiming_weights
from alexnet_native.training import prepare

LAYERS = (
    {"name": "conv", "type": "conv", "channels": 200, "kernel": 3, "groups": 2, "bias_value": 1.0},
    {"name": "relu", "type": "relu"},
    {"name": "local", "type": "local", "channels": 8, "kernel": 2},
    {"name": "fc", "type": "dense", "channels": 300, "bias": False},
    {"name": "prob", "type": "softmax"},
)


def test_the_standard_deviation_depends_on_fan_in_and_biases_are_0() -> None:
    network = with_kaiming_weights(Description("x", (4, 6, 6), 300, LAYERS))
    # conv: 2 of 4 channels, 3 x 3. local: 200 channels, 2 x 2. fc: 8 x 3 x 3.
    inputs = {"conv": 2 * 9, "local": 200 * 4, "fc": 8 * 9}
    net = Net(network)
    for layer in network.layers:
        if layer["name"] in inputs:
            want = math.sqrt(2 / inputs[layer["name"]])
            assert layer["weight_std"] == pytest.approx(want, rel=1e-12)
            # 3,600 draws or more: the sample deviation is within 5 % of the true one.
            weight = net.params[f"{layer['name']}.weight"]
            assert weight.std() == pytest.approx(want, rel=0.05)
    assert not net.params["conv.bias"].any()


def test_the_net_toml_of_a_run_contains_the_standard_deviations(tmp_path: Path) -> None:
    given = {
        "net": str(tiny.write_net(tmp_path / "net.toml")),
        "data": str(tiny.write_npz(tmp_path / "data.npz")),
        "init": "he",
    }
    run = prepare(given, out=tmp_path / "run")
    assert f"weight_std = {math.sqrt(2 / 27)}" in (tmp_path / "run" / "net.toml").read_text()
    weight = run.net.params["conv1.weight"]
    assert 0.7 < weight.std() / math.sqrt(2 / 27) < 1.3
    assert np.abs(tiny.net().params["conv1.weight"] - weight).max() > 0
