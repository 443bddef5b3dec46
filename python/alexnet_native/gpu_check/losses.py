"""Part "loss": ten training steps from equal weights, against the CPU and against PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np

from alexnet_native import _core
from alexnet_native.gpu_check.rows import Row, Settings, row
from alexnet_native.models import Description, describe
from alexnet_native.net import Net
from alexnet_native.reports.bench import TrainSteps
from alexnet_native.training.initial import with_he_weights

__all__ = ["loss"]

_TOLERANCE = 1e-4  # nats; measured between ours and PyTorch on the CPU: 2e-5
_STEPS, _IMAGES, _CLASSES = 10, 8, 10
# So small that roundings do not grow: at 1e-4 two right runs are 0.1 apart after ten steps. The
# losses still fall by 0.07 nats and more.
_LR, _MOMENTUM = 1e-6, 0.9
_LEAST_CHANGE = 0.01


def loss(settings: Settings) -> Iterator[Row]:
    """Against the CPU, twice alike, in towers and in replicas where there are two, and PyTorch."""
    for name in settings.nets:
        own = _losses(name, (settings.device,))
        yield _compare(f"{name}, CPU", own, _losses(name, ("cpu:0",)))
        same = own == _losses(name, (settings.device,))
        yield row(f"{name}, again", same, "same bits" if same else "differs")
        if any(layer.get("towers") == 2 for layer in describe(name).layers):
            devices = settings.devices[:2] if len(settings.devices) > 1 else settings.devices * 2
            yield _compare(f"{name}, {','.join(devices)}", _losses(name, devices), own)
        if len({*settings.devices[:2]}) == 2:
            yield from _replicas(name, settings.devices[:2], own)
        if find_spec("torch") is None:
            yield row(f"{name}, PyTorch", None, "PyTorch is not installed")
        else:
            yield _compare(f"{name}, PyTorch", *_both(name, settings.device))


def _replicas(name: str, devices: tuple[str, ...], one: list[float]) -> Iterator[Row]:
    """Against one device; by NCCL, where it can be had, with the same bits: two have one sum."""
    own = _losses(name, devices, 2)
    yield _compare(f"{name}, 2 replicas", own, one)
    for communicator in _core.communicators():
        what = f"{name}, 2 replicas by {communicator['name']}"
        if communicator["missing"]:
            yield row(what, None, communicator["missing"])
        elif all(device.startswith("cuda") for device in devices):
            same = own == _losses(name, devices, 2, communicator["name"])
            yield row(what, same, "same bits" if same else "differs")


def _compare(what: str, got: Sequence[float], want: Sequence[float]) -> Row:
    apart = float(np.abs(np.subtract(got, want)).max())  # a NaN stays one, and fails
    change = abs(want[-1] - want[0])
    holds = apart <= _TOLERANCE and change >= _LEAST_CHANGE
    return row(what, holds, f"{apart:.1e}, of {change:.2f}", apart=apart, change=change)


def _network(name: str, *, dropout: bool = True) -> Description:
    # He's weights: with the nets' own, the first losses are ln(classes) whatever the layers do.
    description = with_he_weights(describe(name, classes=_CLASSES))
    if dropout:
        return description
    layers = tuple(words for words in description.layers if words["type"] != "dropout")
    return Description(name, description.input_shape, _CLASSES, layers)


class _Ours:
    """Steps at one rate for all parameters, through the call that a training makes."""

    def __init__(
        self,
        description: Description,
        devices: tuple[str, ...],
        replicas: int = 1,
        communicator: str = "built-in",
    ) -> None:
        self.net = Net(
            description, devices=devices, seed=3, replicas=replicas, communicator=communicator
        )
        rng = np.random.default_rng(3)
        self.images = rng.standard_normal((_IMAGES, *self.net.input_shape), dtype=np.float32)
        self.labels = rng.integers(0, _CLASSES, _IMAGES, dtype=np.int32)
        for name in self.net.native.param_names():
            self.net.native.set_update(name, _LR, _MOMENTUM, 0.0)

    def losses(self) -> list[float]:
        steps = TrainSteps(self.net.native, self.images, self.labels)
        for _ in range(_STEPS):
            steps.step()
        steps.finish()
        return [loss / _IMAGES for loss in steps.losses]


def _losses(
    name: str, devices: tuple[str, ...], replicas: int = 1, communicator: str = "built-in"
) -> list[float]:
    return _Ours(_network(name), devices, replicas, communicator).losses()


def _both(name: str, device: str) -> tuple[list[float], list[float]]:
    """Ours and PyTorch's, without dropout, whose draws differ.

    PyTorch's convolutions are its own matrix products, not cuDNN's: of those, the engine that it
    would take for conv2 has gradients 0.008 of the largest off (docs/gpu).
    """
    from alexnet_native.interop.torch_net import Step, build, load, torch_device, without_cudnn

    description = _network(name, dropout=False)
    ours = _Ours(description, (device,))
    theirs, _ = build(description, exact=True)
    load(theirs, ours.net.params)
    step = Step(
        theirs, ours.images, ours.labels, lr=_LR, momentum=_MOMENTUM, decay=0.0,
        device=torch_device(device),
    )  # fmt: skip
    with without_cudnn():
        peers = [float(step()) for _ in range(_STEPS)]
    return ours.losses(), peers
