"""Fusion changes which instructions run, but no results."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from alexnet_native import _core


def layers(channels: int) -> list[dict[str, Any]]:
    return [
        {"name": "conv1", "type": "conv", "channels": channels, "kernel": 3, "weight_std": 0.3},
        {"name": "relu1", "type": "relu"},
        {"name": "norm1", "type": "lrn", "alpha": 0.5},
        {"name": "conv2", "type": "conv", "channels": channels, "kernel": 3, "weight_std": 0.2},
        {"name": "relu2", "type": "relu"},
        {"name": "fc3", "type": "dense", "channels": 6, "weight_std": 0.2},
        {"name": "relu3", "type": "relu"},
        {"name": "fc4", "type": "dense", "channels": 4, "weight_std": 0.2},
        {"name": "prob", "type": "softmax"},
    ]


# 16 channels run in channel blocks with the direct engine, 5 in planes with im2col.
@pytest.mark.parametrize("channels", [5, 16])
@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16"])
def test_a_fused_network_computes_the_same_bits(channels: int, precision: str) -> None:
    dtype = np.float64 if precision == "fp64" else np.float32
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 3, 9, 9)).astype(dtype)
    labels = np.array([0, 3, 1], np.int32)
    nets = [
        _core.Network(layers(channels), (3, 9, 9), seed=1, precision=precision, fuse=fuse)
        for fuse in (True, False)
    ]
    for net in nets:
        for step in range(3):
            net.begin_step(_core.Batch(images, labels), step=step)
            net.next_result()
    for name in nets[0].param_names():
        np.testing.assert_array_equal(nets[0].get(name), nets[1].get(name))
    for layer in ("conv1", "relu1", "conv2", "relu2", "fc3", "relu3", "prob"):
        got, want = (net.features(images, layer) for net in nets)
        np.testing.assert_array_equal(got, want)
    assert (nets[0].features(images, "conv1") < 0).any()  # a requested feature is not fused


def test_the_program_shows_what_is_fused() -> None:
    def lines(fuse: bool) -> list[str]:
        net = _core.Network(layers(16), (3, 9, 9), fuse=fuse)
        return [line for line in net.program(2) if re.search(r"forward relu\d ", line)]

    assert len(lines(False)) == 3
    assert lines(True) == []


def normalised_and_pooled(channels: int, pool: dict[str, Any], **lrn: Any) -> list[dict[str, Any]]:
    return [
        {"name": "conv1", "type": "conv", "channels": channels, "kernel": 3, "weight_std": 0.3},
        {"name": "relu1", "type": "relu"},
        {"name": "norm1", "type": "lrn", "alpha": 0.5, **lrn},
        {"name": "pool1", "type": "max_pool", **pool},
        {"name": "conv2", "type": "conv", "channels": channels, "kernel": 3, "weight_std": 0.2},
        {"name": "fc3", "type": "dense", "channels": 4, "weight_std": 0.2},
        {"name": "prob", "type": "softmax"},
    ]


@pytest.mark.parametrize("lrn", [{"size": 5}, {"size": 5, "groups": 2}, {"size": 9, "beta": 0.6}])
@pytest.mark.parametrize(
    "pool",
    [
        {"size": 3, "stride": 2},
        {"size": 3, "stride": 2, "ceil": True, "pad": 1},
        {"size": 2, "stride": 2},
        {"size": 4, "stride": 3, "ceil": True},
    ],
)
def test_fused_normalisation_and_pooling_compute_the_same_bits(
    pool: dict[str, Any], lrn: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 3, 15, 14)).astype(np.float32)
    labels = np.array([0, 3, 1], np.int32)
    description = normalised_and_pooled(32, pool, **lrn)
    nets = [_core.Network(description, (3, 15, 14), seed=1, fuse=fuse) for fuse in (True, False)]
    for net in nets:
        for step in range(3):
            net.begin_step(_core.Batch(images, labels), step=step)
            net.next_result()
    for name in nets[0].param_names():
        np.testing.assert_array_equal(nets[0].get(name), nets[1].get(name))
    for layer in ("norm1", "pool1", "prob"):
        got, want = (net.features(images, layer) for net in nets)
        np.testing.assert_array_equal(got, want)


def test_the_program_shows_a_normalisation_fused_with_its_pooling() -> None:
    layers = normalised_and_pooled(32, {"size": 3, "stride": 2})
    fused = _core.Network(layers, (3, 15, 14)).program(2)
    assert sum("norm1+pool1" in line for line in fused) == 2
    assert not any(re.search(r"ward norm1 ", line) for line in fused)
    # The normalised values have another reader, so they must be stored.
    layers.insert(4, {"name": "map", "type": "slice", "first": 0, "channels": 16, "input": "norm1"})
    layers[5]["input"] = "pool1"
    unread = _core.Network(layers, (3, 15, 14)).program(2)
    assert any(re.search(r"forward norm1 ", line) for line in unread)
