"""Files with a network's probabilities for a list of images, and their average (ensembles)."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.atomic import replacing
from alexnet_native.data import Source
from alexnet_native.data.layout import normal
from alexnet_native.errors import DataError

__all__ = ["Predictions", "average", "in_one_order", "item_names"]

FORMAT = "alexnet-native probabilities 1"


@dataclass(frozen=True)
class Predictions:
    """Probabilities of one network, with the images, classes and settings they belong to.

    Attributes:
        probabilities: float32 (N, classes), averaged over the views.
        labels: int32 (N,).
        items: names of the images, (N,).
        classes: names of the classes.
        net, recipe, data: names; empty if there is none.
        views: number of averaged views.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int32]
    items: tuple[str, ...]
    classes: tuple[str, ...]
    net: str
    recipe: str
    data: str
    views: int

    @property
    def checksum(self) -> str:
        """SHA-256 of the list of images: names, labels and classes, in order."""
        text = "\0".join([*self.items, "", *self.classes])
        labels = np.ascontiguousarray(self.labels, "<i4").tobytes()
        return hashlib.sha256(text.encode(errors="surrogatepass") + b"\0" + labels).hexdigest()

    def save(self, path: Path) -> None:
        """Writes an .npz file atomically.

        Raises:
            OSError: full disk, no permission, no such folder.
        """
        arrays: dict[str, Any] = {
            "probabilities": self.probabilities,
            "labels": self.labels,
            "items": np.array(self.items, np.str_),
            "classes": np.array(self.classes, np.str_),
            "views": np.int64(self.views),
        }
        texts = {"net": self.net, "recipe": self.recipe, "data": self.data}
        texts |= {"checksum": self.checksum, "format": FORMAT}
        arrays |= {name: np.array(text, np.str_) for name, text in texts.items()}
        with replacing(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads a file written by `save`.

        Raises:
            DataError: the file is missing, damaged, or not written by `save`.
        """
        try:
            with path.open("rb") as stream, zipfile.ZipFile(stream):
                stream.seek(0)
                with np.load(stream, allow_pickle=False) as file:
                    found = {name: file[name] for name in file.files}
        except FileNotFoundError:
            raise DataError(f"there is no file {path}") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{path} cannot be read as probabilities: {error}") from error
        if str(found.get("format", "")) != FORMAT:
            raise DataError(
                f"{path} is not a file of probabilities; write one with "
                "evaluate --save-probabilities"
            )
        probabilities, labels = found["probabilities"], found["labels"]
        read = cls(
            probabilities=probabilities,
            labels=labels,
            items=tuple(map(str, found["items"])),
            classes=tuple(map(str, found["classes"])),
            net=str(found["net"]),
            recipe=str(found["recipe"]),
            data=str(found["data"]),
            views=int(found["views"]),
        )
        shape = (len(read.items), len(read.classes))
        if (
            probabilities.shape != shape
            or labels.shape != shape[:1]
            or read.checksum != str(found["checksum"])
        ):
            raise DataError(f"{path} is damaged: the list of images does not match its checksum")
        return read


def in_one_order(parts: Sequence[Predictions]) -> list[Predictions]:
    """Returns the parts with their classes in the order of the first part.

    Networks that were trained on the same classes may have them in another order. A part with other
    classes, or with two of the same name, is not changed.
    """
    first = [normal(name) for name in parts[0].classes]
    ordered = []
    for part in parts:
        names = [normal(name) for name in part.classes]
        if names != first and sorted(names) == sorted(first) and len(set(names)) == len(names):
            columns = [names.index(name) for name in first]
            place = np.argsort(columns)  # the new label of each old one
            part = replace(
                part,
                probabilities=part.probabilities[:, columns],
                labels=place[part.labels].astype(np.int32),
                classes=parts[0].classes,
            )
        elif names == first:
            part = replace(part, classes=parts[0].classes)
        ordered.append(part)
    return ordered


def average(
    parts: Sequence[Predictions], weights: Sequence[float] | None = None, *, names: Sequence[str]
) -> NDArray[np.float64]:
    """Returns the weighted mean of the probabilities, (N, classes).

    Args:
        parts: probabilities for the same list of images.
        weights: one for each part, above 0 (default: equal weights).
        names: names of the parts, for error messages.

    Raises:
        DataError: the lists differ (the message names the first difference), or the number of
            weights or a weight is wrong.
    """
    for part, name in zip(parts[1:], names[1:], strict=True):
        if part.checksum != parts[0].checksum:
            raise DataError(
                f"{name} and {names[0]} are for different lists of images: in {name}, "
                f"{_difference(parts[0], part)}"
            )
    shares = np.ones(len(parts)) if weights is None else np.array(weights, np.float64)
    if len(shares) != len(parts) or not (np.isfinite(shares) & (shares > 0)).all():
        raise DataError(
            f"there are {len(parts)} files, so there must be {len(parts)} weights above 0, not "
            f"{', '.join(f'{share:g}' for share in shares)}"
        )
    total = np.zeros(parts[0].probabilities.shape)
    for share, part in zip(shares / shares.sum(), parts, strict=True):
        total += share * part.probabilities
    return total


def _difference(one: Predictions, other: Predictions) -> str:
    if len(one.items) != len(other.items):
        return f"there are {len(other.items)} images, not {len(one.items)}"
    if one.classes != other.classes:
        for index, (here, there) in enumerate(zip(one.classes, other.classes, strict=False)):
            if here != there:
                return f"class {index} is {there}, not {here}"
        return f"there are {len(other.classes)} classes, not {len(one.classes)}"
    for index, (here, there) in enumerate(zip(one.items, other.items, strict=True)):
        if here != there:
            return f"image {index} is {there}, not {here}"
    index = int(np.flatnonzero(one.labels != other.labels)[0])
    return f"image {index} has label {other.labels[index]}, not {one.labels[index]}"


def item_names(source: Source) -> tuple[str, ...]:
    """Returns the names of all images, without the path of their common folder."""
    names = [source.item_name(index) for index in range(len(source))]
    first, last = min(names), max(names)  # a common prefix of these two is common to all names
    shared = 0
    for here, there in zip(first, last, strict=False):
        if here != there:
            break
        shared += 1
    folder = first.rfind("/", 0, shared) + 1
    return tuple(name[folder:] for name in names)
