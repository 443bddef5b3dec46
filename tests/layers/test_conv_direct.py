"""The direct engine: channels in blocks, fp32 and bf16. The gradients come from the matrix form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import COMPUTE_FORWARD, FORWARD, Array, Ran, assert_close, held, normals, run_layer

CPUS = ["cpu:0", "cpu:1"]  # the only devices with this engine
# Channels in multiples of 16 fit the blocks of every instruction set.
# input shape, kernel (h, w), channels, the other attributes
BLOCKED: list[tuple[tuple[int, ...], tuple[int, int], int, dict[str, Any]]] = [
    ((2, 32, 5, 7), (3, 3), 32, {"pad": 1}),
    ((1, 16, 1, 1), (1, 1), 16, {}),
    ((3, 16, 4, 3), (1, 1), 48, {}),  # three blocks: a pair and a single one
    ((1, 48, 3, 4), (2, 3), 80, {"pad": 1}),
    ((2, 32, 6, 5), (3, 2), 64, {"groups": 2}),
    ((1, 16, 3, 2), (5, 5), 16, {"pad": 2}),  # window larger than the image
    ((1, 16, 2, 3), (4, 4), 16, {"pad": 3}),
    ((1, 64, 4, 15), (3, 3), 32, {"pad": 1, "groups": 2}),  # rows just over a tile
    ((1, 16, 3, 29), (2, 4), 16, {}),
    ((11, 16, 3, 4), (3, 3), 16, {"pad": 1}),  # more images than slices of the batch
    ((2, 16, 5, 5), (3, 3), 16, {"ceil": True}),
]
IMAGES: list[tuple[tuple[int, ...], tuple[int, int], int, dict[str, Any]]] = [
    ((2, 3, 9, 11), (3, 3), 32, {"stride": 2}),
    ((1, 1, 5, 5), (5, 5), 16, {"pad": 2}),
    ((2, 3, 8, 6), (3, 2), 48, {"stride": 2, "ceil": True}),
    ((1, 3, 24, 19), (11, 11), 16, {"stride": 4, "ceil": True}),
    ((1, 2, 7, 8), (2, 2), 16, {"stride": 3}),  # pixels between the windows
    ((9, 3, 4, 5), (3, 3), 16, {"pad": 2, "stride": 3, "ceil": True}),
]


def ran_and_wanted(
    case: tuple[tuple[int, ...], tuple[int, int], int, dict[str, Any]],
    precision: str = "fp32",
    **how: Any,
) -> tuple[Ran, Array, tuple[Array, Array, Array]]:
    shape, kernel, channels, rest = case
    x, bias = held(normals(shape), precision), normals((channels,), seed=2)
    weight = normals((channels, shape[1] // rest.get("groups", 1), *kernel), seed=1)
    weight = held(weight, precision)
    want = reference.conv(x, weight, bias, **rest)
    dy = held(normals(want.shape, seed=3), precision)
    how["precision"] = precision
    attrs = {"channels": channels, "kernel_h": kernel[0], "kernel_w": kernel[1], **rest}
    params = {"weight": weight, "bias": bias}
    ran = run_layer("conv", {**attrs, "engine": "direct"}, [x], dy, params, **how)
    return ran, want, reference.conv_backward(x, weight, dy, **rest)


# In bf16 stored values are rounded once. Gradients with respect to parameters are float32 sums.
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("device", CPUS)
@pytest.mark.parametrize("case", BLOCKED)
def test_direct_convolution_of_blocks_is_the_references(
    device: str, case: Any, precision: str
) -> None:
    ran, want, (dx, dw, db) = ran_and_wanted(case, precision, device=device)
    assert ran.runner.engine == "direct"
    assert_close(ran.y, want, FORWARD[precision])
    assert_close(ran.dx, dx, FORWARD[precision])
    assert_close(ran.d_params["weight"], dw, COMPUTE_FORWARD[precision])
    assert_close(ran.d_params["bias"].ravel(), db, COMPUTE_FORWARD[precision])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("device", CPUS)
@pytest.mark.parametrize("case", IMAGES)
def test_direct_convolution_of_the_image_is_the_references(
    device: str, case: Any, precision: str
) -> None:
    ran, want, (_, dw, db) = ran_and_wanted(case, precision, device=device, reads_image=True)
    assert ran.runner.engine == "direct"
    assert_close(ran.y, want, FORWARD[precision])
    assert_close(ran.d_params["weight"], dw, COMPUTE_FORWARD[precision])
    assert_close(ran.d_params["bias"].ravel(), db, COMPUTE_FORWARD[precision])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("case", "image"), [(c, False) for c in BLOCKED] + [(IMAGES[0], True)])
def test_direct_convolution_does_not_depend_on_the_number_of_threads(
    case: Any, image: bool, precision: str
) -> None:
    one, three = (ran_and_wanted(case, precision, threads=n, reads_image=image)[0] for n in (1, 3))
    np.testing.assert_array_equal(one.y, three.y)
    if not image:
        np.testing.assert_array_equal(one.dx, three.dx)
    np.testing.assert_array_equal(one.d_params["weight"], three.d_params["weight"])
    np.testing.assert_array_equal(one.d_params["bias"], three.d_params["bias"])


def test_direct_convolution_adds_to_the_parameters_gradients() -> None:
    ran, _, _ = ran_and_wanted(BLOCKED[0])
    once = {key: g.copy() for key, g in ran.d_params.items()}
    dy = normals(ran.y.shape, seed=3).astype(np.float32)
    _, twice = ran.runner.backward([dy])
    for key, gradient in once.items():
        assert_close(twice[key], 2 * gradient, rel=1e-6)


def test_auto_selects_the_direct_engine_where_it_is_supported_and_gemm_elsewhere() -> None:
    def engine(channels: int, out: int, precision: str = "fp32", **rest: Any) -> str:
        params = {
            "weight": normals((out, channels // rest.get("groups", 1), 3, 3)),
            "bias": normals((out,)),
        }
        attrs = {"channels": out, "kernel": 3, **rest}
        x = normals((1, channels, 5, 5))
        return run_layer("conv", attrs, [x], None, params, precision=precision).runner.engine

    assert engine(16, 32) == "direct"
    assert engine(16, 32, precision="bf16") == "direct"
    assert engine(16, 32, precision="fp64") == "gemm"
    assert engine(16, 32, stride=2) == "gemm"
    assert engine(3, 32) == "gemm"  # the gradient with respect to its input is needed
    assert engine(16, 30) == "gemm"
    assert engine(32, 32, groups=16) == "gemm"


@pytest.mark.parametrize(
    ("channels", "rest", "precision"),
    [(16, {"stride": 2}, "fp32"), (3, {}, "fp32"), (16, {}, "fp64")],
)
def test_direct_is_refused_where_it_is_not_supported(
    channels: int, rest: dict[str, Any], precision: str
) -> None:
    attrs = {"channels": 16, "kernel": 3, "engine": "direct", **rest}
    with pytest.raises(ValueError, match="engine direct needs float32 or bfloat16"):
        run_layer("conv", attrs, [normals((1, channels, 5, 5))], precision=precision)
