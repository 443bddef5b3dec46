"""This project as a backend of a benchmark: one function that returns one step to be timed.

A program that compares frameworks calls ``step(net, task, batch, threads)`` by name, for example as
``benchmarks.peer:step`` with the repository on ``PYTHONPATH``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from alexnet_native import Net

__all__ = ["NETS", "multiply_adds", "network", "step", "step_bf16", "train_flops"]

# The names that comparisons of frameworks use, and ours.
NETS = {"paper": "alexnet", "one-tower": "alexnet-single", "torchvision": "torchvision-alexnet"}

LR, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 5e-4


def network(net: str, threads: int, devices: str = "cpu:0", precision: str = "fp32") -> Net:
    """The network with its 1000 classes."""
    return Net(NETS.get(net, net), threads=threads, devices=devices, precision=precision)


def multiply_adds(net: Net) -> tuple[int, int]:
    """Forward, one image: those of all layers, and those of the first convolution alone."""
    plan = net.native.plan(1, training=False)
    first = next(layer for layer in plan["layers"] if layer["multiply_adds"] > 0)
    return plan["multiply_adds"], first["multiply_adds"]


def train_flops(net: Net) -> int:
    """One image, forward and backward; nobody asks for the gradient by the image itself."""
    every, first = multiply_adds(net)
    return 2 * (3 * every - first)


def step(
    net: str,
    task: str,
    batch: int,
    threads: int,
    devices: str = "cpu:0",
    precision: str = "fp32",
) -> Callable[[], object]:
    """One step of ``task`` on random images, to be called and timed.

    Args:
        net: ``paper``, ``one-tower``, ``torchvision``, or a name of ours.
        task: ``train`` (loss, every gradient, dropout, momentum and decay, update) or ``infer``.
        batch: images of a step.
        threads: CPU threads in all.
        devices: one, or two for the towers of a two-tower network.
        precision: of the network; images and results are float32.

    Raises:
        ValueError: the task is another one.
    """
    if task not in ("train", "infer"):
        raise ValueError(f"task is {task!r}; it must be 'train' or 'infer'")
    model = network(net, threads, devices, precision)
    rng = np.random.default_rng(1)
    images = rng.standard_normal((batch, *model.input_shape), dtype=np.float32)
    labels = rng.integers(0, model.classes, batch, dtype=np.int32)
    native = model.native
    if task == "infer":
        return lambda: native.predict(images)
    for name in native.param_names():
        native.set_update(name, lr=LR, momentum=MOMENTUM, decay=WEIGHT_DECAY)
    count = 0

    def train() -> None:
        nonlocal count
        native.train_step(images, labels, step=count)
        count += 1

    return train


def step_bf16(net: str, task: str, batch: int, threads: int) -> Callable[[], object]:
    """`step` in bfloat16, with sums, masters and update in float32."""
    return step(net, task, batch, threads, precision="bf16")
