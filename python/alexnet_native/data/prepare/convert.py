"""Converts a range of inputs to records: the work of one worker thread."""

from __future__ import annotations

import os
import threading
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.decode import Damaged, Picture, Scratch
from alexnet_native.data.images import fit
from alexnet_native.data.prepare.inputs import (
    WHOLE_FILE,
    Finding,
    Inputs,
    Listing,
    converted,
    left_out,
)
from alexnet_native.data.statistics import Moments

__all__ = ["ConvertedRecords", "convert"]

_EXTENSIONS = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}

_memory = threading.local()  # one Scratch per worker


@dataclass
class ConvertedRecords:
    """The records of inputs `first` to `last` - 1, except those that were left out.

    Attributes:
        pixels: uint8 (n, size, size, 3).
        labels: int32 (n,).
        checksums: uint32 (n,), CRC-32.
        names: names of the n inputs.
        findings: inputs that were converted or left out.
        moments: sums over the pixels, or None.
    """

    first: int
    last: int
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]
    checksums: NDArray[np.uint32]
    names: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    moments: Moments | None = None


def convert(
    listing: Listing, split: str, first: int, last: int, room: NDArray[np.uint8], moments: bool
) -> ConvertedRecords:
    """Decodes and scales inputs `first` to `last` - 1.

    Args:
        listing: the source.
        split: train, val or test.
        room: uint8 (at least last - first, size, size, 3), the buffer for the records.
        moments: whether to sum up the pixels for the statistics.

    Raises:
        OSError: the source cannot be read.
    """
    if not hasattr(_memory, "scratch"):
        _memory.scratch = Scratch()
    inputs = listing.splits[split]
    labels: list[int] = []
    checksums: list[int] = []
    names: list[str] = []
    findings: list[Finding] = []
    with ExitStack() as archives:
        descriptors: dict[int, int] = {}
        for index in range(first, last):
            name = inputs.names[index]
            out = room[len(names)]
            try:
                data = _read(inputs, index, descriptors, archives)
                picture = listing.decode(data, len(out), _memory.scratch)
            except Damaged as damage:
                findings.append(left_out(split, name, damage.kind, str(damage)))
                continue
            fit(picture.pixels, out)
            findings += [
                converted(split, name, *note) for note in _conversions(picture, name, len(out))
            ]
            labels.append(inputs.labels[index])
            checksums.append(zlib.crc32(out))
            names.append(name)
    pixels = room[: len(names)]
    records = ConvertedRecords(
        first,
        last,
        pixels,
        np.array(labels, np.int32),
        np.array(checksums, np.uint32),
        names,
        findings,
    )
    if moments:
        records.moments = Moments.none(pixels.shape[1:])
        records.moments.add(pixels)
    return records


def _read(inputs: Inputs, index: int, descriptors: dict[int, int], archives: ExitStack) -> bytes:
    place, size = inputs.places[index], inputs.sizes[index]
    if size == WHOLE_FILE:
        try:
            with inputs.path(index).open("rb", buffering=0) as file:
                return file.read()
        except PermissionError as error:
            raise Damaged("unreadable", "there is no permission to read it") from error
    if place not in descriptors:
        descriptors[place] = os.open(inputs.files[place], os.O_RDONLY)
        archives.callback(os.close, descriptors[place])
    data = os.pread(descriptors[place], size, inputs.offsets[index])
    if len(data) < size:
        raise Damaged("cut off", f"{len(data)} of its {size} bytes are there")
    return data


def _conversions(picture: Picture, name: str, size: int) -> list[tuple[str, str]]:
    notes = list(picture.conversions)
    extension = PurePosixPath(name).suffix.lower()
    if picture.format and extension not in _EXTENSIONS.get(picture.format, ()):
        notes.append(("extension", f"the file is a {picture.format}"))
    height, width = picture.size
    if min(height, width) < size:
        notes.append(("enlarged", f"from {width} x {height}"))
    return notes
