"""A small batch is divided differently from a large one and reuses packed weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from alexnet_native import _core

LAYERS: list[dict[str, Any]] = [
    {"name": "conv1", "type": "conv", "channels": 96, "kernel": 5, "stride": 2, "weight_std": 0.1},
    {"name": "relu1", "type": "relu"},
    {"name": "conv2", "type": "conv", "channels": 32, "kernel": 3, "pad": 1, "groups": 2},
    {"name": "fc3", "type": "dense", "channels": 6, "weight_std": 0.2},
    {"name": "prob", "type": "softmax"},
]


def network(threads: int) -> _core.Network:
    return _core.Network(LAYERS, (3, 27, 25), seed=1, threads=threads)


IMAGES = np.random.default_rng(0).normal(size=(40, 3, 27, 25)).astype(np.float32)
LABELS = (np.arange(40) % 6).astype(np.int32)


def test_convolutions_give_the_same_bits_for_one_image_and_for_many() -> None:
    want = network(2).features(IMAGES, "conv2")
    for threads in (1, 2, 5):
        got = network(threads).features(IMAGES[7:8], "conv2")
        np.testing.assert_array_equal(got[0], want[7])


def test_predictions_use_the_current_weights() -> None:
    net = network(2)
    before = net.predict(IMAGES[:1])
    np.testing.assert_array_equal(net.predict(IMAGES[:1]), before)
    net.set("conv1.weight", "value", net.get("conv1.weight") * 2)
    net.set("conv2.weight", "value", net.get("conv2.weight") * -3)
    written = net.predict(IMAGES[:1])
    for name in net.param_names():
        net.set_update(name, lr=0.5, momentum=0.9, decay=0.0)
    net.begin_step(_core.Batch(IMAGES, LABELS), step=0)
    net.next_result()
    trained = net.predict(IMAGES[:1])
    for old, kept in ((before, written), (written, trained)):
        assert np.abs(old - kept).max() > 1e-3
    fresh = network(2)
    for name in net.param_names():
        fresh.set(name, "value", net.get(name))
    np.testing.assert_array_equal(fresh.predict(IMAGES[:1]), trained)
