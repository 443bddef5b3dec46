"""Part "layers": every convolution of the networks with every engine, compared with the CPU.

Each convolution runs alone, forward and backward, and in a network with a following ReLU, which an
engine may fuse. All precisions are checked, with a small and a large batch, since engines may
choose different algorithms for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.gpu_check.rows import CheckRow, Settings, row
from alexnet_native.models import describe

__all__ = ["convolutions", "engines", "layers", "tolerance"]

Array = NDArray[np.floating[Any]]

_IMAGES = (2, 64)
_NOT_ATTRIBUTES = ("name", "type", "input", "towers", "device", "engine")
_INITIAL = ("weight_std", "bias_value")


def convolutions(net: str) -> Iterator[tuple[str, Mapping[str, Any], tuple[int, int, int], bool]]:
    """The convolutions of a network: name, attributes, input shape, whether it reads the image."""
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
    """The engines of the device's back end, parsed from its error message for an unknown engine."""
    words = {"channels": 1, "kernel": 1, "engine": "none"}
    try:
        _core.LayerRunner("conv", words, [(1, 1, 1, 1)], device=device)
    except ValueError as error:
        found = re.search(r"choose (.+)$", str(error))
        if found:
            names = re.split(r", | or ", found[1])
            return [name for name in names if name != "auto"]
    raise RuntimeError(f"{device} has no convolution engines")


def tolerance(engine: str, precision: str, images: int) -> float:
    """Accepted difference from the CPU's float32 result, relative to the largest value."""
    if precision == "bf16":  # 8 bits of mantissa: rounding changes each operand by up to 4e-3
        return 2e-2
    if precision == "tf32":  # 11 bits: rounding changes each operand by up to 5e-4
        return 3e-3
    if engine == "cudnn":  # transforms (Winograd, FFT) lose up to two digits of float32
        return 1e-4
    # Sums are in another order: up to 6,000 products for two images, 194,000 for 64. A sequential
    # sum of the latter has an error of 1.4e-5, and the CPU's sum is not more exact.
    return 1e-5 if images <= 2 else 3e-5


def layers(settings: Settings) -> Iterator[CheckRow]:
    """The rows of this part; equal convolutions of several networks are checked once."""
    device, seen = settings.device, set()
    names = engines(device)
    for net in settings.nets:
        cases = []
        for name, attributes, shape, reads_image in convolutions(net):
            form = sorted((k, v) for k, v in attributes.items() if k not in _INITIAL)
            key = (tuple(form), shape, reads_image)
            if key not in seen:
                seen.add(key)
                cases.append((f"{net} {name}", attributes, shape, reads_image))
        for images in _IMAGES:
            for what, attributes, shape, reads_image in cases:
                case = _Case(what, attributes, (images, *shape), reads_image)
                yield from case.rows(device, names, settings.precisions)


class _Case:
    """One convolution and batch size: the operands, and the CPU's results to compare with.

    Only one is in memory at a time: the largest, with 64 images, needs about 300 MB.
    """

    def __init__(
        self,
        what: str,
        attributes: Mapping[str, Any],
        shape: tuple[int, int, int, int],
        reads_image: bool,
    ) -> None:
        self._what, self._shape = what, shape
        self._attributes, self._reads_image = attributes, reads_image
        rng = np.random.default_rng(1)
        runner = self._runner("cpu:0", "gemm", "fp32")
        self._params = {
            name: rng.standard_normal(dims, np.float32)
            for name, dims in runner.param_shapes().items()
        }
        self._x = rng.standard_normal(shape, np.float32)
        y = runner.forward([self._x], self._params)[0]
        self._dy = rng.standard_normal(y.shape, np.float32)
        self._want = [y, *self._gradients(runner)]
        self._want_rectified = [np.maximum(y, 0)]

    def rows(
        self, device: str, engines: list[str], precisions: tuple[str, ...]
    ) -> Iterator[CheckRow]:
        for precision in precisions:
            for engine in engines:
                place, images = (device, engine, precision), self._shape[0]
                how = f"{engine}, {precision}, {images} images"
                most = tolerance(engine, precision, images)
                yield _compare(f"{self._what}, {how}", self._alone, place, self._want, most)
                what = f"{self._what} + relu, {how}"
                yield _compare(what, self._rectified, place, self._want_rectified, most)

    def _runner(self, device: str, engine: str, precision: str) -> _core.LayerRunner:
        return _core.LayerRunner(
            "conv", {**self._attributes, "engine": engine}, [self._shape],
            device=device, precision=precision, reads_image=self._reads_image,
        )  # fmt: skip

    def _gradients(self, runner: _core.LayerRunner) -> list[Array]:
        d_in, d_params = runner.backward([self._dy])
        by_name = [d_params[name] for name in sorted(d_params)]
        return [*([] if self._reads_image else d_in), *by_name]

    def _alone(self, device: str, engine: str, precision: str) -> list[Array]:
        """The output and the gradients."""
        runner = self._runner(device, engine, precision)
        y = runner.forward([self._x], self._params)
        return [*y, *self._gradients(runner)]

    def _rectified(self, device: str, engine: str, precision: str) -> list[Array]:
        """The output of a network with the convolution and a ReLU, which the graph may fuse."""
        words = {**self._attributes, "engine": engine}
        net = _core.Network(
            [{"name": "conv", "type": "conv", **words}, {"name": "relu", "type": "relu"}],
            self._shape[1:], devices=(device,), precision=precision,
        )  # fmt: skip
        for name, value in self._params.items():
            net.set(f"conv.{name}", "value", value.reshape(net.param_shape(f"conv.{name}")))
        return [net.predict(self._x)]


def _compare(
    what: str,
    results: Callable[..., list[Array]],
    place: tuple[str, str, str],
    want: list[Array],
    most: float,
) -> CheckRow:
    try:
        got = results(*place)
    except ValueError as error:  # the engine does not support this shape
        return row(what, None, str(error).partition(": choose")[0])
    except _core.UnavailableError as error:  # the engine's library is not installed
        return row(what, None, str(error))
    except _core.DeviceError as error:  # the next case may work
        return row(what, False, str(error))
    errors = [
        float(np.abs(a.reshape(b.shape) - b).max()) / max(float(np.abs(b).max()), 1e-30)
        for a, b in zip(got, want, strict=True)
    ]
    apart = float(np.max(errors))  # NaN propagates, and the comparison fails
    return row(what, apart <= most, f"{apart:.1e}, at most {most:.0e}", apart=apart)
