from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from helpers import (
    COMPUTE_BACKWARD,
    FORWARD,
    assert_close,
    check_layer,
    normals,
    parameter_gradient,
    run_layer,
)
from properties import given, settings, st

# input shape, kernel (h, w), channels, the other attributes
CASES: list[tuple[tuple[int, ...], tuple[int, int], int, dict[str, Any]]] = [
    ((2, 3, 5, 7), (3, 3), 2, {}),
    ((1, 1, 1, 1), (1, 1), 1, {}),
    ((3, 2, 4, 3), (1, 1), 5, {}),
    ((2, 2, 7, 5), (3, 2), 3, {"stride": 2}),
    ((1, 3, 5, 5), (3, 3), 2, {"pad": 1}),
    ((1, 2, 3, 2), (5, 5), 2, {"pad": 2}),  # window larger than the image
    ((1, 2, 7, 7), (2, 2), 3, {"stride": 3}),  # pixels between the windows
    ((2, 4, 4, 3), (3, 3), 6, {"groups": 2, "pad": 1}),
    ((1, 6, 3, 3), (2, 2), 6, {"groups": 6}),
    ((1, 2, 6, 7), (3, 3), 2, {"stride": 2, "ceil": True}),
    ((2, 4, 6, 8), (3, 3), 4, {"stride": 4, "pad": 1, "groups": 2, "ceil": True}),
]


def attributes(kernel: tuple[int, int], channels: int, rest: dict[str, Any]) -> dict[str, Any]:
    size = {"kernel_h": kernel[0], "kernel_w": kernel[1]}
    if kernel[0] == kernel[1]:
        size = {"kernel": kernel[0]}
    return {"channels": channels, **size, **rest}


@pytest.mark.parametrize(("shape", "kernel", "channels", "rest"), CASES)
def test_conv_is_its_formula_and_derivative(
    device: str,
    precision: str,
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    channels: int,
    rest: dict[str, Any],
) -> None:
    weight = normals((channels, shape[1] // rest.get("groups", 1), *kernel), seed=1)
    check_layer(
        "conv",
        attributes(kernel, channels, rest),
        lambda x, weight, bias: reference.conv(x, weight, bias, **rest),
        [normals(shape)],
        {"weight": weight, "bias": normals((channels,), seed=2)},
        device=device,
        precision=precision,
    )


def test_conv_without_bias_has_no_bias(device: str, precision: str) -> None:
    check_layer(
        "conv",
        {"channels": 2, "kernel": 2, "bias": False},
        lambda x, weight: reference.conv(x, weight),
        [normals((1, 2, 3, 3))],
        {"weight": normals((2, 2, 2, 2), seed=1)},
        device=device,
        precision=precision,
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    images=st.integers(1, 3),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    per_group=st.integers(1, 5),
    groups=st.integers(1, 3),
    filters=st.integers(1, 5),
    kernel_h=st.integers(1, 5),
    kernel_w=st.integers(1, 5),
    stride=st.integers(1, 5),
    pad=st.integers(0, 3),
    ceil=st.booleans(),
)
def test_conv_of_any_shape_is_the_references_and_its_backward_is_the_adjoint(
    images: int,
    height: int,
    width: int,
    per_group: int,
    groups: int,
    filters: int,
    kernel_h: int,
    kernel_w: int,
    stride: int,
    pad: int,
    ceil: bool,
) -> None:
    if height + 2 * pad < kernel_h or width + 2 * pad < kernel_w:
        return
    rest = {"stride": stride, "pad": pad, "groups": groups, "ceil": ceil}
    x = normals((images, per_group * groups, height, width))
    weight = normals((filters * groups, per_group, kernel_h, kernel_w), seed=1)
    want = reference.conv(x, weight, **rest)
    dy = normals(want.shape, seed=2)
    attrs = attributes((kernel_h, kernel_w), filters * groups, {**rest, "bias": False})
    ran = run_layer("conv", attrs, [x], dy, {"weight": weight}, precision="fp64")
    assert_close(ran.y, want, FORWARD["fp64"])
    # y is linear in x and in w: <y, dy> = <x, dx> = <w, dw>, here relative to the sizes involved.
    scale = np.linalg.norm(want) * np.linalg.norm(dy) + 1e-12
    assert abs((ran.dx * x).sum() - (want * dy).sum()) <= 1e-10 * scale
    assert abs((ran.d_params["weight"] * weight).sum() - (want * dy).sum()) <= 1e-10 * scale


def test_only_weights_of_cudnn_in_bf16_may_have_a_rounded_gradient() -> None:
    rounded = parameter_gradient("bf16", "cudnn", "weight")
    assert 2.0**-9 < rounded < 2.0**-7
    for words in product(("fp32", "fp64", "bf16"), ("cudnn", "gemm", "direct"), ("weight", "bias")):
        if words != ("bf16", "cudnn", "weight"):
            assert parameter_gradient(*words) == COMPUTE_BACKWARD[words[0]] <= 1e-5


def test_ceil_gives_224_pixels_55_windows_as_if_3_zeros_were_to_the_right_and_below(
    device: str,
) -> None:
    x = normals((1, 3, 224, 224))
    params = {"weight": normals((2, 3, 11, 11), seed=1), "bias": normals((2,), seed=2)}
    attrs = {"channels": 2, "kernel": 11, "stride": 4}
    wide = np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 3)))
    dy = normals((1, 2, 55, 55), seed=3)

    ceil = run_layer("conv", {**attrs, "ceil": True}, [x], dy, params, device=device)
    padded = run_layer("conv", attrs, [wide], dy, params, device=device)

    assert ceil.y.shape == (1, 2, 55, 55)
    pairs = [
        (ceil.y, padded.y),
        (ceil.dx, padded.dx[:, :, :224, :224]),
        (ceil.d_params["weight"], padded.d_params["weight"]),
    ]
    for got, same in pairs:
        if "cudnn" in (ceil.runner.engine, padded.runner.engine):
            # cuDNN may choose a different algorithm for each of the two problems.
            assert_close(got, same, rel=1e-5)
        else:
            np.testing.assert_array_equal(got, same)
    assert run_layer("conv", attrs, [x], None, params, device=device).y.shape == (1, 2, 54, 54)


