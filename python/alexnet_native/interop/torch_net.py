"""The named networks in PyTorch, built from their descriptions, and a training step for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet_native.models import Description

__all__ = [
    "Step", "build", "forget_compiled", "load", "release_memory", "torch_device", "without_cudnn",
]  # fmt: skip


class _GroupedNorm(nn.Module):
    """Local response normalisation within groups of channels, which PyTorch does not provide."""

    def __init__(self, norm: nn.LocalResponseNorm, groups: int) -> None:
        super().__init__()
        self.norm, self.groups = norm, groups

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.norm(part) for part in x.chunk(self.groups, dim=1)], 1)


class _PaperDropout(nn.Module):
    """Dropout as in the 2012 paper: unscaled in training, outputs times 1 - rate in inference."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        keep = 1 - self.rate
        return x * torch.bernoulli(torch.full_like(x, keep)) if self.training else x * keep


def _module(words: Mapping[str, Any], channels: int, exact: bool, flat: bool) -> nn.Module | None:
    kind = words["type"]
    if kind == "conv":
        return nn.Conv2d(
            channels,
            words["channels"],
            words["kernel"],
            words.get("stride", 1),
            words.get("pad", 0),
            groups=words.get("groups", 1),
        )
    if kind == "dense":
        return nn.LazyLinear(words["channels"])
    if kind == "lrn":  # PyTorch divides alpha by the window's size
        alpha = words["alpha"] * (words["size"] if words["alpha_mode"] == "sum" else 1)
        norm = nn.LocalResponseNorm(words["size"], alpha, words["beta"], words["k"])
        groups = words.get("groups", 1)
        return _GroupedNorm(norm, groups) if exact and groups > 1 else norm
    if kind == "batch_norm":
        norm_type = nn.BatchNorm1d if flat else nn.BatchNorm2d
        return norm_type(channels, words.get("eps", 1e-5), words.get("momentum", 0.1))
    if kind == "max_pool":
        return nn.MaxPool2d(words["size"], words["stride"], ceil_mode=words.get("ceil", False))
    if kind == "avg_pool":
        return nn.AvgPool2d(words["size"], words["stride"], ceil_mode=words.get("ceil", False))
    if kind == "dropout":
        rate = words.get("rate", 0.5)
        return (
            _PaperDropout(rate)
            if exact and words.get("mode", "2012") == "2012"
            else nn.Dropout(rate)
        )
    if kind == "relu":
        return nn.ReLU(inplace=True)
    if kind == "softmax":  # part of the loss
        return None
    raise ValueError(f"no PyTorch module for layer type {kind!r}")


