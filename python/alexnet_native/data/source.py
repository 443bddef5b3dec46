"""Labelled uint8 images by index: the interface between readers and loaders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import Records, records_in_memory
from alexnet_native.errors import DataError

__all__ = ["CACHE_BYTES", "ArraySource", "Dataset", "LazySource", "Source", "Splits"]

_CHECKED = 64  # images in memory at a time that are made only to find damaged ones
CACHE_BYTES = 2 * 1024**3  # the decoded images of a split are kept in memory up to this size


class Source(Protocol):
    """The images of one split; all have the same shape."""

    @property
    def labels(self) -> NDArray[np.int32]:
        """int32 (N,), 0 to classes - 1."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of each uint8 image."""

    def __len__(self) -> int: ...

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The images at `indices`, (n, H, W, C), in `out` or in a new array."""

    def records(self) -> Records | None:
        """The records that the native loader reads; None if it must call gather()."""

    def item_name(self, index: int) -> str:
        """The origin of image `index` for error messages: a file, or a file and a record."""


class ArraySource:
    """Images in memory.

    Args:
        images: integers 0 to 255, (N, H, W, C) or (N, H, W). A uint8 array is not copied.
        labels: integers, (N,) or (N, 1).
        name: name of the arrays in error messages.
        item_name: returns the name of an image (default: "`name`, image 17").

    Raises:
        DataError: the shape, type or values of an array are wrong.
    """

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        *,
        name: str = "the arrays",
        item_name: Callable[[int], str] | None = None,
    ) -> None:
        self._images = _checked_images(np.asarray(images), name)
        self.labels = _checked_labels(np.asarray(labels), len(self._images), name)
        self._item_name = item_name or (lambda index: f"{name}, image {index}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self._images.shape
        return height, width, channels

    def __len__(self) -> int:
        return len(self._images)

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        return _taken(self._images, indices, out)

    def records(self) -> Records | None:
        return records_in_memory(np.ascontiguousarray(self._images))

    def item_name(self, index: int) -> str:
        return self._item_name(index)


class LazySource:
    """Images that are decoded or drawn when they are first used.

    They are kept in memory if all of them need at most `cache_bytes`; otherwise each use decodes or
    draws them again.

    Args:
        labels: int32 (N,).
        image_shape: height, width, channels.
        make: makes image `index`, uint8 with `image_shape`; called from several threads at once.
        item_name: returns the name of an image, for error messages.
        threads: number of images that are made at the same time.
        cache_bytes: maximum size of the images in memory.
    """

    def __init__(
        self,
        labels: NDArray[np.int32],
        image_shape: tuple[int, int, int],
        make: Callable[[int], NDArray[np.uint8]],
        item_name: Callable[[int], str],
        *,
        threads: int = 1,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.labels = labels
        self.image_shape = image_shape
        self.item_name = item_name
        self._make = make
        self._threads = max(1, threads)
        self._made = np.zeros(len(labels), bool)
        self._lock = threading.Lock()
        self._cache: NDArray[np.uint8] | None = None
        if len(labels) * int(np.prod(image_shape)) <= cache_bytes:
            self._cache = np.empty((len(labels), *image_shape), np.uint8)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def keeps(self) -> bool:
        """Whether images are kept in memory."""
        return self._cache is not None

    def gather(
        self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        if self._cache is None:
            if out is None:
                out = np.empty((len(indices), *self.image_shape), np.uint8)
            self._fill(out, range(len(indices)), indices.tolist())
            return out
        self._keep(indices)
        return _taken(self._cache, indices, out)

    def records(self) -> Records | None:
        if self._cache is None or not self._made.all():
            return None
        return records_in_memory(self._cache)

    def load(self) -> None:
        """Makes all images now if they are kept in memory; otherwise does nothing."""
        self._keep(np.arange(len(self), dtype=np.int64))

    def check(self) -> None:
        """Makes all images once; those that are not kept in memory are dropped."""
        if self._cache is not None:
            self.load()
            return
        room = np.empty((min(_CHECKED, len(self)), *self.image_shape), np.uint8)
        for first in range(0, len(self), _CHECKED):
            indices = range(first, min(first + _CHECKED, len(self)))
            self._fill(room, range(len(indices)), indices)

    def _keep(self, indices: NDArray[np.int64]) -> None:
        if self._cache is None:
            return
        with self._lock:
            missing = np.unique(indices[~self._made[indices]]).tolist()
            self._fill(self._cache, missing, missing)
            self._made[missing] = True

    def _fill(self, out: NDArray[np.uint8], places: Sequence[int], indices: Sequence[int]) -> None:
        def fill(place: int, index: int) -> None:
            out[place] = self._make(index)

        if self._threads == 1 or len(indices) < 2:
            for place, index in zip(places, indices, strict=True):
                fill(place, index)
            return
        with ThreadPoolExecutor(self._threads, "alexnet-decode") as pool:
            jobs = [pool.submit(fill, *pair) for pair in zip(places, indices, strict=True)]
            try:
                for job in jobs:
                    job.result()
            finally:
                pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Dataset:
    """A data set: classes, training images and optionally validation and test images.

    Attributes:
        name: for messages.
        classes: class names, in the order of the labels.
        train: training images.
        val: validation images, evaluated after each epoch of a training run.
        test: test images, used only by :command:`evaluate`.

    Raises:
        DataError: there are no training images, the splits have different image shapes, or a label
            has no class.
    """

    name: str
    classes: tuple[str, ...]
    train: Source
    val: Source | None = None
    test: Source | None = None

    def __post_init__(self) -> None:
        words = {"train": "training", "val": "validation"}
        for split, source in self.splits.items():
            self._check(source, words.get(split, split))

    @property
    def splits(self) -> dict[str, Source]:
        """The existing splits, by name: train, val, test."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: source for name, source in named.items() if source is not None}

    def load(self) -> None:
        """Decodes or draws all images that are kept in memory, so that errors are found early.

        Validation images that are not kept are decoded once for the same reason: training, which
        decodes all training images for their mean before the first step, would otherwise lose an
        epoch to a damaged one.

        Raises:
            DataError: a file cannot be decoded; the message names it.
        """
        for split, source in self.splits.items():
            if not isinstance(source, LazySource):
                continue
            if split == "val":
                source.check()
            else:
                source.load()

    def _check(self, source: Source, split: str) -> None:
        if len(source) == 0:
            raise DataError(f"{self.name} has no {split} images")
        if source.image_shape != self.train.image_shape:
            raise DataError(
                f"{self.name}: the {split} images are {_size(source)}, but the training images are "
                f"{_size(self.train)}; all images must have the same size"
            )
        wrong = np.flatnonzero((source.labels < 0) | (source.labels >= len(self.classes)))
        if len(wrong):
            first = int(wrong[0])
            raise DataError(
                f"{source.item_name(first)} has label {source.labels[first]}; labels must be 0 to "
                f"{len(self.classes) - 1}"
            )


