"""Archives as sources: ILSVRC as downloaded, tar shards, CIFAR; and the formats they are in."""

from __future__ import annotations

import base64
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data.prepare.matlab import read_matlab
from alexnet_native.data.prepare.tar_index import TarProblem, members
from alexnet_native.data.shards.columns import read_labels, read_record_names
from alexnet_native.errors import DataError
from data_files import write_cifar10
from prepared import encoded, jpeg, picture, prepare, records, report, tar, write

# Written by scipy.io.savemat: `synsets`, a struct array with the fields of the development kit.
# 1 n00000003 "third, 3rd", 2 n00000001 "crane", 3 n00000002 "crane", 4 n00000004 a parent of three.
META = base64.b64decode(
    "TUFUTEFCIDUuMCBNQVQtZmlsZSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAAAAAAAAAAAAABSU0PAAAA"
    "8QAAAHic42NgYFjAysDABqQ5gJiJAQJYoXwWIGaEYnYgLq7MK04tKQbKszAIQsVDgdjTJzgsyNnIwNAo3tMFZEC4"
    "H4SGg/L8opRiZIG80tz45IzMnJSi1Dy4QElRYmZefGZuYnoqWDEfEBswINzHjeY+RiTMAHYvE5gN0ueApI8Fiz5O"
    "JH0CUH6eAQQYQ8WJMYcLzRwQvyQjsyhFR8G4KAVhjgWSOWwE/MEJFYcByvRzOJATjkxUCEdDHO7HZg4rmjkgfnJR"
    "Yl7qgIcfA1nhx0yF8DMaweHHQoXwMyEh/NjQzAHxCxKBpVMJdfIfJeEPAIgGM7Y="
)
META_2010 = base64.b64decode(
    "TUFUTEFCIDUuMCBNQVQtZmlsZSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAAAAAAAAAAAAABSU0PAAAA"
    "8QAAAHic42NgYFjAysDABqQ5gJiJAQJYoXwWIGaEYnYgLq7MK04tKQbKszAIQsVDgdjTJzgsyNnIwNAg3tMFZEC4"
    "H4SGg/L8opRiZIG80tz45IzMnJSi1Dy4QElRYmZefGZuYnoqWDEfEBswINzHjeY+RiTMAHYvE5gN0ueApI8Fiz5O"
    "JH0CUH6eAQQYQ8WJMYcLzRwQvyQjsyhFR8G4KAVhjgWSOWwE/MEJFYcByvRzOJATjkxUCEdDHO7HZg4rmjkgfnJR"
    "Yl7qgIcfA1nhx0yF8DMaweHHQoXwMyEh/NjQzAHxCxKBpVMJdfIfJeEPAH1YM7Q="
)
TRUTH = b"3\n1\n2\n"
SYNSETS = ("n00000003", "n00000001", "n00000002")  # by ILSVRC number


def kit() -> bytes:
    folder = "ILSVRC2012_devkit_t12"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in (
            ("readme.txt", b"hello"),
            ("data/meta.mat", META),
            ("data/ILSVRC2012_validation_ground_truth.txt", TRUTH),
        ):
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def train_archive() -> bytes:
    """Three images of the first class, two each of the others; in the order of the names."""
    inner = {}
    for number, (synset, count) in enumerate(zip(SYNSETS, (3, 2, 2), strict=True)):
        inner[f"{synset}.tar"] = tar(
            {f"{synset}_{i}.JPEG": jpeg(10 * number + i) for i in range(count)}
        )
    return tar(dict(sorted(inner.items())))


def ilsvrc(folder: Path) -> Path:
    val = {f"ILSVRC2012_val_{i + 1:08d}.JPEG": jpeg(100 + i) for i in range(3)}
    return write(
        folder,
        {
            "ILSVRC2012_devkit_t12.tar.gz": kit(),
            "ILSVRC2012_img_train.tar": train_archive(),
            "ILSVRC2012_img_val.tar": tar(val),
        },
    )


def test_ilsvrc_as_downloaded_has_the_labels_of_its_kit(tmp_path: Path) -> None:
    index = prepare(ilsvrc(tmp_path / "in"), tmp_path / "out").index
    out = tmp_path / "out"
    assert index.classes == ("third, 3rd", "crane (n00000001)", "crane (n00000002)")
    assert index.settings["synsets"] == list(SYNSETS)
    names = read_record_names(out, index, "train")
    assert names[0] == "n00000001.tar/n00000001_0.JPEG" and len(names) == 7
    want = [SYNSETS.index(name.split(".")[0]) for name in names]
    assert read_labels(out, index, "train").tolist() == want == [1, 1, 2, 2, 0, 0, 0]
    assert read_labels(out, index, "val").tolist() == [2, 0, 1]


