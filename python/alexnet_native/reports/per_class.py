"""Errors by class and the confusion matrix, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.net.metrics import top_k_accuracy

__all__ = ["PerClass"]


class PerClass:
    """Accumulates errors by class and the confusion matrix.

    Args:
        names: names of the classes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        classes = len(self._names)
        self.images = np.zeros(classes, np.int64)
        self._top1 = np.zeros(classes)
        self._top5 = np.zeros(classes)
        self.confusion = np.zeros((classes, classes))  # images: [true class, predicted class]

    def add(self, probabilities: NDArray[Any], labels: NDArray[np.int32]) -> None:
        """Adds probabilities (N, classes) and labels (N,).

        If n classes tie for the largest probability, each counts as 1/n of the image. An image with
        a probability that is not finite is wrong, and is not in the confusion matrix.
        """
        self.images += np.bincount(labels, minlength=len(self._names))
        np.add.at(self._top1, labels, top_k_accuracy(probabilities, labels, 1))
        np.add.at(self._top5, labels, top_k_accuracy(probabilities, labels, 5))
        known = np.isfinite(probabilities).all(axis=1)
        probabilities = probabilities[known]
        first = probabilities == probabilities.max(axis=1, keepdims=True)
        np.add.at(self.confusion, labels[known], first / first.sum(axis=1, keepdims=True))

    def table(self) -> str:
        """Returns CSV: class, images, errors (fractions), most frequent wrong class, its fraction.

        The fields of a class without images are empty.
        """
        rows: list[list[str]] = [
            ["class", "images", "top1_error", "top5_error", "most_taken_for", "share"]
        ]
        for index, name in enumerate(self._names):
            images = int(self.images[index])
            rows.append([name, str(images), *(self._errors(index) if images else [""] * 4)])
        return _csv(rows)

    def _errors(self, index: int) -> list[str]:
        images = self.images[index]
        others = self.confusion[index].copy()
        others[index] = -1.0
        other = int(others.argmax())
        errors = [_number(1 - part[index] / images) for part in (self._top1, self._top5)]
        if others[other] <= 0:
            return [*errors, "", ""]
        return [*errors, self._names[other], _number(others[other] / images)]

    def matrix(self) -> str:
        """Returns the confusion matrix as CSV: a row per true class, a column per predicted one."""
        rows = [["class", *self._names]]
        rows += [
            [name, *map(_number, row)]
            for name, row in zip(self._names, self.confusion.tolist(), strict=True)
        ]
        return _csv(rows)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    # Names of classes can contain bytes that are not valid UTF-8.
    return text.getvalue().encode(errors="backslashreplace").decode()
