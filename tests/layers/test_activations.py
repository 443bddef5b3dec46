from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import check_layer, distinct, run_layer
from reference import ACTIVATIONS

CASES: list[tuple[str, dict[str, float]]] = [
    ("relu", {}),
    ("tanh", {}),
    ("tanh", {"a": 1.7, "b": 0.6}),
    ("tanh", {"a": -1.5, "b": 0.5}),
    ("logistic", {}),
    ("softplus", {}),
    ("abs", {}),
    ("abs_tanh", {}),
    ("abs_tanh", {"a": 1.7, "b": 0.6}),
    ("abs_tanh", {"a": -1.5, "b": 0.5}),
    ("abs_tanh", {"a": -1.5, "b": -0.5}),
]


@pytest.mark.parametrize(("kind", "attrs"), CASES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 7), (3, 17, 1, 1), (2, 32, 2, 3)])
def test_an_activation_is_its_formula_and_derivative(
    device: str, precision: str, kind: str, attrs: dict[str, float], shape: tuple[int, ...]
) -> None:
    x = distinct(shape) / 16  # about -4 .. 4, never at a kink

    def formula(v: Any) -> Any:
        return ACTIVATIONS[kind](v, **attrs)

    check_layer(kind, attrs, formula, [x], device=device, precision=precision, apart=2)


def test_relu_of_zero_has_no_gradient(device: str) -> None:
    x = np.array([-1.0, -0.0, 0.0, 1.0]).reshape(1, 4, 1, 1)
    ran = run_layer("relu", {}, [x], np.ones_like(x), device=device)
    assert ran.dx.ravel().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_an_activation_passes_nan_on_so_that_divergence_is_detected(device: str, kind: str) -> None:
    x = np.array([np.nan, 1.0]).reshape(1, 2, 1, 1)
    y = run_layer(kind, {}, [x], device=device).y.ravel()
    assert np.isnan(y[0])
    assert not np.isnan(y[1])


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_an_activation_stays_finite_far_from_zero(device: str, kind: str) -> None:
    x = np.array([-1e4, -100.0, 100.0, 1e4]).reshape(1, 4, 1, 1)
    ran = run_layer(kind, {}, [x], np.ones_like(x), device=device)
    assert np.isfinite(ran.y).all()
    assert np.isfinite(ran.dx).all()


def test_softplus_of_a_large_number_is_the_number(device: str) -> None:
    x = np.array([100.0, 1e4]).reshape(1, 2, 1, 1)
    assert run_layer("softplus", {}, [x], device=device).y.ravel().tolist() == [100.0, 1e4]


@pytest.mark.parametrize("kind", ["tanh", "abs_tanh"])
def test_a_tanh_that_is_always_zero_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="a and b must not be 0"):
        run_layer(kind, {"a": 0.0}, [np.ones((1, 1, 1, 1))])
