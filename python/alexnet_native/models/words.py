"""The words that networks are written in: one function per layer type, each a line of a table.

``Description`` takes plain dictionaries; these functions only save the quotes. The native core
rejects a word that the layer type does not know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = [
    "Layer",
    "avg_pool",
    "conv",
    "dense",
    "dropout",
    "local",
    "lrn",
    "lrn_within",
    "max_pool",
    "neuron",
    "relu",
    "softmax",
    "split",
    "unit",
]

Layer = Mapping[str, Any]


def conv(name: str, channels: int, kernel: int, **words: Any) -> Layer:
    return {"name": name, "type": "conv", "channels": channels, "kernel": kernel, **words}


def local(name: str, channels: int, kernel: int, **words: Any) -> Layer:
    return {"name": name, "type": "local", "channels": channels, "kernel": kernel, **words}


def dense(name: str, channels: int | str, **words: Any) -> Layer:
    return {"name": name, "type": "dense", "channels": channels, **words}


def neuron(name: str, type: str, **words: Any) -> Layer:
    return {"name": name, "type": type, **words}


def relu(name: str) -> Layer:
    return neuron(name, "relu")


def lrn(name: str, **words: Any) -> Layer:
    return {"name": name, "type": "lrn", **words}


def lrn_within(name: str, **words: Any) -> Layer:
    return {"name": name, "type": "lrn_within", **words}


def max_pool(name: str, size: int, stride: int, **words: Any) -> Layer:
    return {"name": name, "type": "max_pool", "size": size, "stride": stride, **words}


def avg_pool(name: str, size: int, stride: int, **words: Any) -> Layer:
    return {"name": name, "type": "avg_pool", "size": size, "stride": stride, **words}


def dropout(name: str, **words: Any) -> Layer:
    return {"name": name, "type": "dropout", **words}


def softmax(name: str = "prob", **words: Any) -> Layer:
    return {"name": name, "type": "softmax", **words}


def split(*layers: Layer) -> tuple[Layer, ...]:
    """The layers, each cut in two halves where the network runs on two devices."""
    return tuple({**layer, "towers": 2} for layer in layers)


def unit(fan_in: int) -> float:
    """The std that gives a sum of `fan_in` unit signals an SD of 1 (LeCun et al. 1998, 4.6)."""
    return round(1 / math.sqrt(fan_in), 4)
