"""Part "layers": every convolution of the nets by every engine, against the CPU's im2col."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.gpu_check.rows import Row, Settings, row
from alexnet_native.models import describe

__all__ = ["convolutions", "engines", "layers"]

Array = NDArray[np.floating[Any]]

# Of the largest value: float32 sums of up to 400,000 products, in another order.
_TOLERANCE = 1e-5
_IMAGES = 2
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


def engines(device: str) -> list[str]:
    """The engines that the device's back end has, by the sentence that it refuses another with."""
    words = {"channels": 1, "kernel": 1, "engine": "none"}
    try:
        _core.LayerRunner("conv", words, [(1, 1, 1, 1)], device=device)
    except ValueError as error:
        found = re.search(r"choose (.+)$", str(error))
        if found:
            names = re.split(r", | or ", found[1])
            return [name for name in names if name != "auto"]
    raise RuntimeError(f"{device} has no convolution engines")


def layers(settings: Settings) -> Iterator[Row]:
    device, seen = settings.device, set()
    names = engines(device)
    for net in settings.nets:
        for name, attributes, shape, reads_image in convolutions(net):
            form = sorted((k, v) for k, v in attributes.items() if k not in _INITIAL)
            key = (tuple(form), shape, reads_image)
            if key in seen:
                continue
            seen.add(key)
            want = _results("cpu:0", "gemm", attributes, shape, reads_image)
            for engine in names:
                yield _compare(f"{net} {name}, {engine}", want, (
                    device, engine, attributes, shape, reads_image,
                ))  # fmt: skip


def _compare(what: str, want: list[Array], place: tuple[Any, ...]) -> Row:
    try:
        got = _results(*place)
    except ValueError as error:  # this engine does not take this shape
        return row(what, None, str(error).partition(": choose")[0])
    except _core.UnavailableError as error:  # its library is not here
        return row(what, None, str(error))
    apart = max(
        float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-30))
        for a, b in zip(got, want, strict=True)
    )
    return row(what, apart <= _TOLERANCE, f"{apart:.1e}", apart=apart)


def _results(
    device: str,
    engine: str,
    attributes: Mapping[str, Any],
    shape: tuple[int, int, int],
    reads_image: bool,
) -> list[Array]:
    """The output and the gradients."""
    runner = _core.LayerRunner(
        "conv", {**attributes, "engine": engine}, [(_IMAGES, *shape)],
        device=device, reads_image=reads_image,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    params = {
        name: rng.standard_normal(dims, np.float32) for name, dims in runner.param_shapes().items()
    }
    out = runner.forward([rng.standard_normal((_IMAGES, *shape), np.float32)], params)
    d_in, d_params = runner.backward([rng.standard_normal(out[0].shape, np.float32)])
    gradients = [d_params[name] for name in sorted(d_params)]
    return [*out, *([] if reads_image else d_in), *gradients]
