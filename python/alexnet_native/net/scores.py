"""What a training step and an evaluation measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core

__all__ = ["Evaluation", "Progress", "Sums", "score"]


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


@dataclass
class Sums:
    """Sums over images, as the core gives them for a batch."""

    loss: float = 0.0
    top1: float = 0.0
    top5: float = 0.0
    images: int = 0

    def add(self, part: Sums | _core.StepResult) -> None:
        self.loss += part.loss
        self.top1 += part.top1
        self.top5 += part.top5
        self.images += part.images

    def evaluation(self, views: int) -> Evaluation:
        n = self.images
        return Evaluation(n, views, self.loss / n, 1 - self.top1 / n, 1 - self.top5 / n)


def score(probabilities: NDArray[Any], labels: NDArray[np.int32]) -> Sums:
    """Loss and credits of averaged probabilities (N, classes).

    A tie that contains the label counts the places left over the number of ties, as in the 2012
    source: a constant predictor scores exactly k / classes at top-k.
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    better = (probabilities > own[:, None]).sum(axis=1)
    ties = (probabilities == own[:, None]).sum(axis=1)
    smallest = np.finfo(probabilities.dtype).tiny  # the loss of a probability that underflowed
    return Sums(
        loss=float(-np.log(np.maximum(own, smallest)).sum()),
        top1=float(np.clip((1 - better) / ties, 0.0, 1.0).sum()),
        top5=float(np.clip((5 - better) / ties, 0.0, 1.0).sum()),
        images=len(labels),
    )
