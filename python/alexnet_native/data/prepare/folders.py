"""Folders of images: train/<class>/, val/<class>/ and test/<class>/, or only <class>/."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from alexnet_native.data.images import EXTENSIONS
from alexnet_native.data.layout import (
    files_below,
    find_splits,
    is_clutter,
    is_folder,
    normal,
    oddity,
    read_annotations,
    require_class_folders,
    require_distinct,
    sorted_entries,
    subfolders,
)
from alexnet_native.data.prepare.inputs import Finding, Inputs, Listing, left_out
from alexnet_native.errors import DataError

__all__ = ["find_folders", "list_folders"]

_LOOK_AT = 1000  # number of entries checked to decide whether a folder has images


def find_folders(source: Path) -> bool:
    """Whether there are class folders in train/ or in the folder itself."""
    train = find_splits(source).get("train")
    return bool(train and subfolders(train)) or any(
        _holds_pictures(source / name) for name in subfolders(source)
    )


def list_folders(source: Path) -> Listing:
    """Lists every file below the class folders, sorted by class and name.

    The classes are the folders in train/, or in the source if there is no train/, sorted by name.
    Formats are determined by decoding the files, not by their extensions.

    Raises:
        DataError: there is no class folder, or all are empty.
    """
    places = find_splits(source)
    root = places.setdefault("train", source)
    if root == source:
        places = {"train": source}
    classes = subfolders(root)
    if not classes:
        raise DataError(f"{root} has no class folders; put images in {root}/<class>/")
    require_distinct(classes, root)
    findings: list[Finding] = []
    splits = {
        split: _list_split(source, split, place, classes, findings)
        for split, place in places.items()
    }
    if not len(splits["train"]):
        raise DataError(f"the class folders in {root} are empty; put images in them")
    notes = []
    if "val" in splits and not len(splits["val"]):
        require_class_folders(places["val"], root)
    if "test" in splits and not len(splits["test"]):
        notes.append(f"{places['test']} has no class folder of {root}; its images are not used")
        del splits["test"]
    if root != source:
        used = {place.name for place in places.values()}
        findings += [
            left_out("", name, "not used", "it is neither train/ nor val/ nor test/")
            for name in sorted(os.listdir(source))  # noqa: PTH208
            if name not in used
        ]
    return Listing("folder", tuple(classes), splits, tuple(findings), tuple(notes))


def _list_split(
    source: Path, split: str, root: Path, classes: list[str], findings: list[Finding]
) -> Inputs:
    labels = {normal(name): label for label, name in enumerate(classes)}
    annotated = read_annotations(root)
    if annotated is not None and not labels.keys() & {normal(name) for name in subfolders(root)}:
        return _list_annotated(source, split, root, labels, annotated, findings)
    inputs = Inputs(source)
    for entry in sorted(sorted_entries(root), key=lambda entry: normal(entry.name)):
        name = os.path.relpath(entry.path, source)
        if not is_folder(entry) or is_clutter(entry.name):
            findings.append(left_out(split, name, *(oddity(entry) or _NO_CLASS)))
            continue
        label = labels.get(normal(entry.name))
        before = len(inputs), len(findings)
        for file, why in files_below(Path(entry.path)):
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


def _list_annotated(
    source: Path,
    split: str,
    root: Path,
    labels: Mapping[str, int],
    annotated: Mapping[str, str],
    findings: list[Finding],
) -> Inputs:
    """The files of a split whose classes are in a file of labels, by label and name."""
    found = []
    for file, why in files_below(root):
        name = os.path.relpath(file, source)
        known = annotated.get(Path(file).name)
        if why is not None:
            findings.append(left_out(split, name, *why))
        elif known is None:
            findings.append(left_out(split, name, "no label", "the file of labels lacks it"))
        elif known not in labels:
            findings.append(left_out(split, name, "unknown class", f"train has no class {known}"))
        else:
            found.append((labels[known], name))
    inputs = Inputs(source)
    for label, name in sorted(found):
        inputs.add_file(name, label)
    return inputs


_NO_CLASS = ("no class", "it lies beside the class folders")


def _holds_pictures(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            some = [entry.name for _, entry in zip(range(_LOOK_AT), entries, strict=False)]
    except OSError:  # reported when the folder is listed
        return False
    return any(Path(name).suffix.lower() in EXTENSIONS for name in some)
