"""How long a step takes, from a few real ones."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_native.config import TrainConfig
from alexnet_native.data import ArraySource, Dataset, Source
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.source import LazySource
from alexnet_native.data.statistics import Statistics, statistics
from alexnet_native.net import Net
from alexnet_native.training.feed import make_loader
from alexnet_native.training.rates import Rates
from alexnet_native.training.state import RunState
from alexnet_native.training.step import Steps

__all__ = ["Measured", "measure"]

_FEWEST, _MOST = 3, 10  # steps that are timed
_ENOUGH = 5.0  # seconds of them
_IMAGES = 128  # of a timed validation; of the mean image


@dataclass(frozen=True)
class Measured:
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


def measure(net: Net, data: Dataset, config: TrainConfig) -> Measured:
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
    Rates(net, config).apply(1.0, 0)
    seconds, images = _steps(net, source, net.preprocess.statistics, config)
    return Measured(
        steps=len(seconds),
        step=sum(seconds) / len(seconds),
        images=images,
        validation=_validation(net, data.val) if data.val else 0.0,
        decoding=decoding,
    )


def _steps(
    net: Net, source: Source, known: Statistics, config: TrainConfig
) -> tuple[list[float], int]:
    """Seconds of each timed step, and its images."""
    images = min(config.batch_size, len(source))
    seconds: list[float] = []
    steps = Steps(net, config.accumulate)
    warm = False
    with make_loader(net, source, known, config, RunState()) as loader:
        while len(seconds) < _FEWEST or (sum(seconds) < _ENOUGH and len(seconds) < _MOST):
            start = time.perf_counter()
            batch = next(loader)
            if len(batch.labels) < images:  # the last of an epoch
                continue
            steps.run(batch)
            if warm:
                seconds.append(time.perf_counter() - start)
            warm = True
    steps.finish()
    return seconds, images


def _validation(net: Net, source: Source) -> float:
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
