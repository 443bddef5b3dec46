"""Estimates the cost of a run: steps, memory and disk space by formula, time by a few steps."""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native.config import TrainConfig
from alexnet_native.data import ArraySource, Dataset, Source
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.source import LazySource
from alexnet_native.data.statistics import Statistics, statistics
from alexnet_native.net import BaseNet, Progress
from alexnet_native.training.run_folder import RunState
from alexnet_native.training.schedule import ParameterGroups
from alexnet_native.training.trainer import make_loader

__all__ = ["CostEstimate", "StepTime", "duration", "measure_step_time", "size"]

_MIN_STEPS, _MAX_STEPS = 3, 10  # number of timed steps
_MIN_SECONDS = 5.0  # time them for at least this long, up to _MAX_STEPS
_IMAGES = 128  # number of images of a timed validation, and of the mean image
_BATCHES_AHEAD = 5  # largest number of batches in the loader, with the one in use


@dataclass(frozen=True)
class StepTime:
    """Measured times in seconds (wall clock).

    Attributes:
        steps: number of timed steps.
        step: time of a step, including the wait for its batch.
        images: number of images in a step.
        validation: time per image with one view; 0 without validation images.
        decoding: time to decode an image, if decoded images are kept in memory; otherwise 0,
            because `step` includes it.
    """

    steps: int
    step: float
    images: int
    validation: float
    decoding: float


@dataclass(frozen=True)
class CostEstimate:
    """Number of steps, memory and disk space of a run.

    Args:
        net, data, config: of the run.
        done: number of steps already done.
    """

    net: BaseNet
    data: Dataset
    config: TrainConfig
    done: int = 0

    @classmethod
    def of(cls, net: BaseNet, data: Dataset, config: TrainConfig, state: RunState) -> CostEstimate:
        return cls(net, data, config, net.step - state.first_step)

    @property
    def epoch_steps(self) -> int:
        return math.ceil(len(self.data.train) / self.config.batch_size)

    @property
    def all_steps(self) -> int:
        """Number of steps of the run, including those already done."""
        total = self.epoch_steps * self.config.epochs
        return min(total, self.config.steps or total)

    @property
    def steps(self) -> int:
        """Number of remaining steps."""
        return max(0, self.all_steps - self.done)

    @property
    def validations(self) -> int:
        """Number of remaining validations: after each epoch, and at the end of the steps."""
        if self.data.val is None or self.steps == 0:
            return 0
        return math.ceil(self.all_steps / self.epoch_steps) - self.done // self.epoch_steps

    @property
    def image_bytes(self) -> int:
        """Bytes of one image in the data set: its pixels."""
        return math.prod(self.data.train.image_shape)

    @property
    def read_bytes(self) -> int:
        """Bytes of pixels that remain to be read for training."""
        whole, part = divmod(self.all_steps, self.epoch_steps)
        images = whole * len(self.data.train) + part * self.config.batch_size
        whole, part = divmod(min(self.done, self.all_steps), self.epoch_steps)
        return self.image_bytes * (
            images - whole * len(self.data.train) - part * self.config.batch_size
        )

    @property
    def batch_bytes(self) -> int:
        return 4 * self.config.batch_size * math.prod(self.net.input_shape)

    @property
    def checkpoint_bytes(self) -> int:
        """Weights, momentum, state, mean image and color statistics, without the metadata."""
        item = 8 if self.net.precision == "fp64" else 4
        native = self.net.native
        weights, state = (
            sum(math.prod(native.param_shape(name)) for name in names)
            for names in (native.param_names(), native.state_names())
        )
        channels = self.net.input_shape[0]
        return item * (2 * weights + state) + 4 * (self.image_bytes + channels + channels**2)

    @property
    def most_checkpoints(self) -> int:
        """Largest number at one time: those to keep, the best, and the one being written."""
        return self.config.keep + 2

    def lines(self, folder: Path, measured: StepTime) -> Iterator[str]:
        """Yields the estimate as text.

        Args:
            folder: the run folder; it need not exist.
            measured: measured times of this network and batch size.
        """
        yield from self._counts()
        yield from self._space(folder)
        yield from self._times(measured)

    def _counts(self) -> Iterator[str]:
        images, batch = len(self.data.train), self.config.batch_size
        rest = images % batch
        odd = f" ({rest} in the last step)" if rest and images > batch else ""
        done = f" ({self.done:,} done)" if self.done else ""
        yield (
            f"steps: {_some(self.config.epochs, 'epoch')} of {_some(self.epoch_steps, 'step')} "
            f"with {_some(min(batch, images), 'image')}{odd}; {self.all_steps:,} steps in total"
            f"{done}"
        )
        height, width, channels = self.data.train.image_shape
        kept = isinstance(self.data.train, LazySource) and self.data.train.keeps
        yield (
            f"pixels read: {images:,} images of {channels}x{height}x{width}, "
            f"{size(images * self.image_bytes)} per epoch, {size(self.read_bytes)} in total"
            + ("; decoded once and kept in memory" if kept else "")
        )

    def _space(self, folder: Path) -> Iterator[str]:
        images = math.ceil(self.config.batch_size / self.config.accumulate)
        plan = self.net.native.plan(images, accumulates=self.config.accumulate > 1)
        for row in plan["memory"]:
            parts = [
                (row["parameter_bytes"], "parameters"),
                (row["activation_bytes"], "activations"),
            ]
            if row["reduction_bytes"]:
                parts.append((row["reduction_bytes"], "sums over replicas"))
            shown = ", ".join(f"{what} {size(count)}" for count, what in parts)
            total = size(sum(count for count, _ in parts))
            yield f"memory of {row['device']}: {total} ({shown})"
        kept = [
            math.prod(source.image_shape) * len(source)
            for source in (self.data.train, self.data.val)
            if isinstance(source, LazySource) and source.keeps
        ]
        decoded = f", decoded images {size(sum(kept))}" if kept else ""
        yield f"memory of the loader: {size(_BATCHES_AHEAD * self.batch_bytes)}{decoded}"
        needed = self.checkpoint_bytes * self.most_checkpoints
        free = shutil.disk_usage(_existing(folder)).free
        yield (
            f"checkpoints: {size(self.checkpoint_bytes)} each, at most {self.most_checkpoints} at "
            f"a time: {size(needed)}; {'NOT ENOUGH: ' if free < needed else ''}{size(free)} free "
            f"at {folder}"
        )

    def _times(self, measured: StepTime) -> Iterator[str]:
        speed = measured.images / measured.step
        yield (
            f"measured: {measured.steps} steps of {measured.images} images, {measured.step:.3g} s "
            f"each: {speed:{',.0f' if speed >= 100 else '.3g'}} images/s"
        )
        training = self.steps * measured.step
        val = self.data.val
        images = 0 if val is None else len(val)
        validation = measured.validation * images * self.validations
        views = {0: 0, 1: 1, 10: 11}[self.config.final_views]
        final = measured.validation * images * views
        decoding = measured.decoding * (len(self.data.train) + images)
        parts = [f"{duration(training)} for {_some(self.steps, 'step')}"]
        if decoding:
            parts.append(f"{duration(decoding)} to decode the images")
        if validation:
            parts.append(f"{duration(validation)} for {_some(self.validations, 'validation')}")
        if final:
            parts.append(f"{duration(final)} for the final evaluation")
        total = training + validation + final + decoding
        yield f"estimated time: {duration(total)} ({', '.join(parts)}) without writing files"


