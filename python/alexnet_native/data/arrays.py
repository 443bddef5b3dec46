"""Data sets from NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.source import ArraySource, Dataset, Source
from alexnet_native.errors import DataError

__all__ = ["class_names", "from_arrays"]


def from_arrays(arrays: Sequence[NDArray[Any]], classes: Sequence[str] | None = None) -> Dataset:
    """Makes a data set from (images, labels) or (images, labels, val_images, val_labels).

    Args:
        arrays: images as integers 0 to 255, (N, H, W, C) or (N, H, W); labels (N,).
        classes: class names (default: "0", "1", ... up to the largest training label).

    Raises:
        DataError: the number of arrays is wrong, or their shapes do not match.
    """
    if len(arrays) not in (2, 4):
        raise DataError(
            f"data must be (images, labels) or (images, labels, val_images, val_labels), not a "
            f"tuple of {len(arrays)}"
        )
    train = ArraySource(arrays[0], arrays[1], name="training arrays")
    val = ArraySource(arrays[2], arrays[3], name="validation arrays") if len(arrays) == 4 else None
    return Dataset(name="arrays", classes=class_names(train, classes), train=train, val=val)


def class_names(train: Source, names: Sequence[str] | None) -> tuple[str, ...]:
    """The given names, or the numbers 0 to the largest training label."""
    if names is not None:
        return tuple(names)
    return tuple(str(label) for label in range(int(np.max(train.labels, initial=-1)) + 1))
