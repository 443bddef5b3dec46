"""Later networks known as AlexNet: one tower, Caffe's two networks, torchvision's.

Initial weights have a standard deviation of 0.01 and initial biases are 0 unless a layer states
other values.
"""

from __future__ import annotations

from typing import Any

from alexnet_native.models.builders import (
    Layer,
    conv,
    dense,
    dropout,
    lrn,
    max_pool,
    relu,
    softmax,
    unit,
)
from alexnet_native.models.default_config import default_config
from alexnet_native.models.description import Description

__all__ = ["alexnet_single", "caffe_alexnet", "caffenet", "torchvision_alexnet"]

# Outputs are scaled in training, so that inference needs no factor (Caffe, PyTorch).
_INVERTED: dict[str, Any] = {"rate": 0.5, "mode": "inverted"}

# Caffe divides alpha by the window's size, uses k = 1, and normalises across the groups.
_CAFFE_LRN: dict[str, Any] = {
    "size": 5, "k": 1.0, "alpha": 1e-4, "beta": 0.75, "alpha_mode": "mean",
}  # fmt: skip
# The learning rate of biases is twice that of weights; biases have no decay.
_FAST_BIAS = {"bias_lr": 2.0}


def alexnet_single(classes: int = 1000) -> Description:
    """One tower of full width, without groups and normalisation; dropout before fc6 and fc7.

    A simplified AlexNet for which no initial values are published; here, the initial weights
    preserve the scale of the inputs (see `unit`).
    """
    return Description(
        name="alexnet-single",
        input_shape=(3, 227, 227),
        classes=classes,
        layers=(
            conv("conv1", 96, 11, stride=4, weight_std=unit(3 * 11 * 11)),
            relu("relu1"),
            max_pool("pool1", 3, 2),
            conv("conv2", 256, 5, pad=2, weight_std=unit(96 * 5 * 5)),
            relu("relu2"),
            max_pool("pool2", 3, 2),
            conv("conv3", 384, 3, pad=1, weight_std=unit(256 * 3 * 3)),
            relu("relu3"),
            conv("conv4", 384, 3, pad=1, weight_std=unit(384 * 3 * 3)),
            relu("relu4"),
            conv("conv5", 256, 3, pad=1, weight_std=unit(384 * 3 * 3)),
            relu("relu5"),
            max_pool("pool5", 3, 2),
            dropout("drop6", **_INVERTED),
            dense("fc6", 4096, weight_std=unit(256 * 6 * 6)),
            relu("relu6"),
            dropout("drop7", **_INVERTED),
            dense("fc7", 4096, weight_std=unit(4096)),
            relu("relu7"),
            dense("fc8", "classes"),
            softmax(),
        ),
        default_config=_as_pytorch(),
    )


def torchvision_alexnet(classes: int = 1000) -> Description:
    """torchvision's version of the one-tower network of "One weird trick" (Krizhevsky 2014).

    The initial weights preserve the scale of the inputs (see `unit`); torchvision's are uniform and
    smaller.
    """
    return Description(
        name="torchvision-alexnet",
        input_shape=(3, 224, 224),
        classes=classes,
        layers=(
            conv("conv1", 64, 11, stride=4, pad=2, weight_std=unit(3 * 11 * 11)),
            relu("relu1"),
            max_pool("pool1", 3, 2),
            conv("conv2", 192, 5, pad=2, weight_std=unit(64 * 5 * 5)),
            relu("relu2"),
            max_pool("pool2", 3, 2),
            conv("conv3", 384, 3, pad=1, weight_std=unit(192 * 3 * 3)),
            relu("relu3"),
            conv("conv4", 256, 3, pad=1, weight_std=unit(384 * 3 * 3)),
            relu("relu4"),
            conv("conv5", 256, 3, pad=1, weight_std=unit(256 * 3 * 3)),
            relu("relu5"),
            max_pool("pool5", 3, 2),
            dropout("drop6", **_INVERTED),
            dense("fc6", 4096, weight_std=unit(256 * 6 * 6)),
            relu("relu6"),
            dropout("drop7", **_INVERTED),
            dense("fc7", 4096, weight_std=unit(4096)),
            relu("relu7"),
            dense("fc8", "classes"),
            softmax(),
        ),
        default_config=_as_pytorch(),
    )


def caffe_alexnet(classes: int = 1000) -> Description:
    """Caffe's bvlc_alexnet: groups, LRN across the groups with k = 1, initial biases of 0.1."""
    return _caffe("caffe-alexnet", classes, pool_first=False, bias=0.1)


def caffenet(classes: int = 1000) -> Description:
    """Caffe's bvlc_reference_caffenet: pooling before normalisation, initial biases of 1."""
    return _caffe("caffenet", classes, pool_first=True, bias=1.0)


def _caffe(name: str, classes: int, *, pool_first: bool, bias: float) -> Description:
    rule, high = _FAST_BIAS, {"bias_value": bias, **_FAST_BIAS}

    def shrink(index: int) -> tuple[Layer, ...]:
        norm, pool = lrn(f"norm{index}", **_CAFFE_LRN), max_pool(f"pool{index}", 3, 2)
        return (pool, norm) if pool_first else (norm, pool)

    return Description(
        name=name,
        input_shape=(3, 227, 227),
        classes=classes,
        layers=(
            conv("conv1", 96, 11, stride=4, **rule),
            relu("relu1"),
            *shrink(1),
            conv("conv2", 256, 5, pad=2, groups=2, **high),
            relu("relu2"),
            *shrink(2),
            conv("conv3", 384, 3, pad=1, **rule),
            relu("relu3"),
            conv("conv4", 384, 3, pad=1, groups=2, **high),
            relu("relu4"),
            conv("conv5", 256, 3, pad=1, groups=2, **high),
            relu("relu5"),
            max_pool("pool5", 3, 2),
            dense("fc6", 4096, weight_std=0.005, **high),
            relu("relu6"),
            dropout("drop6", **_INVERTED),
            dense("fc7", 4096, weight_std=0.005, **high),
            relu("relu7"),
            dropout("drop7", **_INVERTED),
            dense("fc8", "classes", **rule),
            softmax(),
        ),
        default_config=default_config(batch_size=256, schedule="step@20,40,60,80", color_std=0.0),
    )


def _as_pytorch() -> dict[str, Any]:
    """The settings of PyTorch's example: pixels of deviation 1, no color noise, decay 1e-4."""
    return default_config(weight_decay=1e-4, schedule="step@30,60", color_std=0.0, scale=1 / 58)
