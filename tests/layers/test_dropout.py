from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import FORWARD, Array, assert_close, held, normals, run_layer
from numpy.typing import NDArray
from placements import DEVICES

SHAPE = (3, 5, 2, 3)


def mask(
    shape: tuple[int, ...], rate: float, *, seed: int, step: int, site: str, first_image: int = 0
) -> NDArray[np.bool_]:
    """True where the uniform draw (24 bits of Philox) of the element's global index is >= rate."""
    count = int(np.prod(shape))
    first = first_image * (count // shape[0])
    number = reference.site_of(site)
    bits = [reference.random_bits(seed, number, step, first + e) for e in range(count)]
    return np.array([(b >> 8) / 2**24 >= np.float32(rate) for b in bits]).reshape(shape)


def dropped(x: Array, keep: NDArray[np.bool_], rate: float, mode: str) -> Array:
    return x * keep / (1 - rate if mode == "inverted" else 1)


@pytest.mark.parametrize("mode", ["2012", "inverted"])
@pytest.mark.parametrize("rate", [0.5, 0.3, 0.0, 0.9])
def test_training_multiplies_by_the_philox_mask_forward_and_backward(
    device: str, precision: str, mode: str, rate: float
) -> None:
    x, dy = held(normals(SHAPE), precision), held(normals(SHAPE, seed=1), precision)
    draw: dict[str, Any] = {"seed": 2**40 + 7, "step": 2**33 + 11, "first_image": 6}
    keep = mask(SHAPE, rate, site="fc6", **draw)

    ran = run_layer(
        "dropout",
        {"rate": rate, "mode": mode},
        [x],
        dy,
        device=device,
        precision=precision,
        name="fc6",
        **draw,
    )

    assert_close(ran.y, dropped(x, keep, rate, mode), FORWARD[precision])
    assert_close(ran.dx, dropped(dy, keep, rate, mode), FORWARD[precision])


@pytest.mark.parametrize(("mode", "factor"), [("2012", 0.7), ("inverted", 1.0)])
def test_inference_multiplies_by_one_minus_the_rate_in_the_2012_form(
    device: str, precision: str, mode: str, factor: float
) -> None:
    x, dy = held(normals(SHAPE), precision), held(normals(SHAPE, seed=1), precision)
    ran = run_layer(
        "dropout",
        {"rate": 0.3, "mode": mode},
        [x],
        dy,
        device=device,
        precision=precision,
        training=False,
    )
    assert_close(ran.y, factor * x, FORWARD[precision])
    assert_close(ran.dx, factor * dy, FORWARD[precision])


def test_the_papers_form_is_the_default() -> None:
    x = np.ones(SHAPE)
    assert set(np.unique(run_layer("dropout", {}, [x]).y)) == {0.0, 1.0}
    assert set(np.unique(run_layer("dropout", {}, [x], training=False).y)) == {0.5}


def test_the_mask_does_not_depend_on_threads_devices_or_precision() -> None:
    x = np.ones((4, 9001, 1, 1))
    base = run_layer("dropout", {"rate": 0.4}, [x], seed=3, step=5, threads=1).y
    places = [{"device": device} for device in ("cpu:1", *DEVICES)]
    for other in ({"threads": 3}, *places, {"precision": "fp64"}):
        y = run_layer("dropout", {"rate": 0.4}, [x], seed=3, step=5, **other).y
        np.testing.assert_array_equal(y, base)


def test_the_mask_of_a_part_of_the_batch_is_the_part_of_the_mask(device: str) -> None:
    x = np.ones((6, 5, 3, 1))
    whole = run_layer("dropout", {}, [x], device=device, seed=1, step=2).y
    for first, count in [(0, 1), (1, 3), (4, 2)]:
        part = run_layer(
            "dropout", {}, [x[:count]], device=device, seed=1, step=2, first_image=first
        ).y
        np.testing.assert_array_equal(part, whole[first : first + count])


def test_the_mask_of_a_tower_is_the_towers_part_of_the_mask(device: str) -> None:
    x = np.ones((3, 10, 2, 3))
    whole = run_layer("dropout", {}, [x], device=device, name="drop6", seed=4, step=9).y
    for first, count in [(0, 5), (5, 5), (7, 3)]:
        attrs = {"site": "drop6", "first_channel": first, "total_channels": 10}
        part = run_layer(
            "dropout", attrs, [x[:, :count]], device=device, name="drop6/1", seed=4, step=9
        ).y
        np.testing.assert_array_equal(part, whole[:, first : first + count])


def test_seed_step_and_name_each_change_the_mask() -> None:
    x = np.ones((2, 500, 1, 1))
    draws = [
        {"seed": 1, "step": 2, "name": "a"},
        {"seed": 2, "step": 2, "name": "a"},
        {"seed": 1, "step": 3, "name": "a"},
        {"seed": 1, "step": 2, "name": "b"},
    ]
    masks = [run_layer("dropout", {}, [x], **draw).y for draw in draws]
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert 0.4 < (one == other).mean() < 0.6  # as for independent masks


def test_an_element_whose_draw_equals_the_rate_is_kept(device: str) -> None:
    site = reference.site_of("layer")
    draws = [(reference.random_bits(8, site, 1, e) >> 8) / 2**24 for e in range(6)]
    for element, rate in enumerate(draws):
        y = run_layer(
            "dropout", {"rate": rate}, [np.ones((1, 6, 1, 1))], device=device, seed=8, step=1
        ).y
        assert y.ravel()[element] == 1


def test_the_kept_share_is_one_minus_the_rate() -> None:
    x = np.ones((10, 10000, 1, 1))
    for rate in (0.1, 0.5, 0.8):
        kept = (run_layer("dropout", {"rate": rate}, [x], seed=5).y != 0).mean()
        assert abs(kept - (1 - rate)) < 0.006  # four standard deviations of 100,000 draws


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"rate": 1.0}, "rate must be at least 0 and less than 1, got 1"),
        ({"rate": -0.1}, "rate must be at least 0 and less than 1, got -0.1"),
        ({"rate": float("nan")}, "rate must be at least 0 and less than 1"),
        ({"mode": "standard"}, "mode must be '2012' .* or 'inverted', not 'standard'"),
        (
            {"first_channel": 3, "total_channels": 5},
            "channels 3 to 7 do not fit into a layer with 5 channels",
        ),
        ({"p": 0.5}, "'p' is not an attribute of dropout"),
    ],
)
def test_dropout_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_layer("dropout", attrs, [normals((1, 4, 1, 1))])
