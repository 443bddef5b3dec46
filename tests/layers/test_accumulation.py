"""Parameter gradients accumulate, activation gradients are assigned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import assert_close, normals, run_layer

CASES: list[tuple[str, dict[str, Any], tuple[int, ...], dict[str, tuple[int, ...]]]] = [
    (
        "conv",
        {"channels": 4, "kernel": 3, "groups": 2},
        (3, 2, 5, 4),
        {"weight": (4, 1, 3, 3), "bias": (4,)},
    ),
    ("dense", {"channels": 3}, (2, 5, 1, 1), {"weight": (3, 5), "bias": (3,)}),
    (
        "local",
        {"channels": 2, "kernel": 2},
        (3, 2, 3, 4),
        {"weight": (2, 8, 2, 3), "bias": (2, 1, 2, 3)},
    ),
]


@pytest.mark.parametrize(("kind", "attrs", "shape", "shapes"), CASES)
def test_a_second_backward_pass_adds_to_the_parameters_gradients_only(
    device: str,
    precision: str,
    kind: str,
    attrs: dict[str, Any],
    shape: tuple[int, ...],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    params = {key: normals(s, seed=1) for key, s in shapes.items()}
    y = run_layer(kind, attrs, [normals(shape)], None, params).y
    dy = normals(y.shape, seed=2)
    first = run_layer(kind, attrs, [normals(shape)], dy, params, device=device, precision=precision)
    once = {key: g.copy() for key, g in first.d_params.items()}

    d_inputs, twice = first.runner.backward([dy.astype(first.y.dtype)])

    np.testing.assert_array_equal(d_inputs[0], first.dx)
    for key, gradient in once.items():
        assert np.abs(gradient).max() > 0
        assert_close(twice[key], 2 * gradient, rel=1e-6)