def test_the_records_of_archives_are_those_of_the_same_files(tmp_path: Path) -> None:
    prepare(ilsvrc(tmp_path / "in"), tmp_path / "out")
    index = prepare(tmp_path / "in", tmp_path / "out").index
    pictures = {}
    for number, (synset, count) in enumerate(zip(SYNSETS, (3, 2, 2), strict=True)):
        pictures |= {f"train/{synset}/{i}.jpg": jpeg(10 * number + i) for i in range(count)}
    same = prepare(write(tmp_path / "pictures", pictures), tmp_path / "same").index
    got, want = (records(tmp_path / p, i, "train") for p, i in (("out", index), ("same", same)))
    np.testing.assert_array_equal(got, want)


def test_ilsvrc_2010_takes_mended_files_from_the_patch(tmp_path: Path) -> None:
    year = {"2012_img_train": "2010_images_train", "2012_devkit_t12": "2010_devkit-1.0"}
    source = ilsvrc(tmp_path / "in")
    (source / "ILSVRC2012_img_val.tar").unlink()
    for old, new in year.items():
        file = next(source.glob(f"ILSVRC{old}*"))
        file.rename(source / file.name.replace(old, new))
    unpacked = source / "devkit-1.0"
    (source / "ILSVRC2010_devkit-1.0.tar.gz").unlink()
    meta = META_2010
    write(unpacked, {"data/meta.mat": meta, "data/ILSVRC2010_validation_ground_truth.txt": TRUTH})
    better = {"patch_images/train/n00000003_1.JPEG": jpeg(999)}
    write(source, {"patch_images.tar": tar(better)})
    index = prepare(source, tmp_path / "out").index
    assert index.settings["source"] == "ILSVRC-2010"
    place = read_record_names(tmp_path / "out", index, "train").index(
        "n00000003.tar/n00000003_1.JPEG"
    )
    alone = prepare(write(tmp_path / "one", {"a/x.jpg": jpeg(999)}), tmp_path / "want").index
    np.testing.assert_array_equal(
        records(tmp_path / "out", index, "train")[place],
        records(tmp_path / "want", alone, "train")[0],
    )


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("ILSVRC2012_img_train.tar", "has no ILSVRC2012_img_train.tar; download it"),
        ("ILSVRC2012_devkit_t12.tar.gz", "download the development kit"),
    ],
)
def test_a_missing_archive_is_named(tmp_path: Path, missing: str, message: str) -> None:
    source = ilsvrc(tmp_path / "in")
    (source / missing).unlink()
    with pytest.raises(DataError, match=message):
        prepare(source, tmp_path / "out")