@dataclass(frozen=True)
class Splits:
    """Data to evaluate: like a Dataset, but training images may be missing.

    Attributes:
        name: for messages.
        classes: class names, in the order of the labels.
        splits: the existing splits, by name: train, val, test.
    """

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, Source]


def _taken(
    images: NDArray[np.uint8], indices: NDArray[np.int64], out: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    if out is None:
        return images[indices]
    # mode="clip" writes directly to `out`; the default mode uses a temporary copy.
    return np.take(images, indices, axis=0, out=out, mode="clip")


def _size(source: Source) -> str:
    return " x ".join(str(n) for n in source.image_shape)


def _checked_images(images: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(
            f"{name}: images have shape {images.shape}; expected (N, H, W, C) or (N, H, W)"
        )
    if images.shape[3] > 4 and images.shape[1] in (1, 3):
        raise DataError(
            f"{name}: images have shape {images.shape}, which looks like (N, C, H, W); transpose "
            "them to (N, H, W, C)"
        )
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.integer):
        raise DataError(f"{name}: images are {images.dtype}; expected uint8 with values 0 to 255")
    if images.size and (images.min() < 0 or images.max() > 255):
        raise DataError(
            f"{name}: pixel values are {images.min()} to {images.max()}; expected 0 to 255"
        )
    return images.astype(np.uint8)


def _checked_labels(labels: NDArray[Any], count: int, name: str) -> NDArray[np.int32]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{name}: labels are {labels.dtype} of shape {labels.shape}; expected one integer per "
            "image"
        )
    if len(labels) != count:
        raise DataError(f"{name}: there are {count} images but {len(labels)} labels")
    wrong = np.flatnonzero((labels < 0) | (labels > np.iinfo(np.int32).max))
    if len(wrong):
        raise DataError(
            f"{name}, image {wrong[0]} has label {labels[wrong[0]]}; labels must be 0 to "
            f"{np.iinfo(np.int32).max}"
        )
    return labels.astype(np.int32)