def test_conv_does_not_depend_on_the_number_of_threads(precision: str) -> None:
    x, params = normals((5, 4, 9, 8)), {"weight": normals((6, 2, 3, 3)), "bias": normals((6,))}
    attrs = {"channels": 6, "kernel": 3, "pad": 1, "groups": 2}
    dy = normals((5, 6, 9, 8), seed=5)
    one, three = (
        run_layer("conv", attrs, [x], dy, params, precision=precision, threads=n) for n in (1, 3)
    )
    np.testing.assert_array_equal(one.y, three.y)
    np.testing.assert_array_equal(one.dx, three.dx)
    np.testing.assert_array_equal(one.d_params["weight"], three.d_params["weight"])
    np.testing.assert_array_equal(one.d_params["bias"], three.d_params["bias"])


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"kernel": 3}, "'channels' is missing"),
        ({"channels": 0, "kernel": 3}, "channels must be at least 1"),
        ({"channels": 4}, "'kernel' is missing"),
        ({"channels": 4, "kernel": 3, "stride": 0}, "stride must be at least 1"),
        ({"channels": 4, "kernel": 3, "pad": -1}, "pad must not be negative"),
        ({"channels": 3, "kernel": 3, "groups": 2}, "3 channels cannot be divided into 2 groups"),
        (
            {"channels": 6, "kernel": 3, "groups": 3},
            "4 input channels cannot be divided into 3 groups",
        ),
        ({"channels": 4, "kernel": 9}, "a window of 9 does not fit into 5 pixels with padding 0"),
        ({"channels": 4, "kernel": 3, "engine": "magic"}, "magic"),
        ({"channels": 4, "kernel": 3, "stirde": 2}, "'stirde' is not an attribute of conv"),
    ],
)
def test_conv_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("conv", attrs, [normals((1, 4, 5, 6))])
