"""What a training takes: steps, bytes and memory by arithmetic, time from a few real steps."""

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

_FEWEST, _MOST = 3, 10  # steps that are timed
_ENOUGH = 5.0  # seconds of them
_IMAGES = 128  # of a timed validation; of the mean image
_BATCHES_AHEAD = 5  # that the loader holds at most, with the one in use


@dataclass(frozen=True)
class StepTime:
    """Seconds, by the clock on the wall.

    Attributes:
        steps: that were timed, after one more.
        step: of one step, with the wait for its batch.
        images: of a step.
        validation: for one image of one view; 0 without validation images.
        decoding: of one picture, where pictures are kept in memory once they are decoded; else 0:
            it is part of a step.
    """

    steps: int
    step: float
    images: int
    validation: float
    decoding: float


@dataclass(frozen=True)
class CostEstimate:
    """The counts of a training, of which some steps may be done.

    Args:
        net: of the training; only its sizes are used.
        done: steps that are done.
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
        """Of the training, with those that are done."""
        every = self.epoch_steps * self.config.epochs
        return min(every, self.config.steps or every)

    @property
    def steps(self) -> int:
        """Still to do."""
        return max(0, self.all_steps - self.done)

    @property
    def validations(self) -> int:
        """Still to do: one after each epoch, and one where the steps end within an epoch."""
        if self.data.val is None or self.steps == 0:
            return 0
        return math.ceil(self.all_steps / self.epoch_steps) - self.done // self.epoch_steps

    @property
    def picture_bytes(self) -> int:
        """Of one picture as the loader reads it: its pixels."""
        return math.prod(self.data.train.image_shape)

    @property
    def read_bytes(self) -> int:
        """Pixels of all training pictures still to come."""
        whole, part = divmod(self.all_steps, self.epoch_steps)
        images = whole * len(self.data.train) + part * self.config.batch_size
        whole, part = divmod(min(self.done, self.all_steps), self.epoch_steps)
        return self.picture_bytes * (
            images - whole * len(self.data.train) - part * self.config.batch_size
        )

    @property
    def batch_bytes(self) -> int:
        return 4 * self.config.batch_size * math.prod(self.net.input_shape)

    @property
    def checkpoint_bytes(self) -> int:
        """Weights, momentum and state, mean image and color statistics; without the names."""
        item = 8 if self.net.precision == "fp64" else 4
        native = self.net.native
        weights, state = (
            sum(math.prod(native.param_shape(name)) for name in names)
            for names in (native.param_names(), native.state_names())
        )
        channels = self.net.input_shape[0]
        return item * (2 * weights + state) + 4 * (self.picture_bytes + channels + channels**2)

    @property
    def most_checkpoints(self) -> int:
        """At one time: those to keep, the best, and the one that is being written."""
        return self.config.keep + 2

    def lines(self, place: Path, measured: StepTime) -> Iterator[str]:
        """For people.

        Args:
            place: the run's folder, which need not exist.
            measured: of this network and batch.
        """
        yield from self._counts()
        yield from self._room(place)
        yield from self._times(measured)

    def _counts(self) -> Iterator[str]:
        images, batch = len(self.data.train), self.config.batch_size
        rest = images % batch
        odd = f" (the last of them with {rest})" if rest and images > batch else ""
        done = f", {self.done:,} of them done" if self.done else ""
        yield (
            f"steps: {_some(self.config.epochs, 'epoch')} of {_some(self.epoch_steps, 'step')} "
            f"with {_some(min(batch, images), 'image')}{odd}; {self.all_steps:,} steps in all{done}"
        )
        height, width, channels = self.data.train.image_shape
        kept = isinstance(self.data.train, LazySource) and self.data.train.keeps
        yield (
            f"pixels read: {images:,} pictures of {channels}x{height}x{width}, "
            f"{size(images * self.picture_bytes)} in an epoch, {size(self.read_bytes)} in all"
            + ("; decoded once and kept in memory" if kept else "")
        )

    def _room(self, place: Path) -> Iterator[str]:
        images = math.ceil(self.config.batch_size / self.config.accumulate)
        plan = self.net.native.plan(images, accumulates=self.config.accumulate > 1)
        for row in plan["memory"]:
            parts = [
                (row["parameter_bytes"], "parameters"),
                (row["activation_bytes"], "activations"),
            ]
            if row["reduction_bytes"]:
                parts.append((row["reduction_bytes"], "sums over replicas"))
            words = [f"{size(count)} for {what}" for count, what in parts]
            yield (
                f"memory of {row['device']}: {size(sum(count for count, _ in parts))}, of it "
                f"{', '.join(words[:-1])} and {words[-1]}"
            )
        kept = [
            math.prod(source.image_shape) * len(source)
            for source in (self.data.train, self.data.val)
            if isinstance(source, LazySource) and source.keeps
        ]
        pictures = f", decoded pictures {size(sum(kept))}" if kept else ""
        yield f"memory of the loader: {size(_BATCHES_AHEAD * self.batch_bytes)}{pictures}"
        needed = self.checkpoint_bytes * self.most_checkpoints
        free = shutil.disk_usage(_existing(place)).free
        yield (
            f"checkpoints: {size(self.checkpoint_bytes)} each, at most {self.most_checkpoints} at "
            f"a time: {size(needed)}; {'NOT ENOUGH: ' if free < needed else ''}{size(free)} free "
            f"at {place}"
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
            parts.append(f"{duration(decoding)} to decode the pictures")
        if validation:
            parts.append(f"{duration(validation)} for {_some(self.validations, 'validation')}")
        if final:
            parts.append(f"{duration(final)} for the evaluation at the end")
        total = training + validation + final + decoding
        yield f"estimated time: {duration(total)} ({', '.join(parts)}), and the writing of files"


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def duration(seconds: float) -> str:
    """Two units, for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    whole = round(seconds)
    for (name, large), (small_name, small) in pairwise(units):
        if whole >= large:
            count, rest = divmod(whole, large)
            return f"{count} {name} {rest // small} {small_name}"
    raise AssertionError("a minute is the least that gets here")


def _some(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _existing(place: Path) -> Path:
    place = place.absolute()
    return next(folder for folder in (place, *place.parents) if folder.exists())


def measure_step_time(net: BaseNet, data: Dataset, config: TrainConfig) -> StepTime:
    """Trains the network for a few steps and times them; its weights are of no use afterwards.

    The images come from the loader of a training. Where a training would have them in memory, they
    are put there before.

    Args:
        net: without preprocessing, or with that of its training.
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
    """Seconds of each timed step, and its images."""
    images = min(config.batch_size, len(source))
    seconds: list[float] = []
    waiting: deque[Progress] = deque()
    warm = False
    with make_loader(net, source, known, config, RunState()) as loader:
        while len(seconds) < _FEWEST or (sum(seconds) < _ENOUGH and len(seconds) < _MOST):
            start = time.perf_counter()
            batch = next(loader)
            if len(batch.labels) < images:  # the last of an epoch
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
    """A source as fast as the training's, and the seconds that each picture's decoding takes."""
    if not isinstance(source, LazySource) or not source.keeps:
        return source, 0.0
    start = time.perf_counter()
    images, labels = _gathered(source, count)
    return ArraySource(images, labels), (time.perf_counter() - start) / len(images)


def _gathered(source: Source, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """So many images, evenly spread, or all."""
    count = min(count, len(source))
    indices = np.arange(count, dtype=np.int64) * len(source) // count
    return source.gather(indices), source.labels[indices]
