"""Archives as sources: tar shards and CIFAR; and the format tar."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data.prepare.tar_index import TarProblem, members
from alexnet_native.data.shards.columns import read_labels, read_record_names
from alexnet_native.errors import DataError
from data_files import write_cifar10
from prepared import encoded, jpeg, picture, prepare, records, report, tar, write


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


def test_the_error_message_for_a_compressed_archive_has_the_command_that_unpacks_it(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"a.tar": b"\x1f\x8b" + bytes(100)})
    with pytest.raises(DataError, match="is compressed; unpack it with: gzip -d"):
        prepare(tmp_path, tmp_path.with_name("out"))


def test_archives_without_a_picture_are_refused_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.tar": b"junk" * 400})
    with pytest.raises(DataError, match=r"no training images \(a\.tar: it is not a tar archive\)"):
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
        (lambda d: b"junk" * 400, "it is not a tar archive"),
    ],
)
def test_a_damaged_archive_is_distinguished_from_its_end(tmp_path, change, message) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.tar").write_bytes(change(tar({"a": b"1" * 300, "b": b"2" * 3000})))
    descriptor = os.open(tmp_path / "a.tar", os.O_RDONLY)
    with pytest.raises(TarProblem, match=message):
        list(members(descriptor, 0, os.fstat(descriptor).st_size))
    os.close(descriptor)
