from __future__ import annotations

import numpy as np
import pytest
import reference
from alexnet_native import _core


@pytest.mark.parametrize("name", ["", "a", "dropout6", "fc6/1", "größe"])
def test_a_site_is_the_fnv_hash_of_its_name(name: str) -> None:
    assert _core.site_of(name) == reference.site_of(name)


def test_the_site_hash_gives_the_published_vector() -> None:
    assert _core.site_of("foobar") == 0xBF9CF968


@pytest.mark.parametrize(
    ("seed", "site", "step", "first"),
    [
        (0, 0, 0, 0),
        (1, 2, 3, 5),
        (2**63 + 12345, 2**32 - 1, 2**32 - 1, 2**32 - 3),
        (7, 9, 2**35 + 1, 2**34 + 2),
    ],
)
def test_draws_are_philox_blocks_of_element_site_and_step(
    seed: int, site: int, step: int, first: int
) -> None:
    got = _core.philox_bits(seed, site, step, first, 11)
    want = [reference.random_bits(seed, site, step, first + i) for i in range(11)]
    np.testing.assert_array_equal(got, np.array(want, np.uint32))


def test_the_first_draws_are_the_published_values_for_zero_input() -> None:
    want = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert _core.philox_bits(0, 0, 0, 0, 4).tolist() == want
