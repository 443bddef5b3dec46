from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from helpers import FORWARD, Array, assert_close, check_layer, distinct, normals, run_layer
from properties import given, settings, st

FORMULAS: dict[str, Callable[..., Array]] = {
    "max_pool": reference.max_pool,
    "avg_pool": reference.avg_pool,
}
# With 16 channels the CPU uses channel blocks.
CHANNELS = pytest.mark.parametrize("channels", [1, 16])
KINDS = pytest.mark.parametrize("kind", FORMULAS)

CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 7, 5), {"size": 3, "stride": 2}),
    ((2, 3, 8, 6), {"size": 3, "stride": 2, "ceil": True}),
    ((1, 1, 1, 1), {"size": 1, "stride": 1}),
    ((1, 2, 5, 5), {"size": 2, "stride": 3}),  # pixels between the windows
    ((1, 2, 5, 7), {"size": 1, "stride": 3, "ceil": True}),
    ((3, 1, 2, 3), {"size": 4, "stride": 1, "pad": 1}),  # window larger than the image
    ((1, 2, 6, 7), {"size": 3, "stride": 2, "pad": 1, "ceil": True}),
    ((1, 1, 5, 5), {"size": 3, "stride": 3, "pad": 2, "ceil": True}),
    ((1, 2, 7, 7), {"size": 5, "stride": 1, "pad": 4}),
]


@KINDS
@pytest.mark.parametrize("channels", [None, 32])
@pytest.mark.parametrize(("shape", "attrs"), CASES)
def test_pooling_is_its_formula_and_derivative(
    device: str,
    precision: str,
    kind: str,
    shape: tuple[int, ...],
    attrs: dict[str, Any],
    channels: int | None,
) -> None:
    shape = (shape[0], channels or shape[1], *shape[2:])
    check_layer(
        kind,
        attrs,
        lambda x: FORMULAS[kind](x, **attrs),
        [distinct(shape)],
        device=device,
        precision=precision,
        apart=2,
    )


@KINDS
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    channels=st.sampled_from([2, 16]),
    precision=st.sampled_from(["fp32", "fp64"]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    size=st.integers(1, 5),
    stride=st.integers(1, 6),
    pad=st.integers(0, 4),
    ceil=st.booleans(),
)
def test_any_window_gives_the_references_output_and_preserves_the_gradient_sum(
    kind: str,
    channels: int,
    precision: str,
    height: int,
    width: int,
    size: int,
    stride: int,
    pad: int,
    ceil: bool,
) -> None:
    pad = min(pad, size - 1)
    if min(height, width) + 2 * pad < size:
        return
    attrs = {"size": size, "stride": stride, "pad": pad, "ceil": ceil}
    x = distinct((2, channels, height, width))
    want = FORMULAS[kind](x, **attrs)
    dy = normals(want.shape)
    ran = run_layer(kind, attrs, [x], dy, precision=precision)
    dx, tolerance = ran.dx.astype(np.float64), FORWARD[precision]
    assert_close(ran.y, want, tolerance)
    # Each window distributes its gradient over its pixels: nothing is lost or counted twice.
    assert_close(dx.sum(axis=(2, 3)), dy.sum(axis=(2, 3)), rel=tolerance)
    # Both are homogeneous of degree one: <dx, x> = <dy, y>.
    given, taken = (dx * x).sum(axis=(2, 3)), (dy * want).sum(axis=(2, 3))
    assert_close(given, taken, rel=10 * tolerance)


@pytest.mark.parametrize(
    ("length", "attrs", "want"),
    [
        (55, {"size": 3, "stride": 2}, 27),
        (55, {"size": 2, "stride": 2}, 27),
        (55, {"size": 2, "stride": 2, "ceil": True}, 28),  # the 2012 non-overlapping control
        (32, {"size": 3, "stride": 2, "ceil": True}, 16),  # the CIFAR-10 nets: 32, 16, 8, 4
        (16, {"size": 3, "stride": 2, "ceil": True}, 8),
        (8, {"size": 3, "stride": 2, "ceil": True}, 4),
        (5, {"size": 1, "stride": 3, "ceil": True}, 2),  # a third would start outside
        (4, {"size": 2, "stride": 3, "pad": 1, "ceil": True}, 2),
    ],
)
@KINDS
def test_pooling_gives_the_known_sizes(
    kind: str, length: int, attrs: dict[str, Any], want: int
) -> None:
    y = run_layer(kind, attrs, [np.zeros((1, 1, length, length))]).y
    assert y.shape == (1, 1, want, want)


def test_max_pooling_of_negative_values_is_not_zero(device: str) -> None:
    x = np.array([-5.0, -3.0, -9.0, -7.0]).reshape(1, 1, 2, 2)
    attrs = {"size": 3, "stride": 2, "pad": 1, "ceil": True}
    assert run_layer("max_pool", attrs, [x], device=device).y.max() == -3


@CHANNELS
def test_max_pooling_keeps_minus_infinity(device: str, channels: int) -> None:
    x, dy = np.full((1, channels, 2, 2), -np.inf), np.ones((1, channels, 1, 1))
    ran = run_layer("max_pool", {"size": 2, "stride": 2}, [x], dy, device=device)
    assert ran.y.ravel().tolist() == [-np.inf] * channels
    assert ran.dx.ravel().tolist() == [1, 0, 0, 0] * channels


@CHANNELS
def test_the_first_of_equal_maxima_gets_the_gradient(device: str, channels: int) -> None:
    x = np.array([[0, 7, 7], [7, 7, 1], [7, 0, 7]], float)
    dy = np.array([[1.0, 2.0], [4.0, 8.0]])
    x, dy = np.tile(x, (1, channels, 1, 1)), np.tile(dy, (1, channels, 1, 1))
    ran = run_layer("max_pool", {"size": 2, "stride": 1}, [x], dy, device=device)
    assert (ran.y == 7).all()
    for dx in ran.dx[0]:
        assert dx.tolist() == [[0, 3, 0], [4, 8, 0], [0, 0, 0]]


@KINDS
@CHANNELS
def test_a_nan_in_a_window_is_detected(device: str, kind: str, channels: int) -> None:
    for at in range(4):
        x = np.arange(8.0 * channels).reshape(2, channels, 2, 2)
        x.reshape(-1)[at] = np.nan
        y = run_layer(kind, {"size": 2, "stride": 2}, [x], device=device).y.ravel()
        assert np.isnan(y[0])
        assert not np.isnan(y[1:]).any()


@KINDS
@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"size": 0, "stride": 1}, "size and stride must be 1 to 4096, got 0 and 1"),
        ({"size": 2, "stride": 0}, "size and stride must be 1 to 4096, got 2 and 0"),
        ({"size": 2, "stride": 1, "pad": 2}, "pad must be 0 to 1 .*, got 2"),
        ({"size": 2, "stride": 1, "pad": -1}, "pad must be 0 to 1 .*, got -1"),
        ({"size": 6, "stride": 1}, "a window of 6 does not fit into 3 pixels with padding 0"),
        ({"size": 2}, "'stride' is missing"),
        ({"stride": 2}, "'size' is missing"),
        ({"size": 2.5, "stride": 2}, "'size' must be an integer"),
        ({"size": 2, "stride": 1, "ceil": 1}, "'ceil' must be true or false"),
        ({"size": 2, "stride": 1, "kernel": 2}, "'kernel' is not an attribute of"),
    ],
)
def test_pooling_refuses_with_a_message(kind: str, attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer(kind, attrs, [np.zeros((1, 1, 3, 9))])