def build(
    description: Description, *, exact: bool = False
) -> tuple[nn.Sequential, tuple[int, int, int]]:
    """Builds a PyTorch network; its modules have the names of the layers.

    Args:
        description: the network.
        exact: whether to compute exactly the same function. If False, the network does the same
            amount of work in the form that is fastest in PyTorch: the input is larger instead of
            padded on one side, LRN crosses the groups (two channels of each group differ), and
            dropout is PyTorch's, which scales in training instead of inference.

    Returns:
        The network, and its input shape: channels, height, width.

    Raises:
        ValueError: PyTorch has no module for a layer.
    """
    layers = description.native_layers()
    channels, height, width = description.input_shape
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    first = layers[0]
    if first.get("ceil"):
        far = [
            -(-(side - first["kernel"]) // first["stride"]) * first["stride"] + first["kernel"]
            for side in (height, width)
        ]
        if exact:
            modules["pad"] = nn.ZeroPad2d((0, far[1] - width, 0, far[0] - height))
        else:
            height, width = far
    shape = (channels, height, width)
    for words in layers:
        if words["type"] == "dense" and "flatten" not in modules:
            modules["flatten"] = nn.Flatten()
        if module := _module(words, channels, exact, "flatten" in modules):
            modules[words["name"]] = module
        channels = words.get("channels", channels)
    net = nn.Sequential(modules)
    with torch.no_grad():
        net.eval()(torch.zeros(1, *shape))  # initialises the lazy layers
    return net.train(), shape


def torch_device(device: str) -> str:
    """PyTorch's name for a device; "cpu" for CPU devices, and for GPUs if PyTorch has no CUDA."""
    return device if device.startswith("cuda") and torch.cuda.is_available() else "cpu"


def forget_compiled() -> None:
    """Discards all compiled functions, including those of existing steps.

    PyTorch compiles a function at most eight times per process, for all networks together, and
    afterwards runs it uncompiled.
    """
    from torch import _dynamo

    _dynamo.reset()


def release_memory() -> None:
    """Frees the GPU memory that PyTorch has cached."""
    torch.cuda.empty_cache()


def without_cudnn() -> AbstractContextManager[Any]:
    """A context in which PyTorch computes convolutions without cuDNN."""
    flags: AbstractContextManager[Any] = torch.backends.cudnn.flags(enabled=False)
    return flags


def load(net: nn.Sequential, params: Mapping[str, NDArray[Any]]) -> None:
    """Copies the parameters and state of a Net (``conv1.weight``, ``bn1.running_mean``, ...)."""
    state = {name: torch.from_numpy(np.array(value)) for name, value in params.items()}
    for name, value in net.state_dict().items():
        if name.endswith(".num_batches_tracked"):  # which nothing reads where momentum is a number
            state[name] = value
    net.load_state_dict(state)


class Step:
    """One training step: upload, forward, backward and update.

    On a GPU a step returns before it is complete; `finish` waits for it. The images are uploaded
    from pinned memory in every step. On the CPU they are not copied.

    Args:
        net: the PyTorch network.
        images: float32 (N, C, H, W).
        labels: integers (N,).
        lr, momentum, decay: arguments of ``torch.optim.SGD``.
        device: PyTorch's name: "cpu", "cuda:0".
        precision: "fp32", "tf32" (CUDA only) or "bf16" (autocast; weights remain float32).
        channels_last: whether to use the channels-last memory format.
        compiled: whether to use ``torch.compile``.
    """

    def __init__(
        self,
        net: nn.Module,
        images: NDArray[np.float32],
        labels: NDArray[np.integer[Any]],
        *,
        lr: float,
        momentum: float,
        decay: float,
        device: str = "cpu",
        precision: str = "fp32",
        channels_last: bool = False,
        compiled: bool = False,
    ) -> None:
        self._device = torch.device(device)
        self._tf32, self._bf16 = precision == "tf32", precision == "bf16"
        layout = torch.channels_last if channels_last else torch.contiguous_format
        net = net.to(device=self._device, memory_format=layout)  # type: ignore[call-overload]
        self._images = torch.from_numpy(images).contiguous(memory_format=layout)
        self._labels = torch.from_numpy(labels).long()
        if self._device.type == "cuda":
            self._images, self._labels = self._images.pin_memory(), self._labels.pin_memory()
        self._optimizer = torch.optim.SGD(
            net.parameters(), lr=lr, momentum=momentum, weight_decay=decay, fused=True
        )
        self._run: Callable[[Tensor], Tensor] = torch.compile(net) if compiled else net
        self._loss = nn.CrossEntropyLoss()

    def _casting(self) -> AbstractContextManager[Any]:
        if self._bf16:
            return torch.autocast(self._device.type, torch.bfloat16)
        return nullcontext()

    def __call__(self) -> Tensor:
        """Runs a step; returns the loss before the update, on the device."""
        torch.backends.cuda.matmul.allow_tf32 = self._tf32
        torch.backends.cudnn.allow_tf32 = self._tf32
        images = self._images.to(self._device, non_blocking=True)
        labels = self._labels.to(self._device, non_blocking=True)
        self._optimizer.zero_grad(set_to_none=True)
        with self._casting():
            loss: Tensor = self._loss(self._run(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def finish(self) -> None:
        """Waits until all steps are complete."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
