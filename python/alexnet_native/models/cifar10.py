"""Networks for 32 x 32 images by Krizhevsky: the example layers of his cuda-convnet.

Pixels are 0..255 minus the mean image. The learning rate is 0.001 for weights and 0.002 for biases,
which have no decay. Every pooling layer is 3 x 3 with stride 2 and `ceil`: 32 -> 16 -> 8 -> 4. The
names contain the published error.
"""

from __future__ import annotations

from typing import Any

from alexnet_native.errors import ModelError
from alexnet_native.models.builders import (
    Layer,
    activation_layer,
    avg_pool,
    conv,
    dense,
    local,
    lrn,
    lrn_within,
    max_pool,
    relu,
    softmax,
    unit,
)
from alexnet_native.models.default_config import default_config
from alexnet_native.models.description import Description

__all__ = ["ACTIVATIONS", "cifar10_11pct", "cifar10_13pct", "cifar10_18pct", "cifar10_19pct",
           "cifar10_quick", "figure1"]  # fmt: skip

ACTIVATIONS = ("relu", "tanh", "logistic", "abs", "abs_tanh", "softplus")

_POOL: dict[str, Any] = {"size": 3, "stride": 2, "ceil": True}


def _learn(decay: float) -> dict[str, float]:
    return {"bias_lr": 2.0, "weight_decay": decay}


def _defaults(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "lr": 0.001, "weight_decay": 0.0, "random_crop": False, "mirror": False,
        "offsets": "inclusive", "mean": "centre", "color_std": 0.0,
    }  # fmt: skip
    return default_config(**{**plain, **changes})


def cifar10_quick(classes: int = 10) -> Description:
    """26 % error after 80 seconds on a GTX 580: the network to try first."""
    small, large = _learn(0.004), _learn(0.03)
    return Description(
        name="cifar10-quick",
        input_shape=(3, 32, 32),
        classes=classes,
        layers=(
            conv("conv1", 32, 5, pad=2, weight_std=1e-4, **small),
            max_pool("pool1", **_POOL),
            relu("relu1"),
            conv("conv2", 32, 5, pad=2, weight_std=0.01, **small),
            relu("relu2"),
            avg_pool("pool2", **_POOL),
            conv("conv3", 64, 5, pad=2, weight_std=0.01, **small),
            relu("relu3"),
            avg_pool("pool3", **_POOL),
            dense("fc64", 64, weight_std=0.1, **large),
            relu("relu4"),
            dense("fc10", "classes", weight_std=0.1, **large),
            softmax(),
        ),
        default_config=_defaults(epochs=10, schedule="step@8"),
    )


def cifar10_18pct(classes: int = 10) -> Description:
    """18 % error: three convolutions, normalisation within each map after two pooling layers."""
    norm: dict[str, Any] = {
        "size": 3, "k": 1.0, "alpha": 5e-5, "beta": 0.75, "alpha_mode": "mean",
    }  # fmt: skip
    return _three_convolutions(
        "cifar10-18pct",
        classes,
        after_pool1=(lrn_within("norm1", **norm),),
        after_pool2=(lrn_within("norm2", **norm),),
        top_decay=1.0,
    )


def cifar10_19pct(classes: int = 10) -> Description:
    """19 % error: `cifar10_18pct` without normalisation and with more decay in the last layer."""
    return _three_convolutions("cifar10-19pct", classes, top_decay=3.0)


def _three_convolutions(
    name: str,
    classes: int,
    *,
    after_pool1: tuple[Layer, ...] = (),
    after_pool2: tuple[Layer, ...] = (),
    top_decay: float,
) -> Description:
    learn = _learn(0.004)
    return Description(
        name=name,
        input_shape=(3, 32, 32),
        classes=classes,
        layers=(
            conv("conv1", 32, 5, pad=2, weight_std=1e-4, **learn),
            max_pool("pool1", **_POOL),
            relu("relu1"),
            *after_pool1,
            conv("conv2", 32, 5, pad=2, weight_std=0.01, **learn),
            relu("relu2"),
            avg_pool("pool2", **_POOL),
            *after_pool2,
            conv("conv3", 64, 5, pad=2, weight_std=0.01, **learn),
            relu("relu3"),
            avg_pool("pool3", **_POOL),
            dense("fc10", "classes", weight_std=0.01, **_learn(top_decay)),
            softmax(),
        ),
        default_config=_defaults(epochs=140, schedule="step@120,130"),
    )