def test_a_cut_off_archive_is_used_as_far_as_it_goes_and_reported(tmp_path: Path) -> None:
    source = ilsvrc(tmp_path / "in")
    whole = train_archive()
    write(source, {"ILSVRC2012_img_train.tar": whole[: 2 * len(whole) // 3]})
    index = prepare(source, tmp_path / "out").index
    left_out = {name for name, outcome, _ in report(tmp_path / "out") if outcome == "left out"}
    assert "ILSVRC2012_img_train.tar" in left_out
    assert 0 < index.splits["train"].images < 7
    assert any(name.startswith("n0000000") for name in left_out)


def test_tar_shards_of_webdataset_are_labelled_by_their_cls(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in",
        {
            "train-0.tar": tar(
                {"0.jpg": jpeg(0), "0.cls": b"1", "0.json": b"{}", "1.cls": b"0\n"}
                | {"1.png": encoded(picture(1), "PNG"), "2.jpg": jpeg(2), "3.cls": b"0"}
                | {"4.jpg": jpeg(4), "4.cls": b"cat"}
            ),
            "val-0.tar": tar({"a/5.jpg": jpeg(5), "a/5.cls": b"1", "6.jpg": b"x", "6.cls": b"7"}),
            "classes.txt": b"cat\ndog\n",
        },
    )
    index = prepare(source, tmp_path / "out").index
    assert index.classes == ("cat", "dog")
    assert read_labels(tmp_path / "out", index, "train").tolist() == [1, 0]
    assert read_record_names(tmp_path / "out", index, "train") == [
        "train-0.tar/0.jpg",
        "train-0.tar/1.png",
    ]
    assert read_labels(tmp_path / "out", index, "val").tolist() == [1]
    assert {row[::2] for row in report(tmp_path / "out") if row[1] == "left out"} == {
        ("train-0.tar/2.jpg", "no label"),
        ("train-0.tar/3", "no picture"),
        ("train-0.tar/4.jpg", "no label"),
        ("val-0.tar/6.jpg", "unknown class"),
    }


def test_tar_archives_without_labels_are_classes(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in",
        {
            "train/dog.tar": tar({"1.jpg": jpeg(1), "2.jpg": jpeg(2)}),
            "train/more.tar": tar({"cat/3.jpg": jpeg(3)}),
            "val/all.tar": tar({"dog/4.jpg": jpeg(4), "cow/5.jpg": jpeg(5)}),
        },
    )
    index = prepare(source, tmp_path / "out").index
    assert index.classes == ("cat", "dog")
    assert read_labels(tmp_path / "out", index, "train").tolist() == [1, 1, 0]
    assert read_labels(tmp_path / "out", index, "val").tolist() == [1]
    assert ("val/all.tar/cow/5.jpg", "left out", "unknown class") in report(tmp_path / "out")


def test_a_compressed_archive_is_refused_with_the_command_that_unpacks_it(tmp_path: Path) -> None:
    write(tmp_path, {"a.tar": b"\x1f\x8b" + bytes(100)})
    with pytest.raises(DataError, match="is compressed; unpack it with: gzip -d"):
        prepare(tmp_path, tmp_path.with_name("out"))


def test_archives_without_a_picture_are_refused_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.tar": b"junk" * 400})
    with pytest.raises(DataError, match=r"to train on \(a\.tar: it is no tar archive\)"):
        prepare(tmp_path / "in", tmp_path / "out")


def test_cifar_keeps_its_pixels(tmp_path: Path) -> None:
    images, labels = write_cifar10(tmp_path / "in")
    index = prepare(tmp_path / "in", tmp_path / "out", size=0).index
    np.testing.assert_array_equal(records(tmp_path / "out", index, "train"), images[:15])
    np.testing.assert_array_equal(records(tmp_path / "out", index, "val"), images[15:])
    assert read_labels(tmp_path / "out", index, "train").tolist() == labels[:15].tolist()
    assert read_record_names(tmp_path / "out", index, "val")[1] == "test_batch.bin, record 1"
    assert index.classes[3] == "cat" and not report(tmp_path / "out")


def test_cifar_100_has_its_fine_labels_and_a_cut_off_record_is_reported(tmp_path: Path) -> None:
    names = "".join(f"fine{i}\n" for i in range(100)).encode()
    record = bytes([7, 42]) + bytes(range(256)) * 12
    files = {"train.bin": record * 2 + record[:100], "test.bin": bytes([7, 100]) + record[2:]}
    write(tmp_path / "in", {**files, "fine_label_names.txt": names})
    index = prepare(tmp_path / "in", tmp_path / "out", size=0).index
    assert read_labels(tmp_path / "out", index, "train").tolist() == [42, 42]
    assert index.classes[42] == "fine42" and set(index.splits) == {"train"}
    assert report(tmp_path / "out") == {
        ("train.bin, record 2", "left out", "cut off"),
        ("test.bin, record 0", "left out", "unknown class"),
    }


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_that_tarfile_wrote(tmp_path: Path, form: int) -> None:
    names = ["a.txt", "deep/er/b", "é.jpg", "x" * 90 + "/" + "y" * 90]
    names += ["z" * 200] if form != tarfile.USTAR_FORMAT else []
    files = {name: name.encode() * 7 for name in names}
    (tmp_path / "a.tar").write_bytes(tar(files, form))
    descriptor = os.open(tmp_path / "a.tar", os.O_RDONLY)
    try:
        found = list(members(descriptor, 0, (tmp_path / "a.tar").stat().st_size))
        got = {m.name: os.pread(descriptor, m.size, m.offset) for m in found}
    finally:
        os.close(descriptor)
    assert got == files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:1700], "it is cut off in b"),
        (lambda d: d[:1024], "there is no end mark"),
        (lambda d: d[:1024] + b"?" * 512 + d[1536:], "the header at byte 1024 is bad"),
        (lambda d: b"junk" * 400, "it is no tar archive"),
    ],
)
def test_a_damaged_archive_is_told_from_its_end(tmp_path, change, message) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.tar").write_bytes(change(tar({"a": b"1" * 300, "b": b"2" * 3000})))
    descriptor = os.open(tmp_path / "a.tar", os.O_RDONLY)
    with pytest.raises(TarProblem, match=message):
        list(members(descriptor, 0, os.fstat(descriptor).st_size))
    os.close(descriptor)


@pytest.mark.parametrize("cut", [50, 130, 200, len(META) - 8])
def test_a_damaged_matlab_file_is_refused_in_a_sentence(cut: int) -> None:
    with pytest.raises(DataError, match=r"meta\.mat is (damaged|no MATLAB file)"):
        read_matlab(META[:cut], "meta.mat")
