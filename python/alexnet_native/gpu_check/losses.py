"""Part "loss": ten training steps from equal weights, compared with the CPU and with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np

from alexnet_native import _core
from alexnet_native.gpu_check.rows import CheckRow, Settings, row
from alexnet_native.models import Description, describe
from alexnet_native.net import BaseNet
from alexnet_native.net.kaiming import with_kaiming_weights
from alexnet_native.reports.bench import RepeatedStep

__all__ = ["loss"]

_TOLERANCE = 1e-4  # nats; on the CPU, the difference from PyTorch is 2e-5
_STEPS, _IMAGES, _CLASSES = 10, 8, 10
# Small, so that rounding errors do not grow: with 1e-4, two correct runs differ by 0.1 after ten
# steps. The losses still decrease by at least 0.07 nats.
_LR, _MOMENTUM = 1e-6, 0.9
_LEAST_CHANGE = 0.01


def loss(settings: Settings) -> Iterator[CheckRow]:
    """Compares with the CPU, a second run, two towers, two replicas and PyTorch."""
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


def _replicas(name: str, devices: tuple[str, ...], one: list[float]) -> Iterator[CheckRow]:
    """Compares two replicas with one device, and NCCL with the built-in communicator.

    A sum of two gradients does not depend on the order, so NCCL must give the same bits.
    """
    own = _losses(name, devices, 2)
    yield _compare(f"{name}, 2 replicas", own, one)
    for communicator in _core.communicators():
        what = f"{name}, 2 replicas by {communicator['name']}"
        if communicator["missing"]:
            yield row(what, None, communicator["missing"])
        elif all(device.startswith("cuda") for device in devices):
            same = own == _losses(name, devices, 2, communicator["name"])
            yield row(what, same, "same bits" if same else "differs")


def _compare(what: str, got: Sequence[float], want: Sequence[float]) -> CheckRow:
    apart = float(np.abs(np.subtract(got, want)).max())  # NaN propagates, and the check fails
    change = abs(want[-1] - want[0])
    holds = apart <= _TOLERANCE and change >= _LEAST_CHANGE
    return row(what, holds, f"{apart:.1e}, of {change:.2f}", apart=apart, change=change)


def _network(name: str, *, dropout: bool = True) -> Description:
    # He's weights: with the networks' own, the first losses are ln(classes) whatever the layers
    # compute.
    description = with_kaiming_weights(describe(name, classes=_CLASSES))
    if dropout:
        return description
    layers = tuple(words for words in description.layers if words["type"] != "dropout")
    return Description(name, description.input_shape, _CLASSES, layers)


class _Ours:
    """Our training steps, with one learning rate for all parameters."""

    def __init__(
        self,
        description: Description,
        devices: tuple[str, ...],
        replicas: int = 1,
        communicator: str = "built-in",
    ) -> None:
        self.net = BaseNet(
            description, devices=devices, seed=3, replicas=replicas, communicator=communicator
        )
        rng = np.random.default_rng(3)
        self.images = rng.standard_normal((_IMAGES, *self.net.input_shape), dtype=np.float32)
        self.labels = rng.integers(0, _CLASSES, _IMAGES, dtype=np.int32)
        for name in self.net.native.param_names():
            self.net.native.set_update(name, _LR, _MOMENTUM, 0.0)

    def losses(self) -> list[float]:
        steps = RepeatedStep(self.net, self.images, self.labels)
        for _ in range(_STEPS):
            steps.step()
        steps.finish()
        return [loss / _IMAGES for loss in steps.losses]


def _losses(
    name: str, devices: tuple[str, ...], replicas: int = 1, communicator: str = "built-in"
) -> list[float]:
    return _Ours(_network(name), devices, replicas, communicator).losses()


def _both(name: str, device: str) -> tuple[list[float], list[float]]:
    """Our losses and PyTorch's, without dropout, whose random draws differ.

    PyTorch runs without cuDNN here: the cuDNN engine that it would choose for conv2 has gradients
    with an error of 0.008 of the largest value (docs/gpu).
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
