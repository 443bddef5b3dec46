"""The AlexNets of the 2012 authors: the paper, the source code that they ran, and one GPU.

Krizhevsky, Sutskever, Hinton: "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012, and the source code published by the Computer History Museum. Initial weights have a
standard deviation of 0.01 and initial biases are 0 unless a layer states other values.
docs/numerics.md gives the origin of each number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alexnet_native.models.builders import (
    Layer,
    conv,
    dense,
    dropout,
    lrn,
    lrn_within,
    max_pool,
    relu,
    softmax,
    split,
)
from alexnet_native.models.default_config import default_config
from alexnet_native.models.description import Description

__all__ = ["alexnet", "alexnet_6conv", "alexnet_2012", "alexnet_one_gpu"]

# With `ceil`, 224 gives 55 x 55 outputs: the last window extends 3 pixels beyond the edge and reads
# zeros there.
_INPUT_2012 = (3, 224, 224)

# Section 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75. Each tower normalises only its own maps.
_PAPER_LRN: dict[str, Any] = {"size": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75, "alpha_mode": "sum"}
# The source divides the configured 1e-4 by the window's size, and 1e-3 by its area.
_SOURCE_LRN = {**_PAPER_LRN, "alpha_mode": "mean"}
_SOURCE_LRN_WITHIN: dict[str, Any] = {
    "size": 5, "k": 1.0, "alpha": 1e-3, "beta": 0.75, "alpha_mode": "mean",
}  # fmt: skip

# In the source, the learning rate of biases is twice that of weights; biases have no decay.
_FAST_BIAS = {"bias_lr": 2.0}


def alexnet(classes: int = 1000, *, top_device: int = 0) -> Description:
    """The network of the 2012 paper: two towers, connected at conv3, fc6, fc7 and fc8.

    On one device the towers are groups of the layers; on two devices each device has one tower.

    Args:
        classes: number of outputs of fc8.
        top_device: index of the device of fc8 and the softmax, 0 or 1.
    """
    return Description(
        name="alexnet",
        input_shape=_INPUT_2012,
        classes=classes,
        layers=(
            *split(
                conv("conv1", 96, 11, stride=4, ceil=True),
                relu("relu1"),
                lrn("norm1", groups=2, **_PAPER_LRN),
                max_pool("pool1", 3, 2),
                conv("conv2", 256, 5, pad=2, groups=2, bias_value=1.0),
                relu("relu2"),
                lrn("norm2", groups=2, **_PAPER_LRN),
                max_pool("pool2", 3, 2),
                conv("conv3", 384, 3, pad=1),
                relu("relu3"),
                conv("conv4", 384, 3, pad=1, groups=2, bias_value=1.0),
                relu("relu4"),
                conv("conv5", 256, 3, pad=1, groups=2, bias_value=1.0),
                relu("relu5"),
                max_pool("pool5", 3, 2),
                dense("fc6", 4096, bias_value=1.0),
                relu("relu6"),
                dropout("drop6"),
                dense("fc7", 4096, bias_value=1.0),
                relu("relu7"),
                dropout("drop7"),
            ),
            *_top(top_device),
        ),
    )


def alexnet_2012(classes: int = 1000, *, top_device: int = 0) -> Description:
    """The network that the authors ran for the paper (configuration 145 of the source).

    Differences from the paper: layer 1 is normalised before pooling and ReLU, layer 2 has an
    additional normalisation within each map, alpha is divided by the window's size, the initial
    weights of conv3 to conv5 have a standard deviation of 0.03, and the learning rate of biases is
    twice that of weights.
    """
    rule = _FAST_BIAS
    return Description(
        name="alexnet-2012",
        input_shape=_INPUT_2012,
        classes=classes,
        layers=(
            *split(
                conv("conv1", 96, 11, stride=4, ceil=True, **rule),
                lrn("norm1", groups=2, **_SOURCE_LRN),
                max_pool("pool1", 3, 2),
                relu("relu1"),
                conv("conv2", 256, 5, pad=2, groups=2, bias_value=1.0, **rule),
                relu("relu2"),
                lrn("norm2", groups=2, **_SOURCE_LRN),
                lrn_within("cnorm2", **_SOURCE_LRN_WITHIN),
                max_pool("pool2", 3, 2),
                conv("conv3", 384, 3, pad=1, weight_std=0.03, **rule),
                relu("relu3"),
                conv("conv4", 384, 3, pad=1, groups=2, weight_std=0.03, bias_value=1.0, **rule),
                relu("relu4"),
                conv("conv5", 256, 3, pad=1, groups=2, weight_std=0.03, bias_value=1.0, **rule),
                max_pool("pool5", 3, 2),
                relu("relu5"),
                dense("fc6", 4096, bias_value=1.0, **rule),
                relu("relu6"),
                dropout("drop6"),
                dense("fc7", 4096, bias_value=1.0, **rule),
                relu("relu7"),
                dropout("drop7"),
            ),
            *_top(top_device, **rule),
        ),
        default_config=_as_in_2012(epochs=91, schedule="step@25,51,79"),
    )


def alexnet_6conv(classes: int = 1000, *, top_device: int = 0) -> Description:
    """`alexnet_2012` with a sixth convolution after the last pooling layer (the paper's Table 2).

    The sixth convolution reads both towers. The paper pre-trained this network on the Fall 2011
    release of ImageNet.
    """
    base = alexnet_2012(classes, top_device=top_device)
    above = [layer["name"] for layer in base.layers].index("fc6")
    sixth = split(
        conv("conv6", 256, 3, pad=1, weight_std=0.03, bias_value=1.0, **_FAST_BIAS),
        relu("relu-conv6"),
    )
    return replace(
        base, name="alexnet-6conv", layers=(*base.layers[:above], *sixth, *base.layers[above:])
    )


def alexnet_one_gpu(classes: int = 1000) -> Description:
    """The paper's one-GPU network (section 3.2): one tower, but conv5 has 256 maps."""
    rule = _FAST_BIAS
    return Description(
        name="alexnet-one-gpu",
        input_shape=_INPUT_2012,
        classes=classes,
        layers=(
            conv("conv1", 48, 11, stride=4, ceil=True, **rule),
            lrn("norm1", **_SOURCE_LRN),
            max_pool("pool1", 3, 2),
            relu("relu1"),
            conv("conv2", 128, 5, pad=2, bias_value=1.0, **rule),
            relu("relu2"),
            lrn("norm2", **_SOURCE_LRN),
            lrn_within("cnorm2", **_SOURCE_LRN_WITHIN),
            max_pool("pool2", 3, 2),
            conv("conv3", 192, 3, pad=1, weight_std=0.03, **rule),
            relu("relu3"),
            conv("conv4", 192, 3, pad=1, weight_std=0.03, bias_value=1.0, **rule),
            relu("relu4"),
            conv("conv5", 256, 3, pad=1, weight_std=0.03, bias_value=1.0, **rule),
            max_pool("pool5", 3, 2),
            relu("relu5"),
            dense("fc6", 4096, bias_value=1.0, **rule),
            relu("relu6"),
            dropout("drop6"),
            dense("fc7", 4096, bias_value=1.0, **rule),
            relu("relu7"),
            dropout("drop7"),
            *_top(0, **rule),
        ),
        default_config=_as_in_2012(epochs=96, schedule="step@20,48"),
    )


def _top(device: int, **attributes: Any) -> tuple[Layer, ...]:
    """fc8 and the softmax, on one device; fc8 reads both towers."""
    place: dict[str, Any] = {"device": device} if device else {}
    return dense("fc8", "classes", **attributes, **place), softmax(**place)


def _as_in_2012(*, epochs: int, schedule: str) -> dict[str, Any]:
    """The logged runs: learning rates lowered by hand, centre of the mean image subtracted."""
    return default_config(
        epochs=epochs,
        schedule=schedule,
        offsets="inclusive",
        mean="centre",
        color_divisor=1.1,
    )
