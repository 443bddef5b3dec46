"""This library as one side of a comparison: a function that returns the step to be timed.

A program that compares frameworks calls ``step(net, task, batch, threads)``, for example as
``benchmarks.peer:step`` with the repository on ``PYTHONPATH``. `comparison.py` does so too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from alexnet_native import Net

__all__ = ["NETS", "SGD", "flops", "step", "step_bf16"]

# Names that comparisons of frameworks use, and ours.
NETS = {"paper": "alexnet", "one-tower": "alexnet-single", "torchvision": "torchvision-alexnet"}

SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}


@cache
def flops(net: str, task: str) -> int:
    """Operations for one image, two for each multiply-add.

    A training step computes each product three times, except the gradient with respect to the
    image, which neither side needs.
    """
    plan = Net(net).describe(1, training=False)
    if task == "infer":
        return 2 * plan["multiply_adds"]
    first = next(layer for layer in plan["layers"] if layer["multiply_adds"] > 0)
    return 2 * (3 * plan["multiply_adds"] - first["multiply_adds"])


def step(
    net: str,
    task: str,
    batch: int,
    threads: int,
    devices: str = "cpu:0",
    precision: str = "fp32",
) -> Callable[[], object]:
    """One step of ``task`` on random images.

    Args:
        net: ``paper``, ``one-tower``, ``torchvision``, or a name of this library.
        task: ``train`` (loss, every gradient, dropout, momentum, weight decay, update) or
            ``infer`` (class probabilities).
        batch: number of images in a step.
        threads: number of CPU threads of all devices together.
        devices: one device, or two for the towers of a two-tower network.
        precision: of the network; images and results are float32.

    Raises:
        ValueError: `task` is neither of the two.
    """
    if task not in ("train", "infer"):
        raise ValueError(f"task is {task!r}; it must be 'train' or 'infer'")
    model = Net(NETS.get(net, net), threads=threads, devices=devices, precision=precision)
    rng = np.random.default_rng(1)
    images = rng.standard_normal((batch, *model.input_shape), dtype=np.float32)
    labels = rng.integers(0, model.classes, batch, dtype=np.int32)
    if task == "infer":
        return lambda: model.predict(images)
    return lambda: model.train_step(images, labels, **SGD)


def step_bf16(net: str, task: str, batch: int, threads: int) -> Callable[[], object]:
    """`step` in bfloat16; sums, master weights and the update are float32."""
    return step(net, task, batch, threads, precision="bf16")
