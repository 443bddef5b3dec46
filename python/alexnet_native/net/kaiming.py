"""Initial weights scaled by the size of the layers, for short runs.

With the paper's initial values (standard deviation 0.01 everywhere, biases of 1) the activations of
deep layers hardly depend on the image, and the loss starts to fall only after thousands of steps.
With the standard deviations of He et al. (2015, equation 10) and biases of 0 the activations keep
their magnitude from layer to layer, and the loss falls from the first steps on.
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
    """Returns the network with weights of standard deviation sqrt(2 / fan-in) and biases of 0."""
    native = _core.Network(network.native_layers(), network.input_shape, devices=("cpu:0",))

    def changed(layer: Mapping[str, Any]) -> Mapping[str, Any]:
        weight = f"{layer['name']}.weight"
        if weight not in native.param_names() or layer["type"] == "batch_norm":  # begins as 1
            return layer
        _, *shape = native.param_shape(weight)
        # The weight of a locally connected layer is (channels, inputs, output positions).
        fan_in = shape[0] if layer["type"] == "local" else math.prod(shape)
        bias = {"bias_value": 0.0} if f"{layer['name']}.bias" in native.param_names() else {}
        return {**layer, "weight_std": math.sqrt(2 / fan_in), **bias}

    return dataclasses.replace(network, layers=tuple(changed(layer) for layer in network.layers))
