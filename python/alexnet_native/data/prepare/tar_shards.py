"""Folders of tar archives of images, with labels in one of two forms.

- WebDataset: members with the same key form a sample, e.g. ``000017.jpg`` and ``000017.cls``; the
  .cls member contains the class number. Other members are ignored. The class names are the lines of
  ``classes.txt`` in the folder of the archives, or the numbers if there is no such file.
- By class: the class of a member is its folder, or the name of the archive if it has none.

A member belongs to the validation split if the path of the archive or of the member contains the
word val, valid or validation, and to the test split if it contains the word test.

Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from alexnet_native.data.images import EXTENSIONS
from alexnet_native.data.layout import clutter_kind, is_clutter, normal, read_lines
from alexnet_native.data.prepare.archive import Archive
from alexnet_native.data.prepare.inputs import Finding, Inputs, Listing, because, left_out
from alexnet_native.data.prepare.tar_index import Member
from alexnet_native.data.shards.index import SPLITS
from alexnet_native.errors import DataError

__all__ = ["find_tars", "list_tars"]

_NAMES = "classes.txt"
_SPLIT_WORDS = {
    "val": "val", "valid": "val", "validation": "val", "test": "test", "train": "train",
}  # fmt: skip
_LONGEST_LABEL = 6  # number of digits

_Found = tuple[str, str, str | int, int, Member]  # split, name, class, archive, image


def find_tars(source: Path) -> bool:
    """Whether `source` is an archive or a folder with archives."""
    return bool(_archives(source))


def list_tars(source: Path) -> Listing:
    """Lists the images of all archives, in the order of the archives' names.

    Raises:
        DataError: an archive is compressed or cannot be read, both forms of labels are used, or
            there are no training images.
    """
    root = source if source.is_dir() else source.parent
    files = _archives(source)
    findings: list[Finding] = []
    found: list[_Found] = []
    numbered: set[bool] = set()
    for place, file in enumerate(files):
        relative = file.relative_to(root).as_posix()
        if is_clutter(file.name):
            findings.append(left_out("", relative, *clutter_kind(file.name)))
            continue
        split = _split_of(re.split(r"[^a-z]+", relative.lower())) or "train"
        with Archive(file) as archive:
            all_members = _without_clutter(
                archive.members(split, findings), relative, split, findings
            )
            if any(_key(member)[1] == "cls" for member in all_members):
                numbered.add(True)
                found += _samples(archive, relative, split, place, all_members, findings)
            else:
                numbered.add(False)
                found += _by_class(relative, split, place, all_members, findings)
    if numbered == {True, False}:
        raise DataError(
            f"some archives in {source} have .cls members and some do not; use one folder for each "
            "kind"
        )
    classes = _numbered_names(root, found) if True in numbered else _folder_names(found)
    labels: dict[str | int, int] = {name: label for label, name in enumerate(classes)}
    if True in numbered:
        labels = {label: label for label in range(len(classes))}
    order = ["train", *(s for s in SPLITS[1:] if any(split == s for split, *_ in found))]
    splits = {split: Inputs(root, files) for split in order}
    for split, name, name_or_number, place, member in found:
        label = labels.get(name_or_number)
        if label is None:
            detail = f"there is no class {name_or_number}"
            findings.append(left_out(split, name, "unknown class", detail))
        else:
            splits[split].add_part(name, label, place, member.offset, member.size)
    if not len(splits["train"]):
        raise DataError(f"the archives in {source} have no training images{because(findings)}")
    return Listing("tar", classes, splits, tuple(findings))


def _without_clutter(
    members: Iterable[Member], file: str, split: str, findings: list[Finding]
) -> list[Member]:
    kept = []
    for member in members:
        clutter = next(filter(is_clutter, PurePosixPath(member.name).parts), None)
        if clutter is None:
            kept.append(member)
        else:
            findings.append(left_out(split, f"{file}/{member.name}", *clutter_kind(clutter)))
    return kept


def _samples(
    archive: Archive,
    file: str,
    split: str,
    place: int,
    all_members: list[Member],
    findings: list[Finding],
) -> Iterable[_Found]:
    samples: dict[str, dict[str, Member]] = {}
    for member in all_members:
        key, kind = _key(member)
        samples.setdefault(key, {})[kind] = member
    for key, parts in samples.items():
        pictures = [member for kind, member in parts.items() if f".{kind}" in EXTENSIONS]
        for member in pictures[1:]:
            name = f"{file}/{member.name}"
            findings.append(left_out(split, name, "second picture", f"of the sample {key}"))
        if not pictures:
            findings.append(left_out(split, f"{file}/{key}", "no picture", "a sample without one"))
            continue
        name = f"{file}/{pictures[0].name}"
        if "cls" not in parts:
            findings.append(left_out(split, name, "no label", f"there is no {key}.cls"))
            continue
        text = archive.read(parts["cls"].offset, parts["cls"].size).strip()
        if not text.isdigit() or len(text) > _LONGEST_LABEL:
            findings.append(left_out(split, name, "no label", f"{key}.cls holds no class number"))
            continue
        yield split, name, int(text), place, pictures[0]


def _by_class(
    file: str, split: str, place: int, all_members: list[Member], findings: list[Finding]
) -> Iterable[_Found]:
    for member in all_members:
        name = f"{file}/{member.name}"
        folders = PurePosixPath(member.name).parts[:-1]
        own = _split_of(part.lower() for part in folders) or split
        if folders and folders[-1].lower() in _SPLIT_WORDS:
            findings.append(left_out(own, name, "no class", "it lies beside the class folders"))
        else:
            label = normal(folders[-1] if folders else PurePosixPath(file).stem)
            yield own, name, label, place, member


def _folder_names(found: list[_Found]) -> tuple[str, ...]:
    return tuple(sorted({str(name) for split, _, name, *_ in found if split == "train"}))


def _numbered_names(root: Path, found: list[_Found]) -> tuple[str, ...]:
    file = root / _NAMES
    if file.is_file():
        names = read_lines(file)
        if "" in names:
            raise DataError(
                f"{file}, line {names.index('') + 1} is empty; write one class per line"
            )
        return tuple(names)
    count = max((int(number) for split, _, number, *_ in found if split == "train"), default=-1)
    return tuple(str(number) for number in range(count + 1))


def _archives(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".tar" else []
    return sorted(
        path for pattern in ("*.tar", "*/*.tar") for path in source.glob(pattern) if path.is_file()
    )


def _key(member: Member) -> tuple[str, str]:
    """WebDataset's key and extension: the name up to its first dot, and the rest."""
    folder, _, name = member.name.rpartition("/")
    stem, _, kind = name.partition(".")
    return f"{folder}/{stem}" if folder else stem, kind.lower()


def _split_of(words: Iterable[str]) -> str | None:
    """The split of the first word that is the name of a split."""
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), None)
