"""The list of inputs of a source, made before any image is decoded."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from alexnet_native.data.decode import Picture, Scratch, decode

__all__ = ["WHOLE_FILE", "Finding", "Inputs", "Listing", "because", "converted", "left_out"]

WHOLE_FILE = -1  # the size of an input that is a whole file

_BATCH = 4096  # number of inputs hashed at a time


class Finding(NamedTuple):
    """A row of the report: an input that was converted or left out."""

    split: str
    name: str
    outcome: str  # "converted" or "left out"
    kind: str  # the category, one or two words
    detail: str


def converted(split: str, name: str, kind: str, detail: str) -> Finding:
    return Finding(split, name, "converted", kind, detail)


def left_out(split: str, name: str, kind: str, detail: str) -> Finding:
    return Finding(split, name, "left out", kind, detail)


def because(findings: list[Finding]) -> str:
    """The first finding in parentheses, to end an error message about a source without inputs."""
    return f" ({findings[0].name}: {findings[0].detail})" if findings else ""


@dataclass
class Inputs:
    """The inputs of one split, in the order of the records, as columns.

    Columns need less memory than one object per input: ImageNet has 1.3 million inputs.

    Attributes:
        folder: `names` are relative to this folder for inputs that are files.
        files: the archives that contain inputs.
        names: names of the inputs.
        labels: labels of the inputs.
        places: index of the archive in `files`; -1 if the input is a file.
        offsets: first byte in the archive.
        sizes: number of bytes, or WHOLE_FILE.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: array[int] = field(default_factory=lambda: array("i"))
    places: array[int] = field(default_factory=lambda: array("i"))
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.names)

    def add_file(self, name: str, label: int) -> None:
        """Adds the file `folder` / `name`."""
        self._add(name, label, -1, 0, WHOLE_FILE)

    def add_part(self, name: str, label: int, place: int, offset: int, size: int) -> None:
        """Adds `size` bytes of `files[place]` from `offset`."""
        self._add(name, label, place, offset, size)

    def path(self, index: int) -> Path:
        """The file that contains input `index`."""
        place = self.places[index]
        return self.folder / self.names[index] if place < 0 else self.files[place]

    def _add(self, name: str, label: int, place: int, offset: int, size: int) -> None:
        self.names.append(name)
        self.labels.append(label)
        self.places.append(place)
        self.offsets.append(offset)
        self.sizes.append(size)


@dataclass(frozen=True)
class Listing:
    """The list of a source's inputs.

    Attributes:
        kind: the recognised kind of source.
        classes: class names, in the order of the labels.
        splits: "train" and optionally "val" and "test".
        findings: inputs that are left out, with the reasons.
        notes: messages to print before the work begins.
        details: of the source, for dataset.json.
        size: default size of the records.
        decode: decodes the bytes of an input, given the size of the records.
    """

    kind: str
    classes: tuple[str, ...]
    splits: Mapping[str, Inputs]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    size: int = 256
    decode: Callable[[bytes, int, Scratch | None], Picture] = decode

    def fingerprint(self) -> str:
        """SHA-256 of everything that the records and the report depend on, except the pixels."""
        digest = hashlib.sha256(repr((self.kind, self.classes, self.findings)).encode())
        for split, inputs in self.splits.items():
            digest.update(f"\n{split}\n".encode())
            for text in _lines(inputs):
                digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _lines(inputs: Inputs) -> Iterator[str]:
    for first in range(0, len(inputs), _BATCH):
        some = slice(first, first + _BATCH)
        columns = zip(inputs.names[some], inputs.labels[some], inputs.sizes[some], strict=True)
        yield "".join(f"{name}\0{label} {size}\n" for name, label, size in columns)
