"""What the readers of folders and archives share: names of splits, clutter, lists of labels."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from alexnet_native.errors import DataError

__all__ = [
    "EXTENSIONS",
    "clutter_kind",
    "files_below",
    "find_splits",
    "is_clutter",
    "is_folder",
    "is_picture",
    "normal",
    "oddity",
    "read_annotations",
    "read_lines",
    "require_class_folders",
    "require_distinct",
    "sorted_entries",
    "subfolders",
]

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
)

_SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_ANNOTATIONS = "val_annotations.txt"  # Tiny ImageNet: file, class and box, separated by tabs

# Written by macOS, Windows, Synology's file server, ext4 and Python beside the user's files.
_CLUTTER = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        "lost+found",
        "__pycache__",
    }
)


def normal(name: str) -> str:
    """The name in Unicode's composed form: "é" is one character or two, depending on the system."""
    return unicodedata.normalize("NFC", name)


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden or belongs to the operating system."""
    return name.startswith(".") or name.lower() in _CLUTTER


def clutter_kind(name: str) -> tuple[str, str]:
    """Kind and reason for the report of what `is_clutter` recognises."""
    if name.startswith("."):
        return "hidden", "its name starts with a dot"
    return "system file", "the operating system wrote it"


def is_picture(name: str) -> bool:
    """Whether the name has the extension of an image file, and is neither hidden nor clutter."""
    return not is_clutter(name) and Path(name).suffix.lower() in EXTENSIONS


def find_splits(folder: Path) -> dict[str, Path]:
    """The folders of the splits by "train", "val" and "test".

    The validation folder may also be called valid or validation, and the case of letters does not
    matter. The first of these names is taken if there are several.
    """
    present = [entry.name for entry in sorted_entries(folder) if is_folder(entry)]
    found = {}
    for split, names in _SPLIT_NAMES.items():
        candidates = [name for name in names if name in present]
        candidates += [name for name in present if name.lower() in names]
        if candidates:
            found[split] = folder / candidates[0]
    return found


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in `folder` without clutter, in the same order in any Unicode form."""
    entries = sorted_entries(folder)
    names = [entry.name for entry in entries if not is_clutter(entry.name) and is_folder(entry)]
    return sorted(names, key=normal)


def require_distinct(classes: Iterable[str], place: Path) -> None:
    """Raises DataError if two names differ only in their Unicode form."""
    seen: dict[str, str] = {}
    for name in classes:
        other = seen.setdefault(normal(name), name)
        if other != name:
            raise DataError(
                f"{place} has two class folders called {name}, which differ only in their Unicode "
                "spelling; move their images into one folder"
            )


def require_class_folders(split: Path, train: Path) -> None:
    """Raises DataError with the reason why no image in `split` has a label."""
    count = sum(why is None and is_picture(Path(file).name) for file, why in files_below(split))
    if not count:
        raise DataError(f"{split} has no images; add some in {split}/<class>/ or remove the folder")
    images = "1 image" if count == 1 else f"{count} images"
    raise DataError(
        f"{split} has {images}, but no class folder of {train}, so their classes are unknown; move "
        f"each image to {split}/<class>/, or rename {split.name} so that it is not used"
    )


def files_below(folder: Path) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """All files in a folder, at any depth, sorted; with the reason if a file cannot be used."""
    try:
        entries = sorted_entries(folder)
    except OSError as error:
        yield str(folder), ("unreadable", str(error.strerror))
        return
    for entry in entries:
        why = oddity(entry)
        if why is None and entry.is_dir():
            yield from files_below(Path(entry.path))
        else:
            yield entry.path, why


def sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, sorted by name."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is not an error."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def oddity(entry: os.DirEntry[str]) -> tuple[str, str] | None:
    """Kind and reason if an entry below a class folder is neither an ordinary file nor a folder."""
    if is_clutter(entry.name):
        return clutter_kind(entry.name)
    if entry.is_symlink() and is_folder(entry):
        return "link", "it is a link to a folder"
    if entry.is_symlink() and not os.path.isfile(entry.path):  # noqa: PTH113
        return "link", "it is a link to nothing"
    if not entry.is_file() and not entry.is_dir():
        return "no file", "it is a pipe, a socket or a device"
    return None


def read_annotations(split: Path) -> dict[str, str] | None:
    """The class of each file name in Tiny ImageNet's val_annotations.txt; None without this file.

    Raises:
        DataError: the file cannot be read, or a line does not start with a file and a class.
    """
    file = split / _ANNOTATIONS
    if not file.is_file():
        return None
    classes = {}
    for number, line in enumerate(read_lines(file), 1):
        words = line.split("\t")
        if len(words) < 2:
            raise DataError(
                f"{file}, line {number}, must be a file name and a class with a tab between them"
            )
        classes[words[0].strip()] = normal(words[1].strip())
    return classes


def read_lines(file: Path) -> list[str]:
    """The lines of a text file: UTF-8, or UTF-16 with a byte order mark, with any line ends.

    Spaces around the lines, the byte order mark and empty lines at the end are left out.

    Raises:
        DataError: the file cannot be read or has another encoding.
    """
    try:
        data = file.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines
