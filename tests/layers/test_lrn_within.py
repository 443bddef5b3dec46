from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import assert_close, check_layer, normals, run_layer

STRONG = {"size": 3, "k": 1.0, "alpha": 0.5, "beta": 0.75}
PARAMS: list[dict[str, Any]] = [
    {},
    STRONG,
    {**STRONG, "alpha_mode": "mean"},
    {**STRONG, "size": 5, "k": 2.0, "beta": 0.6},
    {**STRONG, "size": 1},
]


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 1), (1, 2, 2, 1), (2, 32, 4, 5)])
def test_lrn_within_is_the_sources_spatial_norm_and_its_derivative(
    device: str, precision: str, shape: tuple[int, ...], params: dict[str, Any]
) -> None:
    check_layer(
        "lrn_within",
        params,
        lambda x: reference.lrn_within(x, **params),
        [normals(shape)],
        device=device,
        precision=precision,
        apart=2,
    )


def test_the_2012_nets_scale_is_divided_by_the_windows_area(device: str) -> None:
    """The source divides 1e-3 by 5 * 5; a pixel far from the edges sees 25 equal squares."""
    x = np.full((1, 1, 9, 9), 40.0)
    attrs = {"size": 5, "k": 1.0, "alpha": 1e-3, "beta": 0.75, "alpha_mode": "mean"}
    y = run_layer("lrn_within", attrs, [x], device=device, precision="fp64").y
    assert_close(y[0, 0, 4, 4], 40.0 / (1 + 1e-3 * 1600) ** 0.75, rel=1e-12)
    assert_close(y[0, 0, 0, 0], 40.0 / (1 + 1e-3 / 25 * 9 * 1600) ** 0.75, rel=1e-12)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"size": 2}, "size must be odd, got 2"),
        ({"alpha_mode": "none"}, "alpha_mode must be 'sum' or 'mean' .* not 'none'"),
        ({"groups": 2}, "'groups' is not an attribute of lrn_within"),
    ],
)
def test_lrn_within_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("lrn_within", attrs, [normals((1, 3, 2, 2))])
