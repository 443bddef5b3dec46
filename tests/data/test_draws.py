"""The loader's draws (cpp/data/draws.h), each against the definition in tests/reference.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from alexnet_native import _core

SEED, STEP = 2**40 + 17, 5


def bits(site: str, element: int) -> int:
    return reference.random_bits(SEED, reference.site_of(site), STEP, element)


def box_muller(site: str, element: int) -> float:
    """Element 2i is the cosine, 2i + 1 the sine of the pair of uniforms 2i, 2i + 1."""
    pair = element - element % 2
    u, v = ((bits(site, pair + i) + 0.5) / 2**32 for i in (0, 1))
    turn = math.cos if element % 2 == 0 else math.sin
    return math.sqrt(-2 * math.log(u)) * turn(2 * math.pi * v)


def draws(**changes: Any) -> _core.ImageDraws:
    words: dict[str, Any] = {
        "seed": SEED,
        "channels": 3,
        "crop": (4, 4),
        "positions": (33, 5),
        "first": (0, 0),
        "mirror": True,
        "group": 1,
        "axes": np.eye(3),
        "color_epochs": 100,
        "scale": 1.0,
        "color_scale": 1.0,
    }
    return _core.ImageDraws(**(words | changes))


def permutation(seed: int, step: int, count: int) -> list[int]:
    return _core.permutation(seed, _core.site_of("data/order"), step, count).tolist()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("first", [0, 1, 6, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_color_draws_are_box_muller_pairs_along_the_epoch(
    channels: int, first: int, count: int
) -> None:
    axes = np.random.default_rng(0).normal(size=(channels, channels))
    _, _, got = draws(channels=channels, axes=axes).draw(STEP, first, count)
    alpha = [box_muller("data/colour", channels * first + i) for i in range(channels * count)]
    want = np.array(alpha).reshape(count, channels) @ axes
    assert got is not None and got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)


def test_color_draws_have_mean_0_deviation_1_and_normal_tails() -> None:
    _, _, color = draws(channels=1, axes=np.eye(1)).draw(0, 0, 200_000)
    assert color is not None
    x = color[:, 0]
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((np.abs(x) > 1.96).mean() - 0.05) < 0.003
    assert abs(np.corrcoef(x[0::2], x[1::2])[0, 1]) < 0.01


def test_windows_are_the_high_bits_of_the_product() -> None:
    got, _, _ = draws(first=(10, 20)).draw(STEP, 3, 4)
    want = [
        [
            10 + (bits("data/crop", 2 * i) * 33 >> 32),
            20 + (bits("data/crop", 2 * i + 1) * 5 >> 32),
        ]
        for i in range(3, 7)
    ]
    assert got.tolist() == want
    assert got.dtype == np.int32


def test_mirrors_are_the_highest_bits() -> None:
    _, got, _ = draws().draw(STEP, 5, 9)
    assert got.tolist() == [bits("data/mirror", i) >> 31 for i in range(5, 14)]
    _, never, _ = draws(mirror=False).draw(STEP, 5, 9)
    assert not never.any()


def test_offsets_of_crops_are_equally_frequent() -> None:
    offsets, _, _ = draws().draw(0, 0, 66_000)
    counts = np.bincount(offsets[:, 0], minlength=33)
    assert len(counts) == 33
    assert np.abs(counts - 2000).max() < 5 * math.sqrt(2000)


def test_a_group_shares_window_and_mirroring_but_not_color() -> None:
    alone = draws().draw(STEP, 0, 4)
    offsets, mirror, color = draws(group=32).draw(STEP, 30, 70)  # of groups 0 to 3
    groups = np.arange(30, 100) // 32
    np.testing.assert_array_equal(offsets, alone[0][groups])
    np.testing.assert_array_equal(mirror, alone[1][groups])
    assert color is not None
    np.testing.assert_array_equal(color, draws().draw(STEP, 30, 70)[2])
    assert len(np.unique(color, axis=0)) == 70


def test_a_permutation_sorts_64_bit_keys() -> None:
    site = "data/order"
    for count in (49, 50):
        keys = [bits(site, 2 * i) << 32 | bits(site, 2 * i + 1) for i in range(count)]
        assert permutation(SEED, STEP, count) == sorted(range(count), key=keys.__getitem__)


def test_a_permutation_contains_each_index_once_and_changes_with_seed_and_step() -> None:
    first = permutation(1, 0, 1000)
    for other in (permutation(1, 1, 1000), permutation(2, 0, 1000)):
        assert sorted(other) == list(range(1000))
        assert np.mean(np.array(other) != first) > 0.98
    # The images of a sorted data set move without a drift towards their old positions.
    assert abs(np.corrcoef(first, np.arange(1000))[0, 1]) < 0.1
