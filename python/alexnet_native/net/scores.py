"""What a training step and an evaluation measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation", "Measured", "Progress", "Sums", "credits_of", "score"]


@dataclass(frozen=True)
class Progress:
    """One training step.

    Attributes:
        step: updates done, this one included.
        loss: mean over the batch, nats, before the update.
        correct: top-1 hits in the batch; a tie that contains the label counts 1/ties.
    """

    step: int
    loss: float
    correct: float


@dataclass(frozen=True)
class Evaluation:
    """Means over images; errors are fractions. `views` of each image were averaged."""

    images: int
    views: int
    loss: float
    top1_error: float
    top5_error: float


class Measured(Protocol):
    """Sums over the images of a batch, as the core returns them."""

    loss: float  # nats
    top1: float  # credits: a tie that contains the label counts 1/ties
    top5: float
    images: int


@dataclass
class Sums:
    """Sums over images, and the means that they give; errors are fractions."""

    loss: float = 0.0
    top1: float = 0.0
    top5: float = 0.0
    images: int = 0

    def add(self, part: Measured) -> None:
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


def score(probabilities: NDArray[Any], labels: NDArray[np.int32]) -> Sums:
    """Loss and credits of averaged probabilities (N, classes)."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    smallest = np.finfo(probabilities.dtype).tiny  # the loss of a probability that underflowed
    return Sums(
        loss=float(-np.log(np.maximum(own, smallest)).sum()),
        top1=float(credits_of(probabilities, labels, 1).sum()),
        top5=float(credits_of(probabilities, labels, 5).sum()),
        images=len(labels),
    )


def credits_of(
    probabilities: NDArray[Any], labels: NDArray[np.int32], places: int
) -> NDArray[np.float64]:
    """The credit of each image, 0 to 1, for a label among the first so many `places`.

    A tie that contains the label counts the places left over the number of ties, as in the 2012
    source: a constant predictor scores exactly places / classes.

    Args:
        probabilities: (N, classes).
        labels: (N,).
    """
    own = probabilities[np.arange(len(labels)), labels][:, None]
    better = (probabilities > own).sum(axis=1)
    ties = (probabilities == own).sum(axis=1)
    credits: NDArray[np.float64] = np.clip((places - better) / ties, 0.0, 1.0)
    return credits
