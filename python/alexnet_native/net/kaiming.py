"""Initial weights that fit the size of the layers, for short trainings.

The paper's deviations (0.01 everywhere) and biases of 1 leave a deep layer's signal almost without
a trace of the picture: learning starts after thousands of steps. With He's deviations (He et al.
2015, equation 10) and biases of 0 the signal keeps its size and the first steps already count.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from alexnet_native import _core
from alexnet_native.models import Description

__all__ = ["with_kaiming_weights"]


def with_kaiming_weights(network: Description) -> Description:
    """The network with weights of deviation sqrt(2 / inputs of a unit) and biases of 0."""
    native = _core.Network(network.native_layers(), network.input_shape, devices=("cpu:0",))

    def changed(layer: Mapping[str, Any]) -> Mapping[str, Any]:
        weight = f"{layer['name']}.weight"
        if weight not in native.param_names() or layer["type"] == "batch_norm":  # begins as 1
            return layer
        _, *shape = native.param_shape(weight)  # of an unshared convolution: inputs, then places
        inputs = shape[0] if layer["type"] == "local" else math.prod(shape)
        bias = {"bias_value": 0.0} if f"{layer['name']}.bias" in native.param_names() else {}
        return {**layer, "weight_std": math.sqrt(2 / inputs), **bias}

    return dataclasses.replace(network, layers=tuple(changed(layer) for layer in network.layers))
