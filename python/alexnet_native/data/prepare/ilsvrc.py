"""ILSVRC-2010 and ILSVRC-2012 as they are downloaded: archives of archives, and a development kit.

=============  ============================  ============================
               2010                          2012
=============  ============================  ============================
training       ILSVRC2010_images_train.tar   ILSVRC2012_img_train.tar
validation     ILSVRC2010_images_val.tar     ILSVRC2012_img_val.tar
kit            ILSVRC2010_devkit-1.0.tar.gz  ILSVRC2012_devkit_t12.tar.gz
mended files   patch_images.tar
=============  ============================  ============================

The training archive holds one archive for each class, named by its WordNet number (n01440764.tar).
The kit's data/meta.mat numbers the classes; a label is that ILSVRC number less one. Line i of its
..._validation_ground_truth.txt is the number of ..._val_<i>.JPEG. Source: readme.txt of both kits.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alexnet_native.data.prepare.archive import Archive
from alexnet_native.data.prepare.inputs import Finding, Inputs, Listing, because, left_out
from alexnet_native.data.prepare.matlab import read_matlab
from alexnet_native.data.prepare.tar_index import Member
from alexnet_native.errors import DataError

__all__ = ["find_ilsvrc", "list_ilsvrc"]

_TRAIN = {"2012": "ILSVRC2012_img_train.tar", "2010": "ILSVRC2010_images_train.tar"}
_VAL = {"2012": "ILSVRC2012_img_val.tar", "2010": "ILSVRC2010_images_val.tar"}
_KITS = {
    "2012": ("ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t3"),
    "2010": ("ILSVRC2010_devkit-1.0", "devkit-1.0"),
}
_PATCH = "patch_images.tar"
_WORDNET = re.compile(r"n\d{8}")
_VAL_NUMBER = re.compile(r"_val_(\d{8})")


@dataclass(frozen=True)
class _Kit:
    synsets: tuple[str, ...]  # WordNet numbers in label order
    words: tuple[str, ...]
    truth: tuple[int, ...]  # labels of the validation images
    train_images: int  # as the kit counts them; 0 if it does not


def find_ilsvrc(source: Path) -> str | None:
    """The year whose archives `source` holds."""
    for year in _TRAIN:
        if (source / _TRAIN[year]).is_file() or (source / _VAL[year]).is_file():
            return year
    return None


def list_ilsvrc(source: Path, year: str) -> Listing:
    """Lists the images of both archives.

    Raises:
        DataError: the training archive or the kit is missing or damaged.
    """
    if not (source / _TRAIN[year]).is_file():
        raise DataError(f"{source} has no {_TRAIN[year]}; download it to there")
    kit = _read_kit(source, year)
    labels = {synset: label for label, synset in enumerate(kit.synsets)}
    findings: list[Finding] = []

    def train_label(member: Member) -> int | tuple[str, str]:
        for part in PurePosixPath(member.name).parts:
            if found := _WORDNET.match(part):
                label = labels.get(found[0])
                return ("unknown class", "the kit has no such number") if label is None else label
        return "no class", "its name holds no WordNet number"

    def val_label(member: Member) -> int | tuple[str, str]:
        found = _VAL_NUMBER.search(member.name)
        if not found:
            return "no label", "its name holds no number"
        if not 1 <= int(found[1]) <= len(kit.truth):
            return "no label", f"the kit's ground truth has {len(kit.truth)} lines"
        return kit.truth[int(found[1]) - 1]

    splits = {"train": _list(source / _TRAIN[year], "train", train_label, findings)}
    if (source / _VAL[year]).is_file():
        splits["val"] = _list(source / _VAL[year], "val", val_label, findings)
    notes = []
    if (source / _PATCH).is_file():
        mended = sum(_patch(inputs, source / _PATCH) for inputs in splits.values())
        notes.append(f"{mended} images are taken from {_PATCH}")
    for split, expected in (("train", kit.train_images), ("val", len(kit.truth))):
        if split in splits and expected not in (0, len(splits[split])):
            notes.append(
                f"the kit counts {expected} images for {split}, the archive holds "
                f"{len(splits[split])}"
            )
    if not len(splits["train"]):
        raise DataError(
            f"{source / _TRAIN[year]} holds no images of the kit's classes{because(findings)}"
        )
    details = {"synsets": list(kit.synsets)}
    return Listing(f"ILSVRC-{year}", kit.words, splits, tuple(findings), tuple(notes), details)


def _list(
    file: Path,
    split: str,
    label_of: Callable[[Member], int | tuple[str, str]],
    findings: list[Finding],
) -> Inputs:
    inputs = Inputs(file.parent, [file])
    with Archive(file) as archive:
        for member in archive.members(split, findings):
            label = label_of(member)
            if isinstance(label, tuple):
                findings.append(left_out(split, member.name, *label))
            else:
                inputs.add_part(member.name, label, 0, member.offset, member.size)
    return inputs


def _patch(inputs: Inputs, file: Path) -> int:
    """Replaces images by those of the same name in the patch; returns how many."""
    with Archive(file) as archive:
        better = {PurePosixPath(m.name).name: m for m in archive.members("", [])}
    inputs.files.append(file)
    count = 0
    for index, name in enumerate(inputs.names):
        if member := better.get(PurePosixPath(name).name):
            inputs.places[index] = len(inputs.files) - 1
            inputs.offsets[index], inputs.sizes[index] = member.offset, member.size
            count += 1
    return count


def _read_kit(source: Path, year: str) -> _Kit:
    for name in _KITS[year]:
        folder, packed = source / name, source / f"{name}.tar.gz"
        if folder.is_dir():
            return _kit(dict(_unpacked(folder)), folder, year)
        if packed.is_file():
            return _kit(dict(_packed(packed)), packed, year)
    raise DataError(
        f"{source} has no {_KITS[year][0]}.tar.gz; download the development kit to there"
    )


def _unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.glob("data/*")):
        if file.is_file():
            yield file.name, file.read_bytes()


def _packed(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(file, "r:gz") as kit:
            for member in kit:
                if member.isfile() and PurePosixPath(member.name).parent.name == "data":
                    content = kit.extractfile(member)
                    yield PurePosixPath(member.name).name, content.read() if content else b""
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{file} is damaged ({error}); download it again") from error


def _kit(files: dict[str, bytes], place: Path, year: str) -> _Kit:
    truth_file = f"ILSVRC{year}_validation_ground_truth.txt"
    for name in ("meta.mat", truth_file):
        if name not in files:
            raise DataError(f"{place} has no data/{name}; download the development kit again")
    number = f"ILSVRC{year}_ID"
    try:
        synsets = read_matlab(files["meta.mat"], f"{place}/data/meta.mat")["synsets"]
        leaves = {int(s[number][0]): s for s in synsets if int(s["num_children"][0]) == 0}
        chosen = [leaves[i + 1] for i in range(len(leaves))]
        truth = tuple(int(line) - 1 for line in files[truth_file].split())
        kit = _Kit(
            synsets=tuple(str(s["WNID"]) for s in chosen),
            words=_distinct([(str(s["words"]), str(s["WNID"])) for s in chosen]),
            truth=truth,
            train_images=sum(int(s["num_train_images"][0]) for s in chosen),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{place} is not the kit of ILSVRC-{year} ({error!r})") from error
    if any(not 0 <= label < len(chosen) for label in truth):
        raise DataError(f"{place}: {truth_file} holds numbers outside 1 to {len(chosen)}")
    return kit


def _distinct(names: list[tuple[str, str]]) -> tuple[str, ...]:
    """The words; with the WordNet number where two classes have the same ("crane")."""
    words = [word for word, _ in names]
    return tuple(f"{w} ({synset})" if words.count(w) > 1 else w for w, synset in names)
