from __future__ import annotations

import math

import numpy as np
import pytest
import reference
from alexnet_native.data.draws import Draws

SEED, STEP = 2**40 + 17, 5


def bits(site: str, element: int) -> int:
    return reference.random_bits(SEED, reference.site_of(site), STEP, element)


def box_muller(site: str, element: int) -> float:
    """Element 2i is the cosine, 2i + 1 the sine of the pair of uniforms 2i, 2i + 1."""
    pair = element - element % 2
    u, v = ((bits(site, pair + i) + 0.5) / 2**32 for i in (0, 1))
    turn = math.cos if element % 2 == 0 else math.sin
    return math.sqrt(-2 * math.log(u)) * turn(2 * math.pi * v)


@pytest.mark.parametrize("first", [0, 1, 6, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_normals_are_box_muller_pairs_wherever_a_block_starts(first: int, count: int) -> None:
    got = Draws(SEED, "colour").normals(STEP, first, count)
    want = [box_muller("colour", first + i) for i in range(count)]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_normals_have_mean_0_deviation_1_and_normal_tails() -> None:
    x = Draws(0, "colour").normals(0, 0, 200_000)
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((np.abs(x) > 1.96).mean() - 0.05) < 0.003
    assert abs(np.corrcoef(x[0::2], x[1::2])[0, 1]) < 0.01


def test_integers_below_limits_are_the_high_bits_of_the_product() -> None:
    got = Draws(SEED, "crop").below([33, 5], STEP, 3, 4)
    want = [
        [bits("crop", 2 * i) * 33 >> 32, bits("crop", 2 * i + 1) * 5 >> 32] for i in range(3, 7)
    ]
    assert got.tolist() == want
    assert got.dtype == np.int32


def test_integers_below_a_limit_are_equally_frequent() -> None:
    counts = np.bincount(Draws(0, "crop").below([33], 0, 0, 66_000)[:, 0], minlength=33)
    assert len(counts) == 33
    assert np.abs(counts - 2000).max() < 5 * math.sqrt(2000)


def test_a_permutation_sorts_64_bit_keys() -> None:
    keys = [bits("order", 2 * i) << 32 | bits("order", 2 * i + 1) for i in range(50)]
    want = sorted(range(50), key=keys.__getitem__)
    assert Draws(SEED, "order").permutation(STEP, 50).tolist() == want


def test_a_permutation_holds_everything_once_and_changes_with_seed_and_step() -> None:
    first = Draws(1, "order").permutation(0, 1000)
    for other in (Draws(1, "order").permutation(1, 1000), Draws(2, "order").permutation(0, 1000)):
        assert sorted(other.tolist()) == list(range(1000))
        assert (other != first).mean() > 0.98
    # Where the images of a sorted data set go: no drift towards their old places.
    assert abs(np.corrcoef(first, np.arange(1000))[0, 1]) < 0.1
