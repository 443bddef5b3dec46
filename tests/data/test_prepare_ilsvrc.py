"""ILSVRC-2010 and 2012 as downloaded: archives of archives, labels of the kit, the test set."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import open_data
from alexnet_native.data.images import read_image
from alexnet_native.data.prepare.matlab import read_matlab
from alexnet_native.data.shards.columns import read_labels, read_record_names
from alexnet_native.errors import DataError
from prepared import jpeg, prepare, records, report, require_numpys_statistics, tar, write

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


def ilsvrc_2010(folder: Path) -> Path:
    """The same pictures in the files of 2010, and two test images; the kit is unpacked."""
    val = {f"val/ILSVRC2010_val_{i + 1:08d}.JPEG": jpeg(100 + i) for i in range(3)}
    test = {f"test/ILSVRC2010_test_{i + 1:08d}.JPEG": jpeg(200 + i) for i in range(2)}
    return write(
        folder,
        {
            "devkit-1.0/data/meta.mat": META_2010,
            "devkit-1.0/data/ILSVRC2010_validation_ground_truth.txt": TRUTH,
            "ILSVRC2010_images_train.tar": train_archive(),
            "ILSVRC2010_images_val.tar": tar(val),
            "ILSVRC2010_images_test.tar": tar(test),
            "ILSVRC2010_test_ground_truth.txt": b"2\n3\n",
        },
    )


def test_the_test_set_of_ilsvrc_2010_is_a_split_with_the_labels_of_its_own_file(
    tmp_path: Path,
) -> None:
    index = prepare(ilsvrc_2010(tmp_path / "in"), tmp_path / "out").index
    assert index.settings["source"] == "ILSVRC-2010" and not report(tmp_path / "out")
    assert {name: split.images for name, split in index.splits.items()} == {
        "train": 7, "val": 3, "test": 2,
    }  # fmt: skip
    assert read_labels(tmp_path / "out", index, "val").tolist() == [2, 0, 1]
    data = open_data(tmp_path / "out")
    assert data.test is not None and data.test.labels.tolist() == [1, 2]
    assert data.test.item_name(1) == "test/ILSVRC2010_test_00000002.JPEG"
    want = read_image(write(tmp_path, {"x.jpg": jpeg(201)}) / "x.jpg", (32, 32, 3))
    np.testing.assert_array_equal(data.test.gather(np.array([1]))[0], want)


def test_test_images_without_labels_are_reported(tmp_path: Path) -> None:
    source = ilsvrc_2010(tmp_path / "2010")
    (source / "ILSVRC2010_test_ground_truth.txt").unlink()
    source_2012 = write(ilsvrc(tmp_path / "2012"), {"ILSVRC2012_img_test.tar": b"", "notes": b""})
    for folder, names in (
        (source, {"ILSVRC2010_images_test.tar"}),
        (source_2012, {"ILSVRC2012_img_test.tar", "notes"}),
    ):
        index = prepare(folder, folder.with_suffix(".out")).index
        assert set(index.splits) == {"train", "val"}
        assert report(folder.with_suffix(".out")) == {(n, "left out", "not used") for n in names}


@pytest.mark.parametrize(
    ("truth", "message"), [(b"2\n4\n", "outside 1 to 3"), (b"2\nx\n", "must contain only integers")]
)
def test_a_wrong_ground_truth_is_refused(tmp_path: Path, truth: bytes, message: str) -> None:
    source = write(ilsvrc_2010(tmp_path / "in"), {"ILSVRC2010_test_ground_truth.txt": truth})
    with pytest.raises(DataError, match=message):
        prepare(source, tmp_path / "out")


def test_ilsvrc_2010_uses_corrected_files_from_the_patch(tmp_path: Path) -> None:
    better = {"train/n00000003_1.JPEG": 999, "test/ILSVRC2010_test_00000001.JPEG": 998}
    members = {f"patch_images/{name}": jpeg(seed) for name, seed in better.items()}
    source = write(ilsvrc_2010(tmp_path / "in"), {"patch_images.tar": tar(members)})
    prepare(source, tmp_path / "out")
    data = open_data(tmp_path / "out")
    for split, (name, seed) in zip((data.train, data.test), better.items(), strict=True):
        assert split is not None
        names = [split.item_name(index) for index in range(len(split))]
        place = next(i for i, n in enumerate(names) if n.endswith(Path(name).name))
        want = read_image(write(tmp_path, {"x.jpg": jpeg(seed)}) / "x.jpg", (32, 32, 3))
        np.testing.assert_array_equal(split.gather(np.array([place]))[0], want)


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


def test_statistics_of_an_archive_of_archives_are_those_of_numpy(tmp_path: Path) -> None:
    index = prepare(ilsvrc(tmp_path / "in"), tmp_path / "out").index
    require_numpys_statistics(tmp_path / "out", index)


def test_a_truncated_archive_is_used_up_to_its_end_and_reported(tmp_path: Path) -> None:
    source = ilsvrc(tmp_path / "in")
    whole = train_archive()
    write(source, {"ILSVRC2012_img_train.tar": whole[: 2 * len(whole) // 3]})
    index = prepare(source, tmp_path / "out").index
    left_out = {name for name, outcome, _ in report(tmp_path / "out") if outcome == "left out"}
    assert "ILSVRC2012_img_train.tar" in left_out
    assert 0 < index.splits["train"].images < 7
    assert any(name.startswith("n0000000") for name in left_out)


@pytest.mark.parametrize("cut", [50, 130, 200, len(META) - 8])
def test_a_damaged_matlab_file_is_refused_with_a_message(cut: int) -> None:
    with pytest.raises(DataError, match=r"meta\.mat is (damaged|not a MATLAB file)"):
        read_matlab(META[:cut], "meta.mat")
