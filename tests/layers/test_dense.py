from __future__ import annotations

from typing import Any

import pytest
import reference
from helpers import check_layer, normals, run_layer


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
        ({"channels": 2, "kernel": 1}, "'kernel' is no attribute of dense"),
    ],
)
def test_dense_refuses_with_a_sentence(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("dense", attrs, [normals((1, 4, 1, 1))])