def size(count: float) -> str:
    """Returns a number of bytes as text, for example "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def duration(seconds: float) -> str:
    """Returns a time as text with two units, for example "2 h 46 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    whole = round(seconds)
    for (name, large), (small_name, small) in pairwise(units):
        if whole >= large:
            count, rest = divmod(whole, large)
            return f"{count} {name} {rest // small} {small_name}"
    raise AssertionError("times below a minute return above")


def _some(count: int, unit: str) -> str:
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def measure_step_time(net: BaseNet, data: Dataset, config: TrainConfig) -> StepTime:
    """Trains the network for a few steps and times them. The weights change.

    The images come from the same loader as in a run. If a run keeps decoded images in memory, they
    are decoded before the first step.

    Args:
        net: without preprocessing, or with that of its run.
        data, config: of the run.
    """
    source, decoding = _in_memory(data.train, 2 * config.batch_size)
    if net.preprocess is None:
        known = statistics(ArraySource(*_gathered(source, _IMAGES)))
        net.preprocess = Preprocess(known, config.crop, scale=config.scale)
    ParameterGroups(net, config).apply(1.0, 0)
    seconds, images = _steps(net, source, net.preprocess.statistics, config)
    return StepTime(
        steps=len(seconds),
        step=sum(seconds) / len(seconds),
        images=images,
        validation=_validation(net, data.val) if data.val else 0.0,
        decoding=decoding,
    )


def _steps(
    net: BaseNet, source: Source, known: Statistics, config: TrainConfig
) -> tuple[list[float], int]:
    """Returns the seconds of each timed step, and the number of images in a step."""
    images = min(config.batch_size, len(source))
    seconds: list[float] = []
    waiting: deque[Progress] = deque()
    warm = False
    with make_loader(net, source, known, config, RunState()) as loader:
        while len(seconds) < _MIN_STEPS or (
            sum(seconds) < _MIN_SECONDS and len(seconds) < _MAX_STEPS
        ):
            start = time.perf_counter()
            batch = next(loader)
            if len(batch.labels) < images:  # the last batch of an epoch
                continue
            waiting.append(net.train_step(batch, parts=config.accumulate, wait=False))
            while len(waiting) > net.steps_ahead:
                _ = waiting.popleft().sums
            if warm:
                seconds.append(time.perf_counter() - start)
            warm = True
    for step in waiting:
        _ = step.sums
    return seconds, images


def _validation(net: BaseNet, source: Source) -> float:
    source, _ = _in_memory(source, _IMAGES)
    net.measure(*_gathered(source, _IMAGES))
    start = time.perf_counter()
    images, labels = _gathered(source, _IMAGES)
    net.measure(images, labels)
    return (time.perf_counter() - start) / len(images)


def _in_memory(source: Source, count: int) -> tuple[Source, float]:
    """Returns a source as fast as that of a run, and the seconds to decode an image."""
    if not isinstance(source, LazySource) or not source.keeps:
        return source, 0.0
    start = time.perf_counter()
    images, labels = _gathered(source, count)
    return ArraySource(images, labels), (time.perf_counter() - start) / len(images)


def _gathered(source: Source, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Returns `count` images at equal distances in the source, or all if there are fewer."""
    count = min(count, len(source))
    indices = np.arange(count, dtype=np.int64) * len(source) // count
    return source.gather(indices), source.labels[indices]
