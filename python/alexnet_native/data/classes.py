"""Classes by name: a label of one data set is not a label of another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import Records
from alexnet_native.data.layout import normal
from alexnet_native.data.source import Dataset, Source, Splits
from alexnet_native.errors import DataError

__all__ = ["classes_without_images", "same_classes", "with_labels_of"]

_MANY = 5  # number of names in a message


def same_classes(one: Iterable[str] | None, other: Iterable[str] | None) -> bool:
    """Whether two lists have the same names in the same order, in any Unicode form."""
    if one is None or other is None:
        return one is other
    return [normal(name) for name in one] == [normal(name) for name in other]


def with_labels_of(data: Splits, known: Sequence[str] | None, count: int) -> Splits:
    """The data with the labels of a network: classes are matched by name.

    The numbers 0, 1, ..., n - 1 as class names are labels (arrays have no others), unless the
    network has classes of these names.

    Args:
        data: what is evaluated; it may have fewer classes than the network.
        known: the network's class names in the order of its outputs; None if it has no names.
        count: number of outputs.

    Raises:
        DataError: there are more classes than outputs, or the network does not have a class.
    """
    here = [normal(name) for name in data.classes]
    if len(here) > count:
        raise DataError(
            f"{data.name} has {len(here)} classes, but the checkpoint's network has {count}"
        )
    if known is None:
        return data
    there = [normal(name) for name in known]
    if here == there[: len(here)]:
        return data
    unknown = [name for name in here if name not in there]
    numbered = here == [str(label) for label in range(len(here))]
    if numbered and not set(here) & set(there):
        return data
    if unknown:
        label = here.index(unknown[0])
        raise DataError(
            f"{data.name} does not have the classes that the network was trained on: class {label} "
            f"is {unknown[0]} in the data and {there[label]} in the checkpoint, which has no class "
            f"{_listed(unknown)}; it has {_listed(there)}"
        )
    if len(set(there)) < len(there) or len(set(here)) < len(here):
        raise DataError(
            f"{data.name} does not have the classes of the checkpoint in the same order, and they "
            "cannot be matched by name, since two have the same name"
        )
    labels = np.array([there.index(name) for name in here], np.int32)
    splits = {name: _Relabelled(source, labels) for name, source in data.splits.items()}
    return replace(data, classes=tuple(known), splits=splits)


def classes_without_images(data: Dataset) -> str | None:
    """A warning that names the classes without training images; None if there are none."""
    numbers = np.bincount(data.train.labels, minlength=len(data.classes))
    empty = np.flatnonzero(numbers == 0).tolist()
    if not empty:
        return None
    names = _listed([data.classes[label] for label in empty])
    text = f"{data.name} has no training images of class {names}"
    if empty == [0]:
        text += "; labels start at 0: if yours start at 1, subtract 1 from each"
    return text


class _Relabelled:
    """A source with other labels."""

    def __init__(self, source: Source, labels: NDArray[np.int32]) -> None:
        self.labels = labels[source.labels]
        self.image_shape = source.image_shape
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        return self._source.gather(indices, out)

    def records(self) -> Records | None:
        return self._source.records()

    def item_name(self, index: int) -> str:
        return self._source.item_name(index)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MANY
    return ", ".join(names[:_MANY]) + (f" and {rest} more" if rest > 0 else "")