def cifar10_13pct(classes: int = 10) -> Description:
    """13 % error with random crops: two convolutions, then two layers with unshared weights."""
    return _local_net("cifar10-13pct", classes, local3=32, top_decay=0.004)


def cifar10_11pct(classes: int = 10) -> Description:
    """11 % error: `cifar10_13pct` with normalisation across maps and a wider local3."""
    norm: dict[str, Any] = {
        "size": 9, "k": 1.0, "alpha": 1e-3, "beta": 0.75, "alpha_mode": "mean",
    }  # fmt: skip
    return _local_net(
        "cifar10-11pct",
        classes,
        after_pool1=(lrn("norm1", **norm),),
        after_pool2=(lrn("norm2", **norm),),
        local3=64,
        top_decay=0.01,
    )


def _local_net(
    name: str,
    classes: int,
    *,
    after_pool1: tuple[Layer, ...] = (),
    after_pool2: tuple[Layer, ...] = (),
    local3: int,
    top_decay: float,
) -> Description:
    free, decayed = _learn(0.0), _learn(0.004)
    return Description(
        name=name,
        input_shape=(3, 24, 24),
        classes=classes,
        layers=(
            conv("conv1", 64, 5, pad=2, weight_std=1e-4, **free),
            relu("relu1"),
            max_pool("pool1", **_POOL),
            *after_pool1,
            conv("conv2", 64, 5, pad=2, weight_std=0.01, **free),
            relu("relu2"),
            max_pool("pool2", **_POOL),
            *after_pool2,
            local("local3", local3, 3, pad=1, weight_std=0.04, **decayed),
            relu("relu3"),
            local("local4", 32, 3, pad=1, weight_std=0.04, **decayed),
            relu("relu4"),
            dense("fc10", "classes", weight_std=0.01, **_learn(top_decay)),
            softmax(),
        ),
        # As published: about 450 epochs, then 10 at a tenth and 10 at a hundredth of the rate.
        default_config=_defaults(
            epochs=470, schedule="step@450,460", random_crop=True, mirror=True
        ),
    )


def figure1(classes: int = 10, *, activation: str = "relu") -> Description:
    """The paper's Figure 1: a four-layer network for comparing activation functions.

    Its configuration was not published. This one has the widths of `cifar10_19pct`, no decay, and
    initial weights with which both ReLU and tanh units start in their useful range.

    Args:
        classes: number of outputs.
        activation: relu, tanh, logistic, abs, abs_tanh or softplus.
    """
    if activation not in ACTIVATIONS:
        raise ModelError(
            f"activation {activation!r} is unknown; it must be one of {', '.join(ACTIVATIONS)}"
        )
    return Description(
        name="figure1",
        input_shape=(3, 32, 32),
        classes=classes,
        layers=(
            conv("conv1", 32, 5, pad=2, weight_std=unit(3 * 5 * 5), weight_decay=0.0),
            activation_layer("neuron1", activation),
            max_pool("pool1", **_POOL),
            conv("conv2", 32, 5, pad=2, weight_std=unit(32 * 5 * 5), weight_decay=0.0),
            activation_layer("neuron2", activation),
            max_pool("pool2", **_POOL),
            conv("conv3", 64, 5, pad=2, weight_std=unit(32 * 5 * 5), weight_decay=0.0),
            activation_layer("neuron3", activation),
            max_pool("pool3", **_POOL),
            dense("fc10", "classes", weight_decay=0.0),
            softmax(),
        ),
        default_config=_defaults(lr=0.01, epochs=40, schedule="constant", scale=1 / 62),
    )
