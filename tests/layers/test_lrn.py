from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import BF16, assert_close, check_layer, normals, run_layer

# alpha = 1e-4 hides the cross-channel term (dropping it moves dx by 3e-4 only): 0.5 shows it.
STRONG = {"size": 3, "k": 1.0, "alpha": 0.5, "beta": 0.75}
PARAMS: list[dict[str, Any]] = [
    {"size": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75},
    STRONG,
    {**STRONG, "alpha_mode": "mean"},
    {**STRONG, "size": 9, "beta": 0.6},
    {**STRONG, "size": 1, "beta": 1.0},
]


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("shape", [(2, 7, 2, 3), (1, 1, 4, 4), (1, 3, 1, 1), (2, 32, 3, 2)])
def test_lrn_is_the_papers_formula_and_its_derivative(
    device: str, precision: str, shape: tuple[int, ...], params: dict[str, Any]
) -> None:
    check_layer(
        "lrn",
        params,
        lambda x: reference.lrn(x, **params),
        [normals(shape)],
        device=device,
        precision=precision,
    )


@pytest.mark.parametrize(
    ("channels", "groups"), [(6, 2), (6, 3), (6, 6), (32, 2), (32, 4), (48, 3), (48, 1)]
)
def test_lrn_windows_stay_inside_their_group(
    device: str, precision: str, channels: int, groups: int
) -> None:
    params = {**STRONG, "groups": groups}
    check_layer(
        "lrn",
        params,
        lambda x: reference.lrn(x, **params),
        [normals((2, channels, 3, 2))],
        device=device,
        precision=precision,
    )


# a = [100, 200, ..., 800], n = 5, beta = 0.75; computed twice by hand from the paper's formula.
# fmt: off
VECTORS: list[tuple[dict[str, Any], list[float]]] = [
    ({"k": 2.0, "alpha_mode": "sum"},
     [12.5, 14.865089, 14.461559, 13.465396, 12.48618, 11.632561, 14.486502, 18.57194]),
    ({"k": 2.0, "alpha_mode": "mean"},
     [30.836784, 42.044821, 43.819129, 42.294851, 40.010272, 37.723003, 46.850278, 59.740609]),
    ({"k": 1.0, "alpha_mode": "mean"},
     [36.741959, 46.473616, 46.530243, 43.953634, 41.077261, 38.446145, 47.828391, 61.189506]),
    ({"k": 2.0, "alpha_mode": "mean", "groups": 2},
     [30.836784, 42.044821, 63.067231, 85.701622, 46.111747, 40.157381, 46.850278, 59.740609]),
]
# fmt: on


@pytest.mark.parametrize(("params", "want"), VECTORS)
def test_lrn_gives_the_known_vectors(
    device: str, precision: str, params: dict[str, Any], want: list[float]
) -> None:
    x = np.arange(100.0, 900.0, 100.0).reshape(1, 8, 1, 1)
    ran = run_layer("lrn", params, [x], device=device, precision=precision)
    assert_close(ran.y.ravel(), want, rel={"fp32": 1e-6, "fp64": 2e-8, "bf16": BF16}[precision])
    assert_close(reference.lrn(x, **params).ravel(), want, rel=2e-8)  # eight printed digits


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"size": 4}, "size must be odd, got 4"),
        ({"alpha_mode": "average"}, "alpha_mode must be 'sum' .* or 'mean' .* not 'average'"),
        ({"groups": 2}, "3 channels cannot be divided into 2 groups"),
        ({"groups": 0}, "3 channels cannot be divided into 0 groups"),
        ({"scale": 1.0}, "'scale' is not an attribute of lrn; its attributes are .*alpha_mode"),
    ],
)
def test_lrn_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("lrn", attrs, [normals((1, 3, 2, 2))])
