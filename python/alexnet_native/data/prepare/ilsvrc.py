"""ILSVRC-2010 and ILSVRC-2012 as downloaded: archives of archives, and a development kit.

=============  ================================  ============================
               2010                              2012
=============  ================================  ============================
training       ILSVRC2010_images_train.tar       ILSVRC2012_img_train.tar
validation     ILSVRC2010_images_val.tar         ILSVRC2012_img_val.tar
test           ILSVRC2010_images_test.tar        (its labels were not published)
test labels    ILSVRC2010_test_ground_truth.txt
kit            ILSVRC2010_devkit-1.0.tar.gz      ILSVRC2012_devkit_t12.tar.gz
corrections    patch_images.tar
=============  ================================  ============================

The training archive contains one archive per class, named after its WordNet ID (n01440764.tar). The
kit's data/meta.mat gives each class an ILSVRC number; the label is that number minus one. Line i of
a ground truth file is the number of ..._val_<i>.JPEG or ..._test_<i>.JPEG. Source: readme.txt of
both kits.
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

_ARCHIVES = {
    "2012": {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"},
    "2010": {
        "train": "ILSVRC2010_images_train.tar",
        "val": "ILSVRC2010_images_val.tar",
        "test": "ILSVRC2010_images_test.tar",
    },
}
_TEST_TRUTH = "ILSVRC2010_test_ground_truth.txt"
_KITS = {
    "2012": ("ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t3"),
    "2010": ("ILSVRC2010_devkit-1.0", "devkit-1.0"),
}
_PATCH = "patch_images.tar"
_WORDNET = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"_(?:val|test)_(\d{8})")

_Label = int | tuple[str, str]  # the label, or kind and detail of a finding


@dataclass(frozen=True)
class _Kit:
    synsets: tuple[str, ...]  # WordNet IDs in label order
    words: tuple[str, ...]
    truth: tuple[int, ...]  # labels of the validation images
    train_images: int  # the number stated in the kit; 0 if it states none


def find_ilsvrc(source: Path) -> str | None:
    """The year of the archives in `source`; None if there are none."""
    for year, archives in _ARCHIVES.items():
        if any((source / archives[split]).is_file() for split in ("train", "val")):
            return year
    return None


def list_ilsvrc(source: Path, year: str) -> Listing:
    """Lists the images of all archives with labels.

    Raises:
        DataError: the training archive or the kit is missing or damaged, or the labels of the test
            images are damaged.
    """
    archives = {split: source / name for split, name in _ARCHIVES[year].items()}
    if not archives["train"].is_file():
        raise DataError(f"{source} has no {archives['train'].name}; download it to this folder")
    kit = _read_kit(source, year)
    truth = {"val": kit.truth, "test": _read_test_truth(source, len(kit.synsets))}
    findings: list[Finding] = []
    splits = {"train": _list(archives["train"], "train", _by_synset(kit.synsets), findings)}
    for split in ("val", "test"):
        if split in archives and archives[split].is_file() and truth[split]:
            splits[split] = _list(archives[split], split, _by_number(truth[split]), findings)
    notes = []
    if (source / _PATCH).is_file():
        mended = sum(_patch(inputs, source / _PATCH) for inputs in splits.values())
        notes.append(f"{mended} images are replaced by those in {_PATCH}")
    expected = {"train": kit.train_images, **{split: len(lines) for split, lines in truth.items()}}
    for split, inputs in splits.items():
        if expected[split] not in (0, len(inputs)):
            notes.append(
                f"expected {expected[split]} images for {split}, but the archive has {len(inputs)}"
            )
    if not len(splits["train"]):
        raise DataError(
            f"{archives['train']} has no images of the kit's classes{because(findings)}"
        )
    used = {archives[split].name for split in splits} | {_TEST_TRUTH, _PATCH}
    findings += _not_used(source, used)
    details = {"synsets": list(kit.synsets)}
    return Listing(f"ILSVRC-{year}", kit.words, splits, tuple(findings), tuple(notes), details)


def _by_synset(synsets: tuple[str, ...]) -> Callable[[Member], _Label]:
    labels = {synset: label for label, synset in enumerate(synsets)}

    def label_of(member: Member) -> _Label:
        for part in PurePosixPath(member.name).parts:
            if found := _WORDNET.match(part):
                label = labels.get(found[0])
                return ("unknown class", "the kit has no such number") if label is None else label
        return "no class", "its name holds no WordNet number"

    return label_of


def _by_number(truth: tuple[int, ...]) -> Callable[[Member], _Label]:
    def label_of(member: Member) -> _Label:
        found = _NUMBER.search(member.name)
        if not found:
            return "no label", "its name holds no number"
        if not 1 <= int(found[1]) <= len(truth):
            return "no label", f"the ground truth has {len(truth)} lines"
        return truth[int(found[1]) - 1]

    return label_of


def _not_used(source: Path, used: set[str]) -> Iterator[Finding]:
    """The other files in the folder: archives without labels or of other tasks."""
    for path in sorted(source.iterdir()):
        if path.name in used or any(
            path.name.startswith(k) for kits in _KITS.values() for k in kits
        ):
            continue
        if path.name == _ARCHIVES["2010"]["test"]:
            why = f"its labels are missing; download {_TEST_TRUTH} to there"
        elif path.name.startswith("ILSVRC2012_img_test"):
            why = "the labels of its images were not published"
        else:
            why = "it is none of the files that are read"
        yield left_out("", path.name, "not used", why)


def _list(
    file: Path,
    split: str,
    label_of: Callable[[Member], _Label],
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
    """Replaces images by those with the same name in the patch; returns their number."""
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
        f"{source} has no {_KITS[year][0]}.tar.gz; download the development kit to this folder"
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
        truth = _read_truth(files[truth_file], len(chosen), f"{place}: {truth_file}")
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
    return kit


def _read_truth(data: bytes, classes: int, name: str) -> tuple[int, ...]:
    """The labels in a ground truth file, which has one ILSVRC number per line."""
    try:
        truth = tuple(int(line) - 1 for line in data.split())
    except ValueError as error:
        raise DataError(f"{name} must contain only integers; download it again") from error
    if any(not 0 <= label < classes for label in truth):
        raise DataError(f"{name} has numbers outside 1 to {classes}; download it again")
    return truth


def _read_test_truth(source: Path, classes: int) -> tuple[int, ...]:
    """The labels of ILSVRC-2010's test images; empty if the file does not exist."""
    file = source / _TEST_TRUTH
    if not file.is_file():
        return ()
    return _read_truth(file.read_bytes(), classes, str(file))


def _distinct(names: list[tuple[str, str]]) -> tuple[str, ...]:
    """The words, followed by the WordNet ID if two classes have the same words ("crane")."""
    words = [word for word, _ in names]
    return tuple(f"{w} ({synset})" if words.count(w) > 1 else w for w, synset in names)
