"""CIFAR-10 and CIFAR-100 in the binary layout.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet_native.data.cifar10 import class_names, find_cifar10
from alexnet_native.data.decode import Damaged, Picture, Scratch
from alexnet_native.data.prepare.inputs import Finding, Inputs, Listing, left_out
from alexnet_native.errors import DataError

__all__ = ["find_cifar", "list_cifar"]

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE


@dataclass(frozen=True)
class _Layout:
    kind: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int  # number of bytes before the pixels; the last one is the label
    names: str  # a text file with one class name per line
    classes: int


_TEN = _Layout(
    kind="CIFAR-10",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test=("test_batch.bin",),
    label_bytes=1,
    names="batches.meta.txt",
    classes=10,
)
_HUNDRED = _Layout(
    kind="CIFAR-100",
    train=("train.bin",),
    test=("test.bin",),
    label_bytes=2,
    names="fine_label_names.txt",
    classes=100,
)


def find_cifar(source: Path) -> Path | None:
    """The folder with the batches: `source`, or the official folder in it; None if neither."""
    if folder := find_cifar10(source):
        return folder
    for folder in (source, source / "cifar-100-binary"):
        if (folder / "train.bin").is_file() and (folder / _HUNDRED.names).is_file():
            return folder
    return None


def list_cifar(folder: Path) -> Listing:
    """Lists the records. For CIFAR-100, the labels are the fine labels.

    Raises:
        DataError: a batch is missing, or the number of class names is wrong.
    """
    layout = _TEN if find_cifar10(folder) else _HUNDRED
    findings: list[Finding] = []
    splits = {
        "train": _list(folder, "train", layout.train, layout, findings),
        "val": _list(folder, "val", layout.test, layout, findings),
    }
    if not len(splits["train"]):
        raise DataError(f"the training batches in {folder} have no images")
    names = class_names(folder / layout.names) if layout is _TEN else _names(folder, layout)
    return Listing(layout.kind, names, splits, tuple(findings), size=_SIDE, decode=_decode)


def _list(
    folder: Path, split: str, files: tuple[str, ...], layout: _Layout, findings: list[Finding]
) -> Inputs:
    inputs = Inputs(folder, [folder / file for file in files])
    record = layout.label_bytes + _PIXELS
    for place, file in enumerate(inputs.files):
        if not file.is_file():
            raise DataError(f"{folder} has no {file.name}; copy or download it again")
        data = np.memmap(file, np.uint8, "r") if file.stat().st_size else np.empty(0, np.uint8)
        whole, rest = divmod(len(data), record)
        labels = data[: whole * record].reshape(whole, record)[:, layout.label_bytes - 1]
        for index, label in enumerate(labels.tolist()):
            name = f"{file.name}, record {index}"
            if label >= layout.classes:
                findings.append(left_out(split, name, "unknown class", f"its label is {label}"))
            else:
                offset = index * record + layout.label_bytes
                inputs.add_part(name, label, place, offset, _PIXELS)
        if rest:
            name = f"{file.name}, record {whole}"
            detail = f"{rest} of its {record} bytes are there"
            findings.append(left_out(split, name, "cut off", detail))
    return inputs


def _decode(data: bytes, size: int, scratch: Scratch | None) -> Picture:
    if len(data) != _PIXELS:
        raise Damaged("cut off", f"{len(data)} of its {_PIXELS} bytes are there")
    planes = np.frombuffer(data, np.uint8).reshape(3, _SIDE, _SIDE)
    return Picture(np.ascontiguousarray(planes.transpose(1, 2, 0)), (_SIDE, _SIDE), "")


def _names(folder: Path, layout: _Layout) -> tuple[str, ...]:
    names = tuple((folder / layout.names).read_text("utf-8-sig", errors="replace").split())
    if len(names) != layout.classes:
        raise DataError(
            f"{folder / layout.names} has {len(names)} class names, but {layout.kind} has "
            f"{layout.classes}; restore it"
        )
    return names
