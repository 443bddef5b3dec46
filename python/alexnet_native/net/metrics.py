"""Metrics of training steps and evaluations: loss, top-1 and top-5 error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core

__all__ = ["Evaluation", "Progress", "Sums", "batch_sums", "top_k_accuracy"]


@dataclass(frozen=True)
class Evaluation:
    """Means over the images. Errors are fractions.

    Attributes:
        images: number of images.
        views: number of views of each image whose probabilities were averaged.
        loss: nats per image.
        top1_error, top5_error: from 0 to 1.
    """

    images: int
    views: int
    loss: float
    top1_error: float
    top5_error: float


@dataclass
class Sums:
    """Sums over images, and the means computed from them. Errors are fractions.

    Attributes:
        loss: sum of the losses, in nats.
        top1, top5: number of images whose label is among the one or five most probable classes; a
            tie that contains the label counts as a fraction (`top_k_accuracy`).
        images: number of images.
    """

    loss: float = 0.0
    top1: float = 0.0
    top5: float = 0.0
    images: int = 0

    def add(self, part: Sums | _core.StepResult) -> None:
        self.loss += part.loss
        self.top1 += part.top1
        self.top5 += part.top5
        self.images += part.images

    @property
    def mean_loss(self) -> float:
        return self.loss / self.images

    @property
    def top1_error(self) -> float:
        return 1 - self.top1 / self.images

    @property
    def top5_error(self) -> float:
        return 1 - self.top5 / self.images

    def evaluation(self, views: int) -> Evaluation:
        return Evaluation(self.images, views, self.mean_loss, self.top1_error, self.top5_error)


class Progress:
    """The result of one training step.

    After ``train_step(..., wait=False)`` all attributes except `step` wait for the device, and may
    raise DivergedError.

    Attributes:
        step: number of updates, including this one.
    """

    def __init__(self, step: int, read: Callable[[Progress], Sums]) -> None:
        self.step = step
        self._read = read
        # The sums before the update, and whether the update was applied.
        self.result: tuple[Sums, bool] | None = None

    def complete(self, result: _core.StepResult) -> None:
        sums = Sums()
        sums.add(result)
        self.result = sums, result.updated

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies the numbers only; waits for them."""
        return _finished, (self.step, self.sums, self.result)

    @property
    def sums(self) -> Sums:
        """Sums over the batch, before the update."""
        return self._read(self)

    @property
    def loss(self) -> float:
        """Mean loss over the batch, in nats, before the update."""
        return self.sums.mean_loss

    @property
    def correct(self) -> float:
        """Number of correct images (top-1); a tie of n classes with the label counts 1/n."""
        return self.sums.top1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Progress):
            return NotImplemented
        return (self.step, self.sums) == (other.step, other.sums)

    def __hash__(self) -> int:
        return hash(self.step)

    def __repr__(self) -> str:
        return f"Progress(step={self.step}, loss={self.loss}, correct={self.correct})"


def _finished(step: int, sums: Sums, result: tuple[Sums, bool]) -> Progress:
    """Returns the result of a step that another Progress has read."""
    progress = Progress(step, lambda _: sums)
    progress.result = result
    return progress


def batch_sums(probabilities: NDArray[Any], labels: NDArray[np.int32]) -> Sums:
    """Returns the sums of loss and top-k accuracy for probabilities (N, classes)."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    smallest = np.finfo(probabilities.dtype).tiny  # keeps the loss finite on underflow
    return Sums(
        loss=float(-np.log(np.maximum(own, smallest)).sum()),
        top1=float(top_k_accuracy(probabilities, labels, 1).sum()),
        top5=float(top_k_accuracy(probabilities, labels, 5).sum()),
        images=len(labels),
    )


def top_k_accuracy(
    probabilities: NDArray[Any], labels: NDArray[np.int32], k: int
) -> NDArray[np.float64]:
    """Returns for each image whether its label is among the `k` most probable classes, (N,).

    1 is correct, 0 is wrong. If the label ties with other classes, and the tie extends beyond rank
    k, the value is the fraction of the tied classes that fit within rank k, as in the 2012 source:
    the accuracy of a constant predictor is exactly k / classes. An image with a probability that is
    not finite is wrong.

    Args:
        probabilities: (N, classes).
        labels: (N,).
        k: number of classes.
    """
    own = probabilities[np.arange(len(labels)), labels][:, None]
    better = (probabilities > own).sum(axis=1)
    ties = np.maximum((probabilities == own).sum(axis=1), 1)  # NaN does not even equal itself
    accuracy: NDArray[np.float64] = np.clip((k - better) / ties, 0.0, 1.0)
    return np.where(np.isfinite(probabilities).all(axis=1), accuracy, 0.0)
