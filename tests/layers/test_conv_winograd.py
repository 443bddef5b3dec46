"""The winograd engine: 3x3 and 5x5 at stride 1. The gradients come from the matrix form.

Its interpolation loses digits that the other engines keep: up to 7 times the direct engine's error
on the named nets' layers (docs/numerics.md), so values are held to 3e-5 of the largest one. In bf16
it is the same but for the rounding of what is stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import BF16, Array, Ran, assert_close, held, normals, run_layer

BOUND = 3e-5
STORED = {"fp32": BOUND, "bf16": BOUND + BF16}
# Channels in multiples of 16 fit the blocks of every instruction set.
# input shape, kernel, channels, the other attributes
CASES: list[tuple[tuple[int, ...], int, int, dict[str, Any]]] = [
    ((2, 32, 13, 13), 3, 48, {"pad": 1}),  # 5 x 5 tiles; three blocks: a pair and a single one
    ((3, 32, 8, 9), 3, 32, {"pad": 1, "groups": 2}),  # 4 x 4 tiles
    ((2, 16, 11, 14), 5, 16, {"pad": 2}),  # 4 x 4 tiles of 5 x 5 taps
    ((1, 64, 6, 5), 5, 32, {"pad": 2, "groups": 2}),  # 3 x 3 tiles of 5 x 5 taps
    ((1, 16, 3, 2), 5, 16, {"pad": 2}),  # window larger than the image
    ((1, 16, 1, 1), 3, 16, {"pad": 1}),
    ((1, 16, 6, 5), 3, 16, {"pad": 2}),  # the output is larger
    ((1, 16, 6, 7), 5, 32, {"pad": 4}),
    ((2, 16, 6, 5), 3, 16, {}),
    ((2, 16, 6, 7), 5, 16, {"ceil": True}),
    ((45, 16, 9, 9), 3, 16, {"pad": 1}),  # several chunks and slices of tiles
]


def ran_and_wanted(
    case: tuple[tuple[int, ...], int, int, dict[str, Any]], precision: str = "fp32", **how: Any
) -> tuple[Ran, Array, tuple[Array, Array, Array]]:
    shape, kernel, channels, rest = case
    x, bias = held(normals(shape), precision), normals((channels,), seed=2)
    weight = normals((channels, shape[1] // rest.get("groups", 1), kernel, kernel), seed=1)
    weight = held(weight, precision)
    want = reference.conv(x, weight, bias, **rest)
    dy = held(normals(want.shape, seed=3), precision)
    how["precision"] = precision
    attrs = {"channels": channels, "kernel": kernel, "engine": "winograd", **rest}
    ran = run_layer("conv", attrs, [x], dy, {"weight": weight, "bias": bias}, **how)
    return ran, want, reference.conv_backward(x, weight, dy, **rest)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threads", [1, 3])
def test_winograd_convolution_is_the_references(case: Any, threads: int, precision: str) -> None:
    ran, want, (dx, dw, db) = ran_and_wanted(case, precision, threads=threads)
    assert ran.runner.engine == "winograd"
    assert_close(ran.y, want, STORED[precision])
    assert_close(ran.dx, dx, STORED[precision])
    assert_close(ran.d_params["weight"], dw, BOUND)
    assert_close(ran.d_params["bias"].ravel(), db, 1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES)
def test_winograd_convolution_does_not_depend_on_the_number_of_threads(
    case: Any, precision: str
) -> None:
    one, three, seven = (ran_and_wanted(case, precision, threads=n)[0] for n in (1, 3, 7))
    for other in (three, seven):
        np.testing.assert_array_equal(one.y, other.y)
        np.testing.assert_array_equal(one.dx, other.dx)
        np.testing.assert_array_equal(one.d_params["weight"], other.d_params["weight"])
        np.testing.assert_array_equal(one.d_params["bias"], other.d_params["bias"])


def test_winograd_convolution_adds_to_the_parameters_gradients() -> None:
    ran, _, _ = ran_and_wanted(CASES[0])
    once = {key: g.copy() for key, g in ran.d_params.items()}
    dy = normals(ran.y.shape, seed=3).astype(np.float32)
    _, twice = ran.runner.backward([dy])
    for key, gradient in once.items():
        assert_close(twice[key], 2 * gradient, rel=1e-6)


@pytest.mark.parametrize(
    ("kernel", "size", "in_channels", "channels"), [(5, 27, 48, 64), (3, 13, 192, 64)]
)
def test_winograds_error_stays_within_ten_times_the_direct_engines(
    kernel: int, size: int, in_channels: int, channels: int
) -> None:
    x = np.maximum(normals((4, in_channels, size, size)), 0)  # as after a ReLU
    weight = normals((channels, in_channels, kernel, kernel), seed=1)
    dy = normals((4, channels, size, size), seed=2)
    attrs = {"channels": channels, "kernel": kernel, "pad": kernel // 2, "bias": False}

    def run(engine: str, precision: str) -> list[Any]:
        with_engine = {**attrs, "engine": engine}
        ran = run_layer("conv", with_engine, [x], dy, {"weight": weight}, precision=precision)
        return [ran.y, ran.dx, ran.d_params["weight"]]

    wants = run("gemm", "fp64")
    for want, direct, fast in zip(
        wants, run("direct", "fp32"), run("winograd", "fp32"), strict=True
    ):
        error, allowed = np.linalg.norm(fast - want), np.linalg.norm(direct - want)
        assert error <= 10 * allowed, f"{error / allowed:.1f} times"


def test_auto_selects_winograd_by_shape_only() -> None:
    def engine(n: int, channels: int, size: int, kernel: int, out: int, **rest: Any) -> str:
        weight = normals((out, channels // rest.get("groups", 1), kernel, kernel))
        attrs = {"channels": out, "kernel": kernel, "pad": kernel // 2, "bias": False, **rest}
        x = normals((n, channels, size, size))
        return run_layer("conv", attrs, [x], None, {"weight": weight}).runner.engine

    assert engine(3, 32, 13, 3, 32) == "winograd"
    assert engine(3, 32, 13, 3, 32, engine="direct") == "direct"
    assert engine(1, 48, 27, 5, 128) == "winograd"
    assert engine(2, 32, 13, 3, 32) == "direct"  # too few tiles for the weights' transform
    assert engine(3, 16, 13, 3, 16) == "direct"  # too few channels
    assert engine(32, 32, 6, 3, 32) == "direct"  # the last tiles are half empty
    assert engine(3, 64, 13, 3, 64, groups=4) == "direct"
    assert engine(3, 32, 13, 1, 32) == "direct"


@pytest.mark.parametrize(
    ("channels", "kernel", "rest", "precision"),
    [
        (16, 3, {"stride": 2}, "fp32"),
        (3, 3, {}, "fp32"),
        (16, 4, {}, "fp32"),
        (16, 3, {}, "fp64"),
    ],
)
def test_winograd_is_refused_where_it_is_not_supported(
    channels: int, kernel: int, rest: dict[str, Any], precision: str
) -> None:
    attrs = {"channels": 16, "kernel": kernel, "engine": "winograd", **rest}
    with pytest.raises(ValueError, match="engine winograd needs float32 or bfloat16"):
        run_layer("conv", attrs, [normals((1, channels, 5, 5))], precision=precision)
