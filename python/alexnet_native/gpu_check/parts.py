"""The parts of the check. Each returns its rows: what, whether it holds, and a figure in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.models import describe
from alexnet_native.net import Net
from alexnet_native.training.initial import with_he_weights

__all__ = ["PARTS", "Row"]

Array = NDArray[np.floating[Any]]


class Row(TypedDict):
    what: str
    ok: bool
    figure: str


_LAYER_TOLERANCE = 1e-5  # of the norm: float32 sums of up to 400,000 products, in another order
_LOSS_TOLERANCE = 1e-3  # after ten steps, in nats
_STEPS = 10
_NOT_ATTRIBUTES = ("name", "type", "input", "towers", "device", "engine")

_INITIAL = ("weight_std", "bias_value")


def convolutions(net: str) -> Iterator[tuple[str, Mapping[str, Any], tuple[int, int, int], bool]]:
    """Name, attributes, input (channels, height, width) and "reads the image" of each of a net."""
    description = describe(net)
    layers = description.native_layers()
    native = _core.Network(layers, description.input_shape)
    shapes = {layer["name"]: layer["output"] for layer in native.plan(1, training=False)["layers"]}
    shapes["data"] = description.input_shape
    before = "data"
    for words in layers:
        source = words.get("input", before)
        before = words["name"]
        if words["type"] == "conv":
            source = source if isinstance(source, str) else source[0]
            attributes = {k: v for k, v in words.items() if k not in _NOT_ATTRIBUTES}
            yield words["name"], attributes, shapes[source], source == "data"


def layers(device: str, nets: Sequence[str]) -> list[Row]:
    """Every convolution of the nets, forward and backward, against the CPU's im2col."""
    rows, seen = [], set()
    for net in nets:
        for name, attributes, shape, reads_image in convolutions(net):
            form = sorted((k, v) for k, v in attributes.items() if k not in _INITIAL)
            key = (tuple(form), shape, reads_image)
            if key in seen:
                continue
            seen.add(key)
            error = _distance(device, attributes, shape, reads_image)
            rows.append(
                Row(what=f"{net} {name}", ok=error <= _LAYER_TOLERANCE, figure=f"{error:.1e}")
            )
    return rows


def _distance(
    device: str, attributes: Mapping[str, Any], shape: tuple[int, int, int], reads_image: bool
) -> float:
    """The largest distance, relative to the norm, over the output and the gradients."""
    results: list[list[Array]] = []
    for place, engine in ((device, "auto"), ("cpu:0", "gemm")):
        runner = _core.LayerRunner(
            "conv", {**attributes, "engine": engine}, [(2, *shape)],
            device=place, reads_image=reads_image,
        )  # fmt: skip
        rng = np.random.default_rng(1)
        params = {
            name: rng.standard_normal(dims, np.float32)
            for name, dims in runner.param_shapes().items()
        }
        out = runner.forward([rng.standard_normal((2, *shape), np.float32)], params)
        d_in, d_params = runner.backward([rng.standard_normal(out[0].shape, np.float32)])
        gradients = [d_params[name] for name in sorted(d_params)]
        results.append([*out, *([] if reads_image else d_in), *gradients])
    return max(
        float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-30))
        for a, b in zip(*results, strict=True)
    )


def loss(device: str, nets: Sequence[str]) -> list[Row]:
    """Ten training steps from equal weights, against the CPU; and twice alike, to the bit."""
    rows = []
    for net in nets:
        runs = [_losses(net, place) for place in (device, device, "cpu:0")]
        apart = max(abs(a - b) for a, b in zip(runs[0], runs[2], strict=True))
        close = apart <= _LOSS_TOLERANCE  # False for a NaN too
        rows.append(Row(what=f"{net}, CPU", ok=close, figure=f"{apart:.1e}"))
        same = runs[0] == runs[1]
        rows.append(Row(what=f"{net}, again", ok=same, figure="same bits" if same else "differs"))
    return rows


def _losses(name: str, device: str) -> list[float]:
    # He's weights: with the nets' own, the first losses are ln(classes) whatever the layers do.
    net = Net(with_he_weights(describe(name, classes=10)), devices=(device,), seed=3)
    rng = np.random.default_rng(3)
    images = rng.standard_normal((8, *net.input_shape), dtype=np.float32)
    labels = rng.integers(0, net.classes, 8, dtype=np.int32)
    return [net.train_step(images, labels, lr=1e-3).loss for _ in range(_STEPS)]


def speed(device: str, nets: Sequence[str], batches: Sequence[int] = (128, 256)) -> list[Row]:
    """Training steps, float32, upload and read-back included: the median of ten."""
    rows = []
    for name in nets:
        net = Net(name, devices=(device,))
        plan = net.native.plan(1, training=False)
        first = next(layer for layer in plan["layers"] if layer["multiply_adds"] > 0)
        work = 2 * (3 * plan["multiply_adds"] - first["multiply_adds"])  # no gradient of the image
        for batch in batches:
            rng = np.random.default_rng(1)
            images = rng.standard_normal((batch, *net.input_shape), dtype=np.float32)
            labels = rng.integers(0, net.classes, batch, dtype=np.int32)
            net.set_rates(1e-4)
            times = []
            for step in range(_STEPS + 3):
                start = time.perf_counter()
                net.native.train_step(images, labels, step=step)
                times.append(time.perf_counter() - start)
            seconds = float(np.median(times[3:]))
            figure = (
                f"{1e3 * seconds:.2f} ms, {batch / seconds:,.0f} images/s, "
                f"{batch * work / seconds / 1e12:.2f} TFLOP/s"
            )
            rows.append(Row(what=f"{name}, batch {batch}", ok=True, figure=figure))
    return rows


PARTS: Mapping[str, Callable[[str, Sequence[str]], list[Row]]] = {
    "layers": layers,
    "loss": loss,
    "speed": speed,
}
