"""What a training step and an evaluation measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core

__all__ = ["Evaluation", "Progress", "Sums", "score", "top_k_accuracy"]


@dataclass(frozen=True)
class Evaluation:
    """Means over images; errors are fractions. `views` of each image were averaged."""

    images: int
    views: int
    loss: float
    top1_error: float
    top5_error: float


@dataclass
class Sums:
    """Sums over images, and the means that they give; errors are fractions.

    Attributes:
        loss: nats.
        top1, top5: images whose label is among the first one or five; a tie that contains the
            label counts as a fraction (`top_k_accuracy`).
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
    """One training step.

    Where the step was not waited for, reading anything but `step` waits for its result, and may
    raise DivergedError.

    Attributes:
        step: number of updates, including this one.
    """

    def __init__(self, step: int, read: Callable[[Progress], Sums]) -> None:
        self.step = step
        self._read = read
        self.result: tuple[Sums, bool]  # sums before the update; whether it was made

    def complete(self, result: _core.StepResult) -> None:
        sums = Sums()
        sums.add(result)
        self.result = sums, result.updated

    @property
    def sums(self) -> Sums:
        """Sums over the batch, before the update."""
        return self._read(self)

    @property
    def loss(self) -> float:
        """Mean over the batch, nats, before the update."""
        return self.sums.mean_loss

    @property
    def correct(self) -> float:
        """Number of top-1 hits in the batch; a tie that contains the label counts 1/ties."""
        return self.sums.top1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Progress):
            return NotImplemented
        return (self.step, self.sums) == (other.step, other.sums)

    def __hash__(self) -> int:
        return hash(self.step)

    def __repr__(self) -> str:
        return f"Progress(step={self.step}, loss={self.loss}, correct={self.correct})"


def score(probabilities: NDArray[Any], labels: NDArray[np.int32]) -> Sums:
    """Loss and hits of averaged probabilities (N, classes)."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    smallest = np.finfo(probabilities.dtype).tiny  # the loss of a probability that underflowed
    return Sums(
        loss=float(-np.log(np.maximum(own, smallest)).sum()),
        top1=float(top_k_accuracy(probabilities, labels, 1).sum()),
        top5=float(top_k_accuracy(probabilities, labels, 5).sum()),
        images=len(labels),
    )


def top_k_accuracy(
    probabilities: NDArray[Any], labels: NDArray[np.int32], k: int
) -> NDArray[np.float64]:
    """Whether the label of each image is among the `k` most probable classes, 0 to 1.

    A tie that contains the label counts as a fraction, the remaining places over the number of
    ties, as in the 2012 source: a constant predictor scores exactly k / classes.

    Args:
        probabilities: (N, classes).
        labels: (N,).
    """
    own = probabilities[np.arange(len(labels)), labels][:, None]
    better = (probabilities > own).sum(axis=1)
    ties = (probabilities == own).sum(axis=1)
    accuracy: NDArray[np.float64] = np.clip((k - better) / ties, 0.0, 1.0)
    return accuracy
