from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import FORWARD, assert_close, check_layer, normals, run_layer

CASES: list[tuple[tuple[int, ...], int, int, dict[str, int]]] = [
    ((2, 3, 4, 5), 3, 2, {}),
    ((1, 1, 1, 1), 1, 1, {}),
    ((1, 2, 3, 3), 3, 2, {"pad": 1}),  # the CIFAR-10 nets' local3
    ((1, 1, 2, 3), 4, 2, {"pad": 2}),  # window larger than the image
    ((2, 2, 5, 7), 2, 3, {"stride": 3}),
    ((1, 2, 5, 4), 3, 2, {"stride": 2, "pad": 1}),
]


def sizes(shape: tuple[int, ...], kernel: int, rest: dict[str, int]) -> tuple[int, int]:
    stride, pad = rest.get("stride", 1), rest.get("pad", 0)
    return (
        reference.conv_size(shape[2], kernel, stride, pad),
        reference.conv_size(shape[3], kernel, stride, pad),
    )


@pytest.mark.parametrize(("shape", "kernel", "channels", "rest"), CASES)
def test_local_is_its_formula_and_derivative(
    device: str,
    precision: str,
    shape: tuple[int, ...],
    kernel: int,
    channels: int,
    rest: dict[str, int],
) -> None:
    out = sizes(shape, kernel, rest)
    check_layer(
        "local",
        {"channels": channels, "kernel": kernel, **rest},
        lambda x, weight, bias: reference.local(x, weight, bias, kernel=kernel, **rest),
        [normals(shape)],
        {
            "weight": normals((channels, shape[1] * kernel * kernel, *out), seed=1),
            "bias": normals((channels, 1, *out), seed=2),
        },
        device=device,
        precision=precision,
    )


def test_local_with_the_same_filter_everywhere_is_a_convolution(device: str) -> None:
    x, weight = normals((2, 3, 5, 6)), normals((4, 3, 3, 3), seed=1)
    spread = np.broadcast_to(weight.reshape(4, 27, 1, 1), (4, 27, 5, 6))
    attrs = {"channels": 4, "kernel": 3, "pad": 1, "bias": False}
    y = run_layer("local", attrs, [x], None, {"weight": spread}, device=device).y
    assert_close(y, reference.conv(x, weight, pad=1), FORWARD["fp32"])


def test_local_parameters_have_the_output_channel_first() -> None:
    """A parameter is split over devices by rows of its first dimension."""
    attrs = {"channels": 2, "kernel": 3}
    params = {"weight": np.zeros((2, 27, 2, 3)), "bias": np.zeros((2, 1, 2, 3))}
    runner = run_layer("local", attrs, [np.zeros((1, 3, 4, 5))], None, params).runner
    assert runner.param_shapes() == {"weight": (2, 27, 2, 3), "bias": (2, 1, 2, 3)}


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"kernel": 3}, "'channels' is missing"),
        ({"channels": 2}, "'kernel' is missing"),
        ({"channels": 0, "kernel": 3}, "channels must be at least 1, got 0"),
        ({"channels": 2, "kernel": 3, "stride": 0}, "kernel and stride must be 1 to 4096"),
        ({"channels": 2, "kernel": 3, "pad": 3}, "pad must be 0 to 2"),
        ({"channels": 2, "kernel": 9}, "a window of 9 does not fit into 5 pixels with padding 0"),
        ({"channels": 2, "kernel": 3, "groups": 2}, "'groups' is not an attribute of local"),
    ],
)
def test_local_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("local", attrs, [normals((1, 4, 5, 6))])
