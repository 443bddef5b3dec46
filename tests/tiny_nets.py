"""A small network in the words of `alexnet`: two towers that meet at conv3, fc6, fc7 and fc8."""

from __future__ import annotations

from typing import Any

import numpy as np
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.models import Description
from numpy.typing import NDArray

CLASSES = 5
INPUT = (3, 26, 26)
HEIGHT, WIDTH = 31, 29  # of the uint8 pictures that the input is cut from

# alpha 0.5: with the paper's 1e-4 the terms across channels would not show.
_LRN: dict[str, Any] = {"type": "lrn", "size": 3, "k": 2.0, "alpha": 0.5, "beta": 0.75, "groups": 2}


def two_towers(**changes: dict[str, Any]) -> Description:
    """The network, with words of some layers replaced: two_towers(norm1={"alpha": 0.1})."""
    layers: list[dict[str, Any]] = [
        {"name": "conv1", "type": "conv", "channels": 8, "kernel": 5, "stride": 2, "ceil": True},
        {"name": "relu1", "type": "relu"},
        {"name": "norm1", **_LRN},
        {"name": "pool1", "type": "max_pool", "size": 3, "stride": 2},
        {"name": "conv2", "type": "conv", "channels": 12, "kernel": 3, "pad": 1, "groups": 2},
        {"name": "relu2", "type": "relu"},
        {"name": "norm2", **_LRN},
        {"name": "conv3", "type": "conv", "channels": 12, "kernel": 3, "pad": 1},
        {"name": "relu3", "type": "relu"},
        {"name": "conv4", "type": "conv", "channels": 8, "kernel": 3, "pad": 1, "groups": 2},
        {"name": "relu4", "type": "relu"},
        {"name": "pool4", "type": "max_pool", "size": 3, "stride": 2},
        {"name": "fc6", "type": "dense", "channels": 16},
        {"name": "relu6", "type": "relu"},
        {"name": "drop6", "type": "dropout"},
        {"name": "fc7", "type": "dense", "channels": 14},
        {"name": "relu7", "type": "relu"},
        {"name": "drop7", "type": "dropout", "mode": "inverted", "rate": 0.3},
    ]
    for layer in layers:
        layer["towers"] = 2
        if layer["type"] in ("conv", "dense"):
            layer |= {"weight_std": 0.15, "bias_value": 0.1, "bias_lr": 2.0}
    layers.append({"name": "fc8", "type": "dense", "channels": "classes", "weight_std": 0.2})
    layers.append({"name": "prob", "type": "softmax"})
    for layer in layers:
        layer |= changes.get(layer["name"], {})
    return Description("tiny", INPUT, CLASSES, tuple(layers))


def batch(
    images: int, seed: int = 0, dtype: type = np.float32
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Images as the network takes them, and labels."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(images, *INPUT)).astype(dtype),
        rng.integers(0, CLASSES, images, dtype=np.int32),
    )


def photos(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def mean_image() -> Preprocess:
    mean = np.random.default_rng(5).normal(120, 20, (3, HEIGHT, WIDTH)).astype(np.float32)
    statistics = Statistics(mean, np.zeros(3, np.float32), np.eye(3, dtype=np.float32))
    return Preprocess(statistics, INPUT[1:], scale=0.02)
