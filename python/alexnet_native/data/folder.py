"""Image folders: train/<class>/*.jpg, val/<class>/*.jpg (also .png, .webp and others), test/."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import available_threads
from alexnet_native.data.images import EXTENSIONS, read_image
from alexnet_native.data.source import CACHE_BYTES, Dataset, LazySource
from alexnet_native.errors import DataError

__all__ = ["find_folder", "read_folder"]

_TRAIN, _OTHERS = "train", ("val", "test")


def find_folder(folder: Path) -> bool:
    """Whether `folder` has a train folder."""
    return (folder / _TRAIN).is_dir()


def read_folder(
    folder: Path, *, resize: int = 256, threads: int = 0, cache_bytes: int = CACHE_BYTES
) -> Dataset:
    """Lists the images of a folder; each is decoded when it is used.

    The classes are the folders in train/, sorted by name. val/ and test/ are optional and may have
    fewer classes. Hidden files and files with other extensions are ignored.

    Args:
        folder: the folder that contains train/.
        resize: height and width of the decoded images: the shorter side is scaled to this length,
            then the central square is cropped (section 2 of the paper; see :func:`read_image`).
        threads: number of decoding threads; 0 = the processors that this process may use.
        cache_bytes: a split is decoded once and kept in memory if it needs at most this many bytes.

    Raises:
        DataError: there is no class, a class folder is empty, or val/ or test/ has a class that
            train/ does not have. Damaged images are reported when they are used, or by
            :meth:`Dataset.load`.
    """
    if resize < 1:
        raise DataError(f"images cannot be resized to {resize} pixels; use 1 or more")
    classes = _subfolders(folder / _TRAIN)
    if not classes:
        raise DataError(f"{folder / _TRAIN} has no class folders; put images in train/<class>/")

    def source(split: Path) -> LazySource:
        if extra := sorted(set(_subfolders(split)) - set(classes)):
            raise DataError(
                f"{split / extra[0]} is a class that {folder / _TRAIN} does not have; add training "
                "images for it or remove the folder"
            )
        labels, files = _pictures(split, classes)
        shape = (resize, resize, 3)
        return LazySource(
            labels,
            shape,
            lambda index: read_image(split / files[index], shape),
            lambda index: str(split / files[index]),
            threads=threads or available_threads(),
            cache_bytes=cache_bytes,
        )

    return Dataset(
        name=str(folder),
        classes=tuple(classes),
        train=source(folder / _TRAIN),
        **{name: source(folder / name) for name in _OTHERS if (folder / name).is_dir()},
    )


def _pictures(split: Path, classes: list[str]) -> tuple[NDArray[np.int32], list[str]]:
    """Labels, and files as "class/name"; strings need less memory than a million Paths."""
    labels, files = [], []
    present = set(_subfolders(split))
    for label, name in enumerate(classes):
        if name not in present:
            continue
        pictures = sorted(
            entry.name
            for entry in os.scandir(split / name)
            if _is_picture(entry.name) and entry.is_file()
        )
        if not pictures:
            raise DataError(
                f"{split / name} has no images ({', '.join(sorted(EXTENSIONS))}); add some or "
                "remove the folder"
            )
        labels += [label] * len(pictures)
        files += [f"{name}/{picture}" for picture in pictures]
    return np.array(labels, np.int32), files


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS


def _subfolders(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.is_dir() and not entry.name.startswith(".")
    )
