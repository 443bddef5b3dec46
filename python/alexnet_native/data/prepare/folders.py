"""Folders of images: train/<class>/, val/<class>/ and test/<class>/, or only <class>/."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from alexnet_native.data.images import EXTENSIONS
from alexnet_native.data.prepare.inputs import Finding, Inputs, Listing, left_out
from alexnet_native.data.shards.index import SPLITS
from alexnet_native.errors import DataError

__all__ = ["find_folders", "list_folders"]

_LOOK_AT = 1000  # number of entries checked to decide whether a folder has images


def find_folders(source: Path) -> bool:
    """Whether there are class folders in train/ or in the folder itself."""
    train = source / "train"
    return bool(train.is_dir() and _folders(train)) or any(map(_holds_pictures, _folders(source)))


def list_folders(source: Path) -> Listing:
    """Lists every file below the class folders, sorted by class and name.

    The classes are the folders in train/, or in the source if there is no train/, sorted by name.
    Formats are determined by decoding the files, not by their extensions.

    Raises:
        DataError: there is no class folder, or all are empty.
    """
    nested = (source / "train").is_dir()
    root = source / "train" if nested else source
    classes = [folder.name for folder in _folders(root)]
    if not classes:
        raise DataError(f"{root} has no class folders; put images in {root}/<class>/")
    findings: list[Finding] = []
    splits = {"train": _list_split(source, "train", root, classes, findings)}
    for split in SPLITS[1:]:
        if nested and (source / split).is_dir():
            splits[split] = _list_split(source, split, source / split, classes, findings)
    if not len(splits["train"]):
        raise DataError(f"the class folders in {root} are empty; put images in them")
    if nested:
        findings += [
            left_out("", name, "not used", "it is neither train/ nor val/ nor test/")
            for name in sorted(os.listdir(source))  # noqa: PTH208
            if name not in splits
        ]
    return Listing("folder", tuple(classes), splits, tuple(findings))


def _list_split(
    source: Path, split: str, root: Path, classes: list[str], findings: list[Finding]
) -> Inputs:
    inputs = Inputs(source)
    labels = {name: label for label, name in enumerate(classes)}
    for entry in _entries(root):
        name = os.path.relpath(entry.path, source)
        if not _is_folder(entry) or entry.name.startswith("."):
            findings.append(left_out(split, name, *(_oddity(entry) or _NO_CLASS)))
            continue
        label = labels.get(entry.name)
        before = len(inputs), len(findings)
        for file, why in _below(Path(entry.path)):
            name = os.path.relpath(file, source)
            if why is not None:
                findings.append(left_out(split, name, *why))
            elif label is None:
                findings.append(left_out(split, name, "unknown class", "train has no such class"))
            else:
                inputs.add_file(name, label)
        if (len(inputs), len(findings)) == before:
            findings.append(left_out(split, f"{name}/", "empty class", "the folder has no files"))
    return inputs


_NO_CLASS = ("no class", "it lies beside the class folders")


def _below(folder: Path) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """All files in a class folder, at any depth; with the reason if a file cannot be used."""
    try:
        entries = _entries(folder)
    except OSError as error:
        yield str(folder), ("unreadable", str(error.strerror))
        return
    for entry in entries:
        why = _oddity(entry)
        if why is None and entry.is_dir():
            yield from _below(Path(entry.path))
        else:
            yield entry.path, why


def _oddity(entry: os.DirEntry[str]) -> tuple[str, str] | None:
    if entry.name.startswith("."):
        return "hidden", "its name starts with a dot"
    if entry.is_symlink() and _is_folder(entry):
        return "link", "it is a link to a folder"
    if entry.is_symlink() and not os.path.isfile(entry.path):  # noqa: PTH113
        return "link", "it is a link to nothing"
    if not entry.is_file() and not entry.is_dir():
        return "no file", "it is a pipe, a socket or a device"
    return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in _entries(folder)
        if _is_folder(entry) and not entry.name.startswith(".")
    ]


def _holds_pictures(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            some = [entry.name for _, entry in zip(range(_LOOK_AT), entries, strict=False)]
    except OSError:  # reported when the folder is listed
        return False
    return any(Path(name).suffix.lower() in EXTENSIONS for name in some)
