"""Gradient check: compares the gradient of a network with central differences, in float64.

For some entries of every parameter, (L(w + h) - L(w - h)) / 2h is compared with the gradient of the
loss L. Dropout stays enabled: its masks depend on (seed, step) only, so L is a fixed function. If
the two values differ, a ReLU or a max pooling may have switched between w - h and w + h (a kink of
L). In that case the estimates with h and h/2 differ too, even if the gradient is right, and a
smaller h is tried. Entries for which no h works are excluded; the check fails if there are too many
of them.

A bias before a batch normalisation has no effect on the loss: its gradient is zero up to rounding,
and the differences must be zero, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.errors import ModelError
from alexnet_native.models import Description
from alexnet_native.net import BaseNet
from alexnet_native.net.arguments import integer, number
from alexnet_native.net.batch import as_labels, checked_images
from alexnet_native.net.params import zero_gradients

__all__ = ["GradientCheck", "ParameterCheck", "check_gradients", "gradcheck"]

_STEP = 0  # selects the dropout masks
# Target changes of L, tried in this order. The rounding error of L is about 1e-15.
_LOSS_CHANGES = (1e-6, 1e-7, 1e-8, 1e-9)
_LARGEST_STEP = 1e-3
_FOLLOWING = 30  # number of steps; 0.9^30 of the initial running means remains
_CANDIDATES = 32  # size of the pool of entries, per checked entry
_ZERO = 1e-11  # gradients below this part of the network's largest gradient are rounding errors
_ZERO_DIFFERENCE = 1e-8  # largest difference that is accepted for them, relative to the same
_KINK = 2e-6  # at a kink the two estimates differ by more, relative to the largest gradient


@dataclass(frozen=True)
class ParameterCheck:
    """Result for one parameter. Errors are relative to the largest gradient of checked entries.

    Where the gradient is zero up to rounding, they are relative to the largest of the network.

    Attributes:
        name: for example "conv1.weight".
        checked: number of compared entries.
        kinks: number of excluded entries, where the loss has no derivative.
        error: the largest difference; nan if no entry was compared.
        scale: the largest gradient; 0 if the loss does not depend on the checked entries.
        passed: the error is within the tolerance, the scale is above 0, and kinks are few.
    """

    name: str
    checked: int
    kinks: int
    error: float
    scale: float
    passed: bool


@dataclass(frozen=True)
class GradientCheck:
    """Results for all parameters of a network; prints as a table."""

    network: str
    tolerance: float
    parameters: tuple[ParameterCheck, ...]

    @property
    def passed(self) -> bool:
        return all(parameter.passed for parameter in self.parameters)

    @property
    def error(self) -> float:
        """The largest error of any parameter; nan if a parameter could not be compared."""
        return float(np.max([parameter.error for parameter in self.parameters]))

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as JSON values; nan, which JSON does not have, becomes None."""
        found = {**asdict(self), "error": self.error, "passed": self.passed}
        for entry in (found, *found["parameters"]):
            entry["error"] = None if math.isnan(entry["error"]) else entry["error"]
        return found

    def __str__(self) -> str:
        width = max(len("parameter"), *(len(p.name) for p in self.parameters))
        lines = [f"{'parameter':{width}}  entries  kinks  largest gradient  relative error"]
        lines += [
            f"{p.name:{width}}  {p.checked:7d}  {p.kinks:5d}  {p.scale:16.3e}  {p.error:14.1e}"
            f"{'' if p.passed else '  WRONG'}"
            for p in self.parameters
        ]
        wrong = sum(not p.passed for p in self.parameters)
        verdict = (
            f"{wrong} of {len(self.parameters)} parameters are wrong" if wrong else "all agree"
        )
        return "\n".join([*lines, f"{self.network}: {verdict} (tolerance {self.tolerance:g})"])


