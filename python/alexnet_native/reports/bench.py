"""`bench`: images per second of training and prediction on this machine, and the roofline."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.models import Description
from alexnet_native.net import BaseNet, Progress, pinned_like
from alexnet_native.reports.describe import table
from alexnet_native.reports.profile import Profile, profile_steps
from alexnet_native.reports.roofline import peak_rates_of, step_roofline

__all__ = ["RepeatedStep", "bench_table", "measure", "profile", "step_of"]

_RULE = {"lr": 0.01, "momentum": 0.9, "decay": 5e-4}


class RepeatedStep:
    """Repeats training steps on one batch as the trainer does: GPU results are read one step late.

    Args:
        net: trained in place, with its current learning rates.
        images, labels: the batch; for a GPU it is copied to pinned memory, like the batches of a
            loader.

    Attributes:
        losses: of the completed steps, summed over the images.
    """

    def __init__(
        self, net: BaseNet, images: NDArray[np.floating[Any]], labels: NDArray[np.int32]
    ) -> None:
        self._net = net
        self._batch = pinned_like(images, net.devices), pinned_like(labels, net.devices)
        self._waiting: deque[Progress] = deque()
        self.losses: list[float] = []

    def step(self) -> None:
        self._waiting.append(self._net.train_step(*self._batch, wait=False))
        self._read(self._net.steps_ahead)

    def finish(self) -> None:
        """Waits for the pending steps."""
        self._read(0)

    def _read(self, ahead: int) -> None:
        while len(self._waiting) > ahead:
            self.losses.append(self._waiting.popleft().sums.loss)


def step_of(net: BaseNet, batch: int, *, training: bool) -> Callable[[], object]:
    """Returns a function that computes one step on a fixed batch of random images."""
    rng = np.random.default_rng(1)
    dtype = np.float64 if net.precision == "fp64" else np.float32
    images = rng.standard_normal((batch, *net.input_shape)).astype(dtype)
    labels = rng.integers(0, net.classes, batch, dtype=np.int32)
    native = net.native
    if not training:
        return lambda: native.predict(images)
    for name in native.param_names():
        native.set_update(name, **_RULE)
    return RepeatedStep(net, images, labels).step


def measure(
    nets: Sequence[str | Description],
    batches: Sequence[int],
    *,
    tasks: Sequence[str] = ("train", "predict"),
    devices: str = "cpu:0",
    threads: int = 0,
    replicas: int = 1,
    communicator: str = "built-in",
    precision: str = "fp32",
    repeats: int = 5,
) -> Iterator[dict[str, Any]]:
    """Yields a row for each net, task and batch size.

    The keys of a row are ``net``, ``task``, ``batch``, ``precision``, ``images_per_second`` (by the
    median time of `repeats` steps after the warm-up) and ``spread`` ((slowest - fastest) / median
    time). If the peak rates are known, ``floor`` and ``floor_padding_skipped`` are the roofline in
    images per second, with and without the operations in the padding.

    Args:
        nets: names, paths of TOML files, or descriptions.
        batches: numbers of images in a step.
        tasks: "train" or "predict".
        devices, threads, replicas, communicator, precision: as for `Net`.
        repeats: number of timed steps.
    """
    peak_rates: list[_core.PeakRates] | None = None
    for model in nets:
        for task in tasks:
            net = BaseNet(
                model,
                devices=devices,
                threads=threads,
                replicas=replicas,
                communicator=communicator,
                precision=precision,
            )
            peak_rates = peak_rates or peak_rates_of(net)
            for batch in batches:
                step = step_of(net, batch, training=task == "train")
                times = _times(step, repeats, warm_up=4 if net.native.overlaps else 1)
                seconds = median(times)
                row = {
                    "net": net.description.name,
                    "task": task,
                    "batch": batch,
                    "precision": precision,
                    "images_per_second": batch / seconds,
                    "spread": (max(times) - min(times)) / seconds,
                }
                if bound := step_roofline(net, batch, peak_rates, training=task == "train"):
                    row["floor"] = batch / bound.all_taps
                    row["floor_padding_skipped"] = batch / bound.padding_skipped
                yield row


def _times(step: Callable[[], object], repeats: int, warm_up: int) -> list[float]:
    for _ in range(warm_up):  # on GPUs the third step is the first that runs as a CUDA graph
        step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def profile(net: str | Description, batch: int, *, training: bool, **where: Any) -> Profile:
    """Profiles five steps on random images. `where`: keyword arguments of `Net`."""
    model = BaseNet(net, **where)
    step = step_of(model, batch, training=training)
    return profile_steps(model, step, 5, batch, training=training)


def bench_table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the rows of `measure` as a table."""
    head = (
        "net", "task", "batch", "images/s", "spread", "roofline", "without padding", "of roofline",
    )  # fmt: skip
    lines = [
        (
            row["net"],
            row["task"],
            str(row["batch"]),
            f"{row['images_per_second']:.2f}",
            f"{row['spread']:.0%}",
            f"{row['floor']:.2f}" if "floor" in row else "",
            f"{row['floor_padding_skipped']:.2f}" if "floor" in row else "",
            f"{row['images_per_second'] / row['floor']:.0%}" if "floor" in row else "",
        )
        for row in rows
    ]
    return table(head, lines, right={2, 3, 4, 5, 6, 7})
