from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import (
    BACKWARD,
    COMPUTE_FORWARD,
    FORWARD,
    assert_close,
    check_layer,
    held,
    normals,
    run_layer,
)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((1, 1, 1, 1), 1), ((3, 7, 1, 1), 5), ((2, 3, 2, 5), 4), ((1, 17, 1, 1), 2)],
)
def test_dense_flattens_its_input_and_is_its_formula(
    device: str, precision: str, shape: tuple[int, ...], channels: int
) -> None:
    features = shape[1] * shape[2] * shape[3]
    check_layer(
        "dense",
        {"channels": channels},
        reference.dense,
        [normals(shape)],
        {
            "weight": normals((channels, features), seed=1),
            "bias": normals((channels,), seed=2),
        },
        device=device,
        precision=precision,
    )


# One image and several; complete and partial tiles of 14 rows and panels of 32 columns; inner
# dimensions that are odd or larger than a cache block.
@pytest.mark.parametrize(
    ("images", "features", "channels"),
    [
        (1, 64, 70),
        (1, 33, 4),
        (9, 66, 45),
        (40, 131, 34),
        (64, 96, 112),
        (33, 2110, 18),
        (12, 36, 1034),
    ],
)
def test_dense_products_of_any_size_are_the_matrix_products(
    precision: str, images: int, features: int, channels: int
) -> None:
    x, weight, dy = (
        held(normals((rows, columns), seed=seed), precision)
        for seed, (rows, columns) in enumerate(
            [(images, features), (channels, features), (images, channels)]
        )
    )
    bias = normals((channels,), seed=9)
    runs = [
        run_layer(
            "dense",
            {"channels": channels},
            [x.reshape(images, features, 1, 1)],
            dy.reshape(images, channels, 1, 1),
            {"weight": weight, "bias": bias},
            precision=precision,
            threads=threads,
        )
        for threads in (1, 3)
    ]
    for ran in runs:
        assert_close(ran.y[..., 0, 0], x @ weight.T + bias, FORWARD[precision])
        assert_close(ran.dx[..., 0, 0], dy @ weight, BACKWARD[precision])
        dw = ran.d_params["weight"].reshape(weight.shape)
        assert_close(dw, dy.T @ x, COMPUTE_FORWARD[precision])
        np.testing.assert_array_equal(ran.y, runs[0].y)
        np.testing.assert_array_equal(ran.dx, runs[0].dx)
        np.testing.assert_array_equal(dw, runs[0].d_params["weight"].reshape(weight.shape))


def test_dense_without_bias_has_no_bias(device: str, precision: str) -> None:
    check_layer(
        "dense",
        {"channels": 3, "bias": False},
        reference.dense,
        [normals((2, 5, 1, 1))],
        {"weight": normals((3, 5), seed=1)},
        device=device,
        precision=precision,
    )


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({}, "'channels' is missing"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"channels": 2, "kernel": 1}, "'kernel' is not an attribute of dense"),
    ],
)
def test_dense_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("dense", attrs, [normals((1, 4, 1, 1))])