def gradcheck(
    model: str | Path | Description,
    *,
    classes: int | None = None,
    images: int = 2,
    samples: int = 6,
    seed: int = 0,
    tolerance: float = 1e-5,
    devices: tuple[str, ...] = ("cpu:0",),
    threads: int = 0,
    replicas: int = 1,
    report: Callable[[ParameterCheck], None] | None = None,
    **options: Any,
) -> GradientCheck:
    """Checks a network on random images with random weights.

    The network's initial weights are not used: with values as small as 1e-4 thousands of units are
    close to a kink, and the first layers hardly affect the loss. Instead, weights are drawn with
    He's standard deviation, biases with a tenth of the standard deviation of the layer's output,
    and the last layer is scaled so that the logits are of order 1.

    Args:
        model, classes, devices, threads, replicas, options: as for `Net`.
        images: number of images in the batch.
        samples: number of checked entries of each parameter.
        seed: seed of weights, images, labels, dropout masks and the choice of entries.
        tolerance: relative to the largest gradient of each parameter.
        report: called with the result of each parameter.

    Raises:
        ConfigError: a number is out of range.
        ModelError: the network cannot be built, or its loss is not finite.
    """
    images = integer("images", images, 1)
    tolerance = number("tolerance", tolerance)
    samples = integer("samples", samples, 1)
    net = BaseNet(
        model,
        classes=classes,
        devices=devices,
        seed=seed,
        precision="fp64",
        threads=threads,
        replicas=replicas,
        **options,
    )
    rng = np.random.default_rng(seed)
    # Like pixels of 0..255 minus their mean, with a standard deviation of about 60.
    batch = rng.normal(
        0.0, 60.0 * net.description.default_config["scale"], (images, *net.input_shape)
    )
    labels = rng.integers(0, net.classes, images, dtype=np.int32)
    _spread_weights(net, batch, labels, rng)
    return check_gradients(
        net, batch, labels, samples=samples, seed=seed, tolerance=tolerance, report=report
    )


def _spread_weights(
    net: BaseNet, images: NDArray[np.float64], labels: NDArray[np.int32], rng: np.random.Generator
) -> None:
    types = {layer["name"]: layer["type"] for layer in net.description.layers}
    normalising = {name.rpartition(".")[0] for name in net.native.state_names()}
    layer = ""
    for name in net.native.param_names():
        shape = net.native.param_shape(name)
        layer, _, kind = name.rpartition(".")
        if layer in normalising:
            net.params[name] = rng.normal(1.0 if kind == "weight" else 0.0, 0.3, shape)
            _follow_batch(net, images, labels)
        elif kind == "weight":
            taps = shape[1] if types[layer] == "local" else int(np.prod(shape[1:]))
            net.params[name] = rng.normal(0.0, np.sqrt(2.0 / taps), shape)
        elif kind == "bias":
            signal = float(net.native.features(images, layer).std())
            net.params[name] = rng.normal(0.0, 0.1 * signal, shape)
    logits = float(net.native.features(images, layer).std())
    for name in net.native.param_names():
        if name.rpartition(".")[0] == layer:
            net.params[name] /= logits


def _follow_batch(net: BaseNet, images: NDArray[np.float64], labels: NDArray[np.int32]) -> None:
    """Lets running means follow the batch, so that `features` gives what training computes."""
    names, batch = net.native.param_names(), _core.Batch(images, labels)
    for name in names:
        net.native.set_update(name, 0.0, 0.0, 0.0)  # no parameter moves, no gradient is computed
    for _ in range(_FOLLOWING):
        net.native.forward_backward(batch, step=_STEP)
        net.native.update()
    for name in names:
        net.native.set_update(name, 0.01, 0.0, 0.0)


