"""The list of inputs: what a source holds, before a single picture is decoded."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from alexnet_native.data.decode import Picture, Scratch, decode

__all__ = ["WHOLE_FILE", "Finding", "Inputs", "Listing", "because", "converted", "left_out"]

WHOLE_FILE = -1  # as the size of an input: the file, from its first byte to its last

_BATCH = 4096  # inputs hashed at a time


class Finding(NamedTuple):
    """A row of the report: an input that was converted, or left out."""

    split: str
    name: str
    outcome: str  # "converted" or "left out"
    kind: str  # one or two words, the same for all of a kind
    detail: str


def converted(split: str, name: str, kind: str, detail: str) -> Finding:
    return Finding(split, name, "converted", kind, detail)


def left_out(split: str, name: str, kind: str, detail: str) -> Finding:
    return Finding(split, name, "left out", kind, detail)


def because(findings: list[Finding]) -> str:
    """The first finding as the end of a sentence that says that there is nothing to use."""
    return f" ({findings[0].name}: {findings[0].detail})" if findings else ""


@dataclass
class Inputs:
    """The inputs of one split, in the order of the records; a column for each of their properties.

    Columns, not an object for each input: ImageNet has 1.3 million.

    Attributes:
        folder: what `names` are relative to where an input is a file of its own.
        files: archives that hold inputs.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: array[int] = field(default_factory=lambda: array("i"))
    places: array[int] = field(default_factory=lambda: array("i"))  # in `files`; -1: its own file
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.names)

    def add_file(self, name: str, label: int) -> None:
        """A file of its own, `folder` / `name`."""
        self._add(name, label, -1, 0, WHOLE_FILE)

    def add_part(self, name: str, label: int, place: int, offset: int, size: int) -> None:
        """`size` bytes of `files[place]`, from `offset`."""
        self._add(name, label, place, offset, size)

    def path(self, index: int) -> Path:
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
    """A source, listed.

    Attributes:
        kind: what it was recognised as.
        classes: names in the order of the labels.
        splits: "train" and, where they exist, "val" and "test".
        findings: what was left out already, with reasons.
        notes: what the user should know before the work begins.
        details: of the source, for dataset.json.
        size: of the records if the user names none.
        decode: from the bytes of an input and the size of the records to pixels.
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
        """SHA-256 of everything that the records and the report depend on but the pixels."""
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
