"""What tests of layers share: running one layer natively and comparing with its formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import reference
from alexnet_native import _core
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Rounding to bfloat16, relative to the value. Sums are float32: a stored value loses this once.
BF16 = 2.0**-8
# Relative to the largest value. float32 has 6e-8; sums of a few hundred terms lose one digit more.
FORWARD = {"fp32": 1e-5, "fp64": 1e-12, "bf16": BF16 + 1e-5}
# In float64 the finite differences of the reference are the limit, about 1e-9. In bfloat16 a slope
# may come from the stored output, in which it is at most quadratic, and the result is rounded too.
BACKWARD = {"fp32": 1e-5, "fp64": 1e-8, "bf16": 3 * BF16 + 1e-5}
# Probabilities, losses and gradients by parameters stay in float32; their operands are as given.
COMPUTE_FORWARD = {**FORWARD, "bf16": 1e-5}
COMPUTE_BACKWARD = {**BACKWARD, "bf16": 1e-5}


def parameter_gradient(precision: str, engine: str, name: str) -> float:
    """How far a layer's gradient by a parameter may be off, of the largest.

    cuDNN has no plan that gives the gradient of bfloat16 weights in float32: it comes rounded.
    """
    rounded = (precision, engine, name) == ("bf16", "cudnn", "weight")
    return FORWARD["bf16"] if rounded else COMPUTE_BACKWARD[precision]


def assert_close(got: Any, want: Any, rel: float) -> None:
    """Every value within rel * the largest wanted value."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    if want.size:
        error, scale = np.abs(got - want).max(), np.abs(want).max()
        assert error <= rel * scale, (
            f"off by {error:.3g}, {error / max(scale, 1e-300):.3g} relative"
        )


def normals(shape: Sequence[int], seed: int = 0) -> Array:
    """Normal values that float32 holds exactly, so that both precisions see the same numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(np.float64)


def held(x: Array, precision: str) -> Array:
    """The values as a layer of this precision is given them: bfloat16 takes the nearest or even."""
    if precision != "bf16":
        return x
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


def distinct(shape: Sequence[int], seed: int = 0) -> Array:
    """Values away from 0 and, in a plane of 256 at most, 0.25 apart: far from kinks and ties.

    bfloat16 holds them exactly.
    """
    count, rng = int(np.prod(shape)), np.random.default_rng(seed)
    values = (np.arange(count) % 256 - min(count, 256) // 2 + 0.5) * 0.25
    planes = rng.permutation(values.reshape(shape[0] * shape[1], -1))
    return rng.permuted(planes, axis=1).reshape(shape)


@dataclass(frozen=True)
class Ran:
    outputs: list[NDArray[Any]]
    d_inputs: list[NDArray[Any]]
    d_params: dict[str, NDArray[Any]]
    runner: _core.LayerRunner

    @property
    def y(self) -> NDArray[Any]:
        return self.outputs[0]

    @property
    def dx(self) -> NDArray[Any]:
        return self.d_inputs[0]


def run_layer(
    kind: str,
    attrs: Mapping[str, Any],
    inputs: Sequence[Array],
    dy: Array | None = None,
    params: Mapping[str, Array] | None = None,
    *,
    device: str = "cpu:0",
    precision: str = "fp32",
    name: str = "layer",
    threads: int = 0,
    reads_image: bool = False,
    state: Mapping[str, Array] | None = None,
    **step: Any,
) -> Ran:
    """Forward and, with `dy`, backward of one layer. `step`: what LayerRunner.forward takes."""
    dtype = np.float64 if precision == "fp64" else np.float32
    runner = _core.LayerRunner(
        kind,
        attrs,
        [x.shape for x in inputs],
        device=device,
        precision=precision,
        name=name,
        threads=threads,
        reads_image=reads_image,
    )
    shapes = runner.param_shapes()
    assert set(shapes) == set(params or {})
    values = {k: v.reshape(shapes[k]).astype(dtype) for k, v in (params or {}).items()}
    state_shapes = runner.state_shapes()
    assert set(state_shapes) == set(state or {})
    states = {k: v.reshape(state_shapes[k]).astype(dtype) for k, v in (state or {}).items()}
    outputs = runner.forward([x.astype(dtype) for x in inputs], values, state=states, **step)
    if dy is None:
        return Ran(outputs, [], {}, runner)
    d_inputs, d_params = runner.backward([dy.astype(dtype)])
    return Ran(outputs, d_inputs, d_params, runner)


def check_layer(
    kind: str,
    attrs: Mapping[str, Any],
    formula: Callable[..., Array],
    inputs: Sequence[Array],
    params: Mapping[str, Array] | None = None,
    *,
    device: str,
    precision: str,
    apart: int = 1,
    **step: Any,
) -> None:
    """The layer is formula(*inputs, **params), and its backward that formula's derivative.

    `apart` = 2: the channels are as independent of one another as the images are; 0: not even the
    images are. `step`: what LayerRunner.forward takes.
    """
    inputs = [held(x, precision) for x in inputs]
    # Biases are float32 in every network that is not of double precision.
    params = {k: v if k == "bias" else held(v, precision) for k, v in (params or {}).items()}
    want = formula(*inputs, **params)
    dy = held(normals(want.shape, seed=99), precision)
    ran = run_layer(kind, attrs, inputs, dy, params, device=device, precision=precision, **step)

    assert_close(ran.y, want, FORWARD[precision])
    for i, x in enumerate(inputs):

        def by_input(v: Array, i: int = i) -> Array:
            return formula(*inputs[:i], v, *inputs[i + 1 :], **params)

        want_dx = reference.numeric_gradient(by_input, x, dy, apart=apart)
        assert_close(ran.d_inputs[i], want_dx, BACKWARD[precision])
    for key, value in params.items():

        def by_param(v: Array, key: str = key) -> Array:
            return formula(*inputs, **{**params, key: v})

        want_dw = reference.numeric_gradient(by_param, value, dy)
        most = parameter_gradient(precision, ran.runner.engine, key)
        assert_close(ran.d_params[key].reshape(value.shape), want_dw, most)