def check_gradients(
    net: BaseNet,
    images: NDArray[np.float64],
    labels: NDArray[np.int32],
    *,
    samples: int = 6,
    seed: int = 0,
    tolerance: float = 1e-5,
    most_kinks: float = 0.34,
    report: Callable[[ParameterCheck], None] | None = None,
) -> GradientCheck:
    """Checks a network with its current parameters, which are unchanged afterwards.

    Args:
        net: a network of precision "fp64".
        images: (N, C, H, W).
        labels: (N,).
        samples, seed, tolerance, report: as for `gradcheck`.
        most_kinks: largest fraction of a parameter's entries that may be excluded.

    Raises:
        ConfigError: a number is out of range.
        DataError: the images or labels do not fit the network.
        ModelError: the precision is not "fp64", or the loss is not finite.
    """
    samples = integer("samples", samples, 1)
    tolerance = number("tolerance", tolerance)
    most_kinks = number("most_kinks", most_kinks, most=1.0)
    if net.precision != "fp64":
        raise ModelError(
            "a gradient check needs precision 'fp64': differences in float32 are too inaccurate"
        )

    if not net.native.param_names():
        raise ModelError(f"network {net.description.name} has no parameters to check")

    images = np.ascontiguousarray(checked_images(images, net.input_shape), np.float64)
    labels = as_labels(labels, len(images), net.classes)
    batch = _core.Batch(images, labels)

    def loss() -> float:
        result = net.native.forward_backward(batch, step=_STEP)
        return result.loss / len(labels)

    zero_gradients(net.native)
    if not np.isfinite(loss()):
        raise ModelError(f"network {net.description.name}: the loss of random images is not finite")
    gradients = {name: net.native.get(name, "gradient") for name in net.native.param_names()}

    rng = np.random.default_rng(seed)
    greatest = max(float(np.abs(gradient).max()) for gradient in gradients.values())
    results = []
    for name, gradient in gradients.items():
        entries = _choose(gradient.ravel(), samples, rng)
        result = _check(net, name, gradient.ravel(), entries, loss, tolerance, most_kinks, greatest)
        results.append(result)
        if report is not None:
            report(result)
    return GradientCheck(net.description.name, tolerance, tuple(results))


def _choose(
    gradient: NDArray[np.floating[Any]], samples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Chooses half of the entries at random, and half by the largest gradients in a random pool."""
    pool = rng.choice(gradient.size, min(gradient.size, samples * _CANDIDATES), replace=False)
    uniform, rest = pool[: samples // 2], pool[samples // 2 :]
    largest = rest[np.argsort(-np.abs(gradient[rest]), kind="stable")][: samples - len(uniform)]
    return np.concatenate([uniform, largest])


def _check(
    net: BaseNet,
    name: str,
    gradient: NDArray[np.floating[Any]],
    entries: NDArray[np.int64],
    loss: Callable[[], float],
    tolerance: float,
    most_kinks: float,
    greatest: float,
) -> ParameterCheck:
    value = net.native.get(name)
    flat = value.reshape(-1)
    largest = float(np.abs(gradient[entries]).max())

    def difference(entry: int, h: float) -> float:
        before = flat[entry]
        losses = []
        for moved in (before + h, before - h):
            flat[entry] = moved
            net.native.set(name, "value", value)
            losses.append(loss())
        flat[entry] = before
        return (losses[0] - losses[1]) / (2 * h)

    if 0 < np.abs(gradient).max() <= _ZERO * greatest:
        numeric = np.array([difference(int(entry), _LARGEST_STEP) for entry in entries])
        net.native.set(name, "value", value)
        error = float(np.abs(numeric).max()) / greatest
        return ParameterCheck(
            name=name,
            checked=len(entries),
            kinks=0,
            error=error,
            scale=largest,
            passed=error <= _ZERO_DIFFERENCE,
        )

    def derivative(entry: int) -> float:
        for change in _LOSS_CHANGES:
            h = min(change / max(largest, 1e-300), _LARGEST_STEP)
            wide = difference(entry, h)
            if abs(wide - gradient[entry]) <= tolerance * largest:
                return wide
            narrow = difference(entry, h / 2)
            if abs(wide - narrow) <= _KINK * max(largest, abs(narrow)):
                return narrow
        return float("nan")

    numeric = np.array([derivative(int(entry)) for entry in entries])
    net.native.set(name, "value", value)

    smooth = ~np.isnan(numeric)
    scale = float(np.abs(numeric[smooth]).max(initial=largest))
    errors = np.abs(numeric - gradient[entries])[smooth] / (scale or 1.0)
    error = float(errors.max()) if errors.size else float("nan")
    few = (~smooth).mean() <= most_kinks
    return ParameterCheck(
        name=name,
        checked=int(smooth.sum()),
        kinks=int((~smooth).sum()),
        error=error,
        scale=scale,
        passed=bool(few and scale > 0 and error <= tolerance),
    )
