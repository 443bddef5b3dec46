"""Initial parameters do not depend on the number of threads that draw them."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
import reference
from alexnet_native import _core

# More weights than are drawn at a time (2^22), and not a multiple of a power of two.
FEATURES, CHANNELS = 2101, 2113
LAYERS: list[dict[str, Any]] = [
    {"name": "fc1", "type": "dense", "channels": CHANNELS, "weight_std": 0.02, "bias_value": 0.5},
    {"name": "fc2", "type": "dense", "channels": 3, "weight_std": 0.1},
    {"name": "prob", "type": "softmax"},
]


def network(device: str, precision: str, threads: int) -> _core.Network:
    return _core.Network(
        LAYERS, (FEATURES, 1, 1), devices=(device,), seed=9, precision=precision, threads=threads
    )


def digests(net: _core.Network) -> dict[str, str]:
    return {n: hashlib.sha256(net.get(n).tobytes()).hexdigest() for n in net.param_names()}


def test_initial_values_are_equal_for_any_number_of_threads(device: str, precision: str) -> None:
    want = digests(network(device, precision, 1))
    for threads in (2, 3, 7):
        assert digests(network(device, precision, threads)) == want


@pytest.mark.parametrize("index", [0, 1, 2, 2**15 - 1, 2**22 - 1, 2**22, 2**22 + 5, -2, -1])
def test_initial_values_are_normal_draws_by_seed_name_and_index(device: str, index: int) -> None:
    """The Box-Muller transform of two uniform numbers from Philox."""
    weight = network(device, "fp64", 2).get("fc1.weight").ravel()
    at = index % weight.size
    first = at // 2 * 2
    u, v = (
        (reference.random_bits(9, reference.site_of("fc1.weight"), 0, i) + 0.5) / 2**32
        for i in (first, first + 1)
    )
    turn = math.cos if at % 2 == 0 else math.sin
    want = 0.02 * math.sqrt(-2 * math.log(u)) * turn(2 * math.pi * v)
    assert weight[at] == pytest.approx(want, rel=1e-12)


def test_a_parameter_without_a_standard_deviation_is_constant(device: str) -> None:
    np.testing.assert_array_equal(network(device, "fp32", 2).get("fc1.bias"), np.float32(0.5))
