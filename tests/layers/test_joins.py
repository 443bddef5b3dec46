"""concat, slice, sum and copy move and add values exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import check_layer, normals, run_layer


@pytest.mark.parametrize("widths", [(1, 4, 2), (16, 32), (16, 3)])
def test_concat_puts_channels_after_one_another(
    device: str, precision: str, widths: tuple[int, ...]
) -> None:
    check_layer(
        "concat",
        {},
        lambda *x: np.concatenate(x, axis=1),
        [normals((2, c, 3, 2), seed=c) for c in widths],
        device=device,
        precision=precision,
    )


def test_concat_of_one_input_is_that_input(device: str) -> None:
    x = normals((2, 4, 3, 2))
    ran = run_layer("concat", {}, [x], x, device=device)
    np.testing.assert_array_equal(ran.y, x)
    np.testing.assert_array_equal(ran.dx, x)


@pytest.mark.parametrize(
    ("width", "first", "channels"),
    [(5, 0, 5), (5, 0, 2), (5, 3, 2), (5, 4, 1), (32, 16, 16), (32, 5, 16)],
)
def test_slice_takes_a_range_of_channels(
    device: str, precision: str, width: int, first: int, channels: int
) -> None:
    check_layer(
        "slice",
        {"first": first, "channels": channels},
        lambda x: x[:, first : first + channels],
        [normals((2, width, 3, 2))],
        device=device,
        precision=precision,
    )


@pytest.mark.parametrize(("count", "channels"), [(1, 3), (2, 3), (3, 3), (2, 16)])
def test_sum_adds_element_by_element(
    device: str, precision: str, count: int, channels: int
) -> None:
    check_layer(
        "sum",
        {},
        lambda *x: np.sum(x, axis=0),
        [normals((2, channels, 2, 5), seed=i) for i in range(count)],
        device=device,
        precision=precision,
    )


@pytest.mark.parametrize("channels", [3, 16])
def test_copy_copies(device: str, precision: str, channels: int) -> None:
    x = normals((2, channels, 2, 5))
    check_layer("copy", {}, np.copy, [x], device=device, precision=precision)


@pytest.mark.parametrize(
    ("kind", "attrs", "shapes", "message"),
    [
        ("slice", {"first": 0}, [(1, 4, 2, 2)], "'channels' is missing"),
        ("slice", {"first": -1, "channels": 2}, [(1, 4, 2, 2)], "first must be at least 0"),
        ("slice", {"first": 0, "channels": 0}, [(1, 4, 2, 2)], "channels at least 1"),
        ("slice", {"first": 3, "channels": 2}, [(1, 4, 2, 2)], "channels 3 to 5 .* has 4"),
        ("sum", {}, [(1, 4, 2, 2), (1, 4, 2, 3)], "the same shape, got 1x4x2x2 and 1x4x2x3"),
        ("concat", {}, [(1, 4, 2, 2), (1, 4, 2, 3)], "1x4x2x3"),
        ("concat", {"axis": 1}, [(1, 4, 2, 2)], "'axis' is not an attribute of concat"),
    ],
)
def test_joins_refuse_with_a_message(
    kind: str, attrs: dict[str, Any], shapes: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer(kind, attrs, [normals(s) for s in shapes])
