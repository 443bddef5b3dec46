"""The same networks in PyTorch, built from our own descriptions, and their training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from alexnet_native.models import describe
from peer import LR, MOMENTUM, NETS, WEIGHT_DECAY
from torch import nn

__all__ = ["step"]


def _module(words: Mapping[str, Any], channels: int | None) -> nn.Module | None:
    kind = words["type"]
    if kind == "conv":
        return nn.Conv2d(
            channels or 3,
            words["channels"],
            words["kernel"],
            words.get("stride", 1),
            words.get("pad", 0),
            groups=words.get("groups", 1),
        )
    if kind == "dense":
        return nn.LazyLinear(words["channels"])
    if kind == "lrn":  # PyTorch divides alpha by the size; it has no groups (two channels differ)
        alpha = words["alpha"] * (words["size"] if words["alpha_mode"] == "sum" else 1)
        return nn.LocalResponseNorm(words["size"], alpha, words["beta"], words["k"])
    if kind == "max_pool":
        return nn.MaxPool2d(words["size"], words["stride"], ceil_mode=words.get("ceil", False))
    if kind == "dropout":
        return nn.Dropout(words.get("rate", 0.5))
    if kind == "relu":
        return nn.ReLU(inplace=True)
    if kind == "softmax":  # part of the loss
        return None
    raise ValueError(f"no PyTorch module for layer type {kind!r}")


def _build(net: str) -> tuple[nn.Module, tuple[int, int, int]]:
    description = describe(NETS.get(net, net))
    modules: list[nn.Module] = []
    channels: int | None = None
    flat = False
    for words in description.native_layers():
        if words["type"] == "dense" and not flat:
            modules.append(nn.Flatten())
            flat = True
        if module := _module(words, channels):
            modules.append(module)
        channels = words.get("channels", channels)
    c, height, width = description.input_shape
    first = description.native_layers()[0]
    if first.get("ceil"):  # the image that gives as many outputs without rounding up, unpadded
        height, width = (
            -(-(side - first["kernel"]) // first["stride"]) * first["stride"] + first["kernel"]
            for side in (height, width)
        )
    return nn.Sequential(*modules), (c, height, width)


def step(
    net: str, batch: int, threads: int, *, channels_last: bool, compiled: bool
) -> Callable[[], object]:
    """One training step: loss, every gradient, dropout, momentum and decay, update."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model, shape = _build(net)
    images, labels = torch.randn(batch, *shape), torch.randint(0, 1000, (batch,))
    with torch.no_grad():
        model(images[:1])  # gives the lazy layers their sizes
    if channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True
    )
    run = torch.compile(model) if compiled else model
    loss_of = nn.CrossEntropyLoss()

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of(run(images), labels).backward()
        optimizer.step()

    return train
