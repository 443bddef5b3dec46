"""Functions that make the dictionaries of a ``Description``, one function per layer type.

The native core raises an error for attributes that the layer type does not have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = [
    "Layer",
    "activation_layer",
    "avg_pool",
    "batch_norm",
    "conv",
    "dense",
    "dropout",
    "local",
    "lrn",
    "lrn_within",
    "max_pool",
    "relu",
    "softmax",
    "split",
    "unit",
]

Layer = Mapping[str, Any]


def conv(name: str, channels: int, kernel: int, **attributes: Any) -> Layer:
    return {"name": name, "type": "conv", "channels": channels, "kernel": kernel, **attributes}


def local(name: str, channels: int, kernel: int, **attributes: Any) -> Layer:
    return {"name": name, "type": "local", "channels": channels, "kernel": kernel, **attributes}


def dense(name: str, channels: int | str, **attributes: Any) -> Layer:
    return {"name": name, "type": "dense", "channels": channels, **attributes}


def activation_layer(name: str, type: str, **attributes: Any) -> Layer:
    return {"name": name, "type": type, **attributes}


def relu(name: str) -> Layer:
    return activation_layer(name, "relu")


def lrn(name: str, **attributes: Any) -> Layer:
    return {"name": name, "type": "lrn", **attributes}


def lrn_within(name: str, **attributes: Any) -> Layer:
    return {"name": name, "type": "lrn_within", **attributes}


def batch_norm(name: str, **attributes: Any) -> Layer:
    return {"name": name, "type": "batch_norm", **attributes}


def max_pool(name: str, size: int, stride: int, **attributes: Any) -> Layer:
    return {"name": name, "type": "max_pool", "size": size, "stride": stride, **attributes}


def avg_pool(name: str, size: int, stride: int, **attributes: Any) -> Layer:
    return {"name": name, "type": "avg_pool", "size": size, "stride": stride, **attributes}


def dropout(name: str, **attributes: Any) -> Layer:
    return {"name": name, "type": "dropout", **attributes}


def softmax(name: str = "prob", **attributes: Any) -> Layer:
    return {"name": name, "type": "softmax", **attributes}


def split(*layers: Layer) -> tuple[Layer, ...]:
    """The layers, each split into two halves if the network runs on two devices."""
    return tuple({**layer, "towers": 2} for layer in layers)


def unit(fan_in: int) -> float:
    """Initial weight deviation for outputs of unit deviation: 1 / sqrt(fan_in).

    Source: LeCun et al. (1998), "Efficient BackProp", section 4.6.
    """
    return round(1 / math.sqrt(fan_in), 4)
