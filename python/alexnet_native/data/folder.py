"""Image folders: train/<class>/*.jpg, val/<class>/*.jpg (also .png, .webp and others), test/."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native import log
from alexnet_native._core import available_threads
from alexnet_native.data.images import EXTENSIONS, read_image
from alexnet_native.data.layout import (
    files_below,
    find_splits,
    is_picture,
    normal,
    read_annotations,
    require_class_folders,
    require_distinct,
    sorted_entries,
    subfolders,
)
from alexnet_native.data.source import CACHE_BYTES, Dataset, LazySource, Splits
from alexnet_native.errors import DataError

__all__ = [
    "find_folder",
    "find_folder_without_train",
    "read_folder",
    "read_folder_without_train",
]

_RESIZE = 256


def find_folder(folder: Path) -> bool:
    """Whether `folder` has a train folder."""
    return "train" in find_splits(folder)


def find_folder_without_train(folder: Path) -> bool:
    """Whether `folder` has val or test, with class folders, but no train folder."""
    splits = find_splits(folder)
    return "train" not in splits and any(map(subfolders, splits.values()))


def read_folder(
    folder: Path, *, resize: int = _RESIZE, threads: int = 0, cache_bytes: int = CACHE_BYTES
) -> Dataset:
    """Lists the images of a folder; each is decoded when it is used.

    The classes are the folders in train/, sorted by name; images may lie in folders below them.
    val/ (or valid/ or validation/) and test/ are optional and may have fewer classes; a test/
    without labels is not used. Hidden files, files of the operating system and files with other
    extensions are ignored. Tiny ImageNet's val_annotations.txt is read.

    Args:
        folder: the folder that contains train/.
        resize: height and width of the decoded images: the shorter side is scaled to this length,
            then the central square is cropped (section 2 of the paper; see :func:`read_image`).
        threads: number of decoding threads; 0 = the processors that this process may use.
        cache_bytes: a split is decoded once and kept in memory if it needs at most this many bytes.

    Raises:
        DataError: there is no class, a class folder is empty, the classes of the images in val/ are
            unknown, or val/ or test/ has a class that train/ does not have. Damaged images are
            reported when they are used, or by :meth:`Dataset.load`.
    """
    if resize < 1:
        raise DataError(f"images cannot be resized to {resize} pixels; use 1 or more")
    places = find_splits(folder)
    train = places["train"]
    classes = subfolders(train)
    if not classes:
        raise DataError(f"{train} has no class folders; put images in {train.name}/<class>/")
    require_distinct(classes, train)
    sources = {}
    for split, place in places.items():
        if split == "test" and not _has_labels(place, classes):
            log.warning(f"{place} has no class folder of {train}; its images are not used")
            continue
        labels, files = _pictures(place, classes, train)
        sources[split] = _source(place, labels, files, resize, threads, cache_bytes)
    return Dataset(name=str(folder), classes=tuple(classes), **sources)


def read_folder_without_train(folder: Path) -> Splits:
    """Lists the images of val/ and test/ to evaluate them.

    The classes are the folders of both, sorted by name.

    Raises:
        DataError: a class folder is empty.
    """
    places = find_splits(folder)
    classes: list[str] = []  # val and test may have different Unicode forms of one name
    for name in sorted(
        (name for place in places.values() for name in subfolders(place)), key=normal
    ):
        if not classes or normal(classes[-1]) != normal(name):
            classes.append(name)
    sources = {}
    for split, place in places.items():
        if subfolders(place):
            labels, files = _pictures(place, classes, folder)
            sources[split] = _source(place, labels, files, _RESIZE, 0, CACHE_BYTES)
    return Splits(str(folder), tuple(classes), sources)


def _source(
    place: Path,
    labels: NDArray[np.int32],
    files: Sequence[str],
    resize: int,
    threads: int,
    cache_bytes: int,
) -> LazySource:
    shape = (resize, resize, 3)
    return LazySource(
        labels,
        shape,
        lambda index: read_image(place / files[index], shape),
        lambda index: str(place / files[index]),
        threads=threads or available_threads(),
        cache_bytes=cache_bytes,
    )


def _has_labels(split: Path, classes: Sequence[str]) -> bool:
    known = {normal(name) for name in classes}
    return any(normal(name) in known for name in subfolders(split))


def _pictures(
    split: Path, classes: Sequence[str], train: Path
) -> tuple[NDArray[np.int32], list[str]]:
    """Labels, and files relative to `split`; strings need less memory than a million Paths."""
    label_of = {normal(name): label for label, name in enumerate(classes)}
    folders = subfolders(split)
    if not _has_labels(split, classes):
        annotated = read_annotations(split)
        if annotated is not None:
            return _annotated(split, label_of, annotated, train)
        if not folders or any(is_picture(entry.name) for entry in sorted_entries(split)):
            require_class_folders(split, train)
    if extra := [name for name in folders if normal(name) not in label_of]:
        raise DataError(
            f"{split / extra[0]} is a class that {train} does not have; add training images for it "
            "or remove the folder"
        )
    require_distinct(folders, split)
    labels: list[int] = []
    files: list[str] = []
    for label, name in sorted((label_of[normal(name)], name) for name in folders):
        pictures = _pictures_below(split / name, split)
        if not pictures:
            raise DataError(
                f"{split / name} has no images ({', '.join(sorted(EXTENSIONS))}); add some or "
                "remove the folder"
            )
        labels += [label] * len(pictures)
        files += pictures
    return np.array(labels, np.int32), files


def _annotated(
    split: Path, label_of: dict[str, int], annotated: dict[str, str], train: Path
) -> tuple[NDArray[np.int32], list[str]]:
    """The pictures that are listed in a file of labels, by label and name."""
    found = []
    for file in _pictures_below(split, split):
        name = annotated.get(Path(file).name)
        if name is None:
            continue
        if name not in label_of:
            raise DataError(f"{split / file} is of class {name}, which {train} does not have")
        found.append((label_of[name], file))
    if not found:
        raise DataError(f"{split} has no images that its file of labels lists")
    found.sort()
    return np.array([label for label, _ in found], np.int32), [file for _, file in found]


def _pictures_below(folder: Path, split: Path) -> list[str]:
    files = []
    start = len(str(split)) + 1
    for file, why in files_below(folder):
        if why is not None and why[0] == "unreadable":
            raise DataError(f"{file} cannot be read: {why[1]}")
        if why is None and is_picture(os.path.basename(file)):  # noqa: PTH119
            files.append(file[start:])
    return files
