"""Batch normalisation against its formula, with values that make every term matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import COMPUTE_FORWARD, FORWARD, assert_close, check_layer, held, normals, run_layer

# With eps = 1e-5 or a variance of 1, a wrong position of eps in the formula would not be detected.
ATTRS: list[dict[str, Any]] = [{}, {"eps": 0.5}]
SHAPES = [(2, 3, 5, 7), (3, 1, 2, 1), (7, 5, 1, 1), (2, 32, 4, 5), (1, 2, 3, 3)]


def given(shape: tuple[int, ...]) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
    """Values whose mean and scale differ by channel; parameters; state."""
    channels = shape[1]
    rng = np.random.default_rng(channels)
    size, mean = rng.uniform(0.5, 2.0, channels), rng.normal(0, 2, channels)
    x = normals(shape) * size.reshape(-1, 1, 1) + mean.reshape(-1, 1, 1)
    params = {"weight": normals((channels,), seed=3), "bias": normals((channels,), seed=4)}
    state = {
        "running_mean": normals((channels,), seed=5),
        "running_var": normals((channels,), seed=6) ** 2 + 0.1,
    }
    return x.astype(np.float32).astype(np.float64), params, state


@pytest.mark.parametrize("attrs", ATTRS)
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_is_the_papers_formula_and_its_derivative(
    device: str, precision: str, shape: tuple[int, ...], attrs: dict[str, Any]
) -> None:
    x, params, state = given(shape)
    check_layer(
        "batch_norm",
        attrs,
        lambda x, weight, bias: reference.batch_norm(x, weight, bias, **attrs),
        [x],
        params,
        device=device,
        precision=precision,
        apart=0,  # every output depends on every input
        state=state,
    )


@pytest.mark.parametrize("attrs", ATTRS)
@pytest.mark.parametrize("shape", [*SHAPES, (1, 3, 1, 1)])
def test_inference_uses_the_running_values_and_does_not_change_them(
    device: str, precision: str, shape: tuple[int, ...], attrs: dict[str, Any]
) -> None:
    x, params, state = given(shape)
    x = held(x, precision)
    ran = run_layer(
        "batch_norm", attrs, [x], None, params,
        device=device, precision=precision, state=state, training=False,
    )  # fmt: skip
    want = reference.batch_norm_inference(x, *params.values(), *state.values(), **attrs)
    assert_close(ran.y, want, FORWARD[precision])
    for name, value in ran.runner.state().items():
        np.testing.assert_array_equal(value.ravel(), state[name].astype(value.dtype))


@pytest.mark.parametrize("momentum", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_updates_the_running_values_like_pytorch(
    device: str, precision: str, shape: tuple[int, ...], momentum: float | None
) -> None:
    x, params, state = given(shape)
    x = held(x, precision)
    attrs = {} if momentum is None else {"momentum": momentum}
    ran = run_layer(
        "batch_norm", attrs, [x], None, params,
        device=device, precision=precision, state=state, loss_scale=1 / shape[0],
    )  # fmt: skip
    want = reference.running_statistics(x, *state.values(), **attrs)
    for value, expected in zip(ran.runner.state().values(), want, strict=True):
        assert_close(value.ravel(), expected, COMPUTE_FORWARD[precision])


def test_a_part_of_a_batch_updates_the_running_values_by_its_share(device: str) -> None:
    x, params, state = given((2, 3, 5, 7))
    ran = run_layer(
        "batch_norm", {}, [x], None, params,
        device=device, precision="fp64", state=state, loss_scale=1 / 8,
    )  # fmt: skip
    want = reference.running_statistics(x, *state.values(), momentum=0.1 * 2 / 8)
    for value, expected in zip(ran.runner.state().values(), want, strict=True):
        assert_close(value.ravel(), expected, 1e-12)


def test_the_variance_is_accurate_if_the_mean_is_far_from_zero(device: str) -> None:
    """In float32, sum(x^2) / m - mean^2 would have an error of 10 % here."""
    x = (normals((4, 2, 9, 9)) * 0.01 + 30).astype(np.float32).astype(np.float64)
    _, params, state = given(x.shape)
    y = run_layer("batch_norm", {}, [x], None, params, device=device, state=state).y
    # The mean is rounded to float32, an error of 2e-6 relative to 0.01.
    assert_close(y, reference.batch_norm(x, *params.values()), 2e-4)


def test_the_bits_do_not_depend_on_the_number_of_threads(device: str) -> None:
    x, params, state = given((3, 37, 11, 5))
    dy = normals(x.shape, seed=9)
    runs = [
        run_layer("batch_norm", {}, [x], dy, params, device=device, threads=n, state=state)
        for n in (1, 2, 7)
    ]
    for ran in runs[1:]:
        np.testing.assert_array_equal(ran.y, runs[0].y)
        np.testing.assert_array_equal(ran.dx, runs[0].dx)
        for name, value in ran.d_params.items():
            np.testing.assert_array_equal(value, runs[0].d_params[name])
        for name, value in ran.runner.state().items():
            np.testing.assert_array_equal(value, runs[0].runner.state()[name])


def test_a_second_backward_pass_adds_to_the_parameters_gradients_only(
    device: str, precision: str
) -> None:
    x, params, state = given((2, 3, 5, 7))
    dy = normals(x.shape, seed=9)
    ran = run_layer(
        "batch_norm", {}, [x], dy, params, device=device, precision=precision, state=state
    )
    once = {key: g.copy() for key, g in ran.d_params.items()}
    d_inputs, twice = ran.runner.backward([dy.astype(ran.y.dtype)])
    np.testing.assert_array_equal(d_inputs[0], ran.dx)
    for key, gradient in once.items():
        assert np.abs(gradient).max() > 0
        assert_close(twice[key], 2 * gradient, rel=1e-6)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"momentum": 1.5}, "momentum must be 0 to 1, got 1.5"),
        ({"size": 3}, "'size' is not an attribute of batch_norm"),
    ],
)
def test_batch_norm_refuses_with_a_message(attrs: dict[str, Any], message: str) -> None:
    x, params, state = given((2, 3, 2, 2))
    with pytest.raises(ValueError, match=message):
        run_layer("batch_norm", attrs, [x], None, params, state=state)
