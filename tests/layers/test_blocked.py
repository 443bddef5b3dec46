"""The channel-blocked layout and the direct engine against planes, im2col and float64.

The other tests of layers prove the plain layout against the formulas; here the same layers run with
channel counts that the processor's blocks divide, in float32 and bfloat16, and are compared with
float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from alexnet_native import _core
from helpers import BACKWARD, FORWARD, assert_close, distinct, held, normals, run_layer

# A multiple of every block that any instruction set has (16 lanes), and of 2 of them and of 3.
CONVS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 16, 1, 1), {"channels": 16, "kernel": 1}),
    ((3, 16, 5, 7), {"channels": 48, "kernel": 3, "pad": 1}),
    ((2, 48, 6, 15), {"channels": 32, "kernel": 5, "pad": 2}),
    ((2, 32, 13, 13), {"channels": 96, "kernel": 3, "pad": 1, "groups": 2}),
    ((11, 16, 4, 29), {"channels": 16, "kernel_h": 3, "kernel_w": 2}),
    ((2, 16, 3, 3), {"channels": 16, "kernel": 3, "pad": 2}),
    ((1, 32, 2, 4), {"channels": 32, "kernel": 5, "pad": 3}),  # a window larger than the image
]
IMAGES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 27, 31), {"channels": 48, "kernel": 11, "stride": 4}),
    ((1, 3, 24, 24), {"channels": 16, "kernel": 11, "stride": 4, "ceil": True}),
    ((9, 3, 12, 12), {"channels": 32, "kernel": 5, "pad": 2}),
    ((2, 1, 9, 8), {"channels": 16, "kernel": 3, "stride": 2, "pad": 1}),
    ((1, 2, 20, 33), {"channels": 16, "kernel": 7, "stride": 3, "pad": 2, "ceil": True}),
]


def run_conv(
    shape: tuple[int, ...], attrs: dict[str, Any], engine: str, precision: str, **k: Any
) -> tuple[Any, Any, dict[str, Any]]:
    kernel = (
        attrs.get("kernel_h", attrs.get("kernel")),
        attrs.get("kernel_w", attrs.get("kernel")),
    )
    weight = normals((attrs["channels"], shape[1] // attrs.get("groups", 1), *kernel), seed=1)
    bias = normals((attrs["channels"],), seed=2)
    dtype = np.float32 if precision == "fp32" else np.float64
    layer = _core.LayerRunner(
        "conv", {**attrs, "engine": engine}, [shape], precision=precision, **k
    )
    assert layer.engine == engine
    params = {"weight": weight.astype(dtype), "bias": bias.astype(dtype)}
    y = layer.forward([normals(shape).astype(dtype)], params)[0]
    dx, grads = layer.backward([normals(y.shape, seed=3).astype(dtype)])
    return y, dx[0], grads


@pytest.mark.parametrize(("shape", "attrs"), CONVS)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_direct_engine_equals_im2col_in_float64(
    shape: tuple[int, ...], attrs: dict[str, Any], threads: int
) -> None:
    y, dx, grads = run_conv(shape, attrs, "direct", "fp32", threads=threads)
    want_y, want_dx, want = run_conv(shape, attrs, "gemm", "fp64")
    assert_close(y, want_y, rel=1e-5)
    assert_close(dx, want_dx, rel=1e-5)
    assert_close(grads["weight"], want["weight"], rel=1e-5)
    assert_close(grads["bias"], want["bias"], rel=1e-5)


@pytest.mark.parametrize(("shape", "attrs"), IMAGES)
def test_the_direct_engine_reads_an_image_in_planes(
    shape: tuple[int, ...], attrs: dict[str, Any]
) -> None:
    y, _, grads = run_conv(shape, attrs, "direct", "fp32", reads_image=True)
    want_y, _, want = run_conv(shape, attrs, "gemm", "fp64")
    assert_close(y, want_y, rel=1e-5)
    assert_close(grads["weight"], want["weight"], rel=1e-5)
    assert_close(grads["bias"], want["bias"], rel=1e-5)


def test_the_direct_engine_gives_the_same_bits_for_any_number_of_threads() -> None:
    shape, attrs = CONVS[3]
    runs = [run_conv(shape, attrs, "direct", "fp32", threads=n) for n in (1, 2, 5)]
    for y, dx, grads in runs[1:]:
        np.testing.assert_array_equal(y, runs[0][0])
        np.testing.assert_array_equal(dx, runs[0][1])
        np.testing.assert_array_equal(grads["weight"], runs[0][2]["weight"])


def test_the_direct_engine_reports_what_it_needs() -> None:
    with pytest.raises(ValueError, match="engine direct needs float32 or bfloat16"):
        _core.LayerRunner("conv", {"channels": 5, "kernel": 3, "engine": "direct"}, [(1, 3, 9, 9)])


@pytest.mark.parametrize(
    "attrs", [{"size": 5, "groups": 1}, {"size": 3, "groups": 2}, {"size": 7, "groups": 4}]
)
@pytest.mark.parametrize("beta", [0.75, 0.6])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_blocked_lrn_is_the_formula(attrs: dict[str, Any], beta: float, precision: str) -> None:
    x, dy = (held(normals((2, 64, 3, 5), seed=i), precision) for i in (0, 1))
    attrs = {**attrs, "alpha": 0.5, "k": 1.5, "beta": beta}
    fast = run_layer("lrn", attrs, [x], dy, precision=precision)
    want = run_layer("lrn", attrs, [x], dy, precision="fp64")
    assert_close(fast.y, reference.lrn(x, **attrs), FORWARD[precision])
    assert_close(fast.dx, want.dx, FORWARD[precision])  # computed from x only, with one rounding


def test_blocked_lrn_with_groups_that_cut_a_block_is_the_formula() -> None:
    x, dy = normals((1, 48, 2, 2)), normals((1, 48, 2, 2), seed=1)
    attrs = {"size": 5, "groups": 6, "alpha": 0.5, "k": 1.5}
    fast = run_layer("lrn", attrs, [x], dy)
    assert_close(fast.y, reference.lrn(x, **attrs), rel=1e-5)
    assert_close(fast.dx, run_layer("lrn", attrs, [x], dy, precision="fp64").dx, rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_blocked_lrn_within_is_the_formula(precision: str) -> None:
    x, dy = (held(normals((2, 32, 4, 5), seed=i), precision) for i in (0, 1))
    attrs = {"size": 3, "alpha": 0.5, "k": 1.5}
    fast = run_layer("lrn_within", attrs, [x], dy, precision=precision)
    want = run_layer("lrn_within", attrs, [x], dy, precision="fp64")
    assert_close(fast.y, reference.lrn_within(x, **attrs), FORWARD[precision])
    assert_close(fast.dx, want.dx, BACKWARD[precision])


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(
    "window",
    [
        {"size": 3, "stride": 2},
        {"size": 3, "stride": 2, "ceil": True},
        {"size": 2, "stride": 2},
        {"size": 3, "stride": 1, "pad": 1},
        {"size": 2, "stride": 3, "pad": 1, "ceil": True},
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_blocked_pooling_equals_planes(kind: str, window: dict[str, Any], precision: str) -> None:
    x = distinct((2, 48, 7, 6))
    y = getattr(reference, kind)(x, **window)
    dy = held(normals(y.shape, seed=1), precision)
    fast = run_layer(kind, window, [x], dy, precision=precision)
    want = run_layer(kind, window, [x], dy, precision="fp64")
    assert_close(fast.y, y, FORWARD[precision])
    assert_close(fast.dx, want.dx, FORWARD[precision])  # overlapping windows, rounded once


def test_blocked_max_pooling_selects_the_first_of_equal_maxima_and_keeps_nan() -> None:
    x = np.zeros((1, 16, 4, 4))
    x[0, 3, 1, 2] = np.nan
    dy = np.ones((1, 16, 1, 1))
    ran = run_layer("max_pool", {"size": 4, "stride": 1}, [x], dy)
    assert np.isnan(ran.y[0, 3, 0, 0])
    assert (np.delete(ran.y.ravel(), 3) == 0).all()
    assert ran.dx[0, 3, 1, 2] == 1 and ran.dx[0, 3].sum() == 1
    assert ran.dx[0, 4, 0, 0] == 1 and ran.dx[0, 4].sum() == 1
