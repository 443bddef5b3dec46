"""Folders as other programs leave them: the same for training and for `prepare`."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import pytest
from alexnet_native.data import open_data, open_splits
from alexnet_native.data.layout import read_lines
from alexnet_native.data.shards.columns import read_labels, read_record_names
from alexnet_native.data.source import Source
from alexnet_native.errors import DataError
from data_files import flat_picture
from prepared import prepare, report, tar, write


def png(shade: int = 90) -> bytes:
    buffer = io.BytesIO()
    flat_picture((shade, 60, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(folder: Path, *names: str) -> Path:
    return write(folder, {name: png(10 * number) for number, name in enumerate(names)})


def listed(source: Source, folder: Path) -> list[tuple[str, int]]:
    names = [source.item_name(index) for index in range(len(source))]
    return [
        (Path(name).relative_to(folder).as_posix(), label)
        for name, label in zip(names, source.labels.tolist(), strict=True)
    ]


def require_both(
    folder: Path, out: Path, classes: list[str], **splits: list[tuple[str, int]]
) -> None:
    """Training on the folder and preparing it find the same images, labels and classes."""
    data = open_data(folder)
    assert list(data.classes) == classes
    assert {name: listed(source, folder) for name, source in data.splits.items()} == splits
    index = prepare(folder, out).index
    assert list(index.classes) == classes and set(index.splits) == set(splits)
    for name, want in splits.items():
        labels = read_labels(out, index, name).tolist()
        assert list(zip(read_record_names(out, index, name), labels, strict=True)) == want


@pytest.mark.parametrize(
    "junk",
    ["__MACOSX/cat/x.png", "@eaDir/x.png", "$RECYCLE.BIN/x.png", ".git/x.png",
     "System Volume Information/x.png", "lost+found/x.png", "cat/Thumbs.db", "cat/._a.png",
     "cat/@eaDir/a.png/x.png", "cat/__MACOSX/x.png", "desktop.ini"],
)  # fmt: skip
def test_what_an_operating_system_writes_is_no_class_and_no_image(
    tmp_path: Path, junk: str
) -> None:
    folder = pictures(
        tmp_path / "in", "train/cat/a.png", "train/dog/b.png", f"train/{junk}", f"val/{junk}",
        "val/cat/c.png", "val/dog/d.png",
    )  # fmt: skip
    train = [("train/cat/a.png", 0), ("train/dog/b.png", 1)]
    val = [("val/cat/c.png", 0), ("val/dog/d.png", 1)]
    require_both(folder, tmp_path / "out", ["cat", "dog"], train=train, val=val)
    left_out = [name for name, outcome, _ in report(tmp_path / "out") if outcome == "left out"]
    assert len(left_out) == 2  # one in each split


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "valid", "test"), ("train", "validation", "test"), ("Train", "Val", "TEST")],
)
def test_folders_of_splits_may_have_other_names(
    tmp_path: Path, train: str, val: str, test: str
) -> None:
    folder = pictures(tmp_path / "in", f"{train}/a/0.png", f"{val}/a/1.png", f"{test}/a/2.png")
    want = {
        name: [(f"{place}/a/{number}.png", 0)]
        for number, (name, place) in enumerate((("train", train), ("val", val), ("test", test)))
    }
    require_both(folder, tmp_path / "out", ["a"], **want)


def test_val_is_taken_before_validation(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "train/a/0.png", "val/a/1.png", "validation/a/2.png")
    splits = {"train": [("train/a/0.png", 0)], "val": [("val/a/1.png", 0)]}
    require_both(folder, tmp_path / "out", ["a"], **splits)
    assert ("validation", "left out", "not used") in report(tmp_path / "out")


@pytest.mark.parametrize("where", ["val/0.png", "val/images/0.png"])
def test_validation_images_without_classes_are_an_error(tmp_path: Path, where: str) -> None:
    folder = pictures(tmp_path / "in", "train/a/0.png", where)
    with pytest.raises(DataError, match=r"/val.*class"):
        open_data(folder)
    with pytest.raises(DataError, match=r"/val has 1 image, but no class folder of .*/train"):
        prepare(folder, tmp_path / "out")


@pytest.mark.parametrize("where", ["test/0.png", "test/images/0.png"])
def test_test_images_without_classes_are_not_used(
    tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pictures(tmp_path / "in", "train/a/0.png", where)
    require_both(folder, tmp_path / "out", ["a"], train=[("train/a/0.png", 0)])
    assert "/test has no class folder of" in capsys.readouterr().err
    assert where in {name for name, *_ in report(tmp_path / "out")}


def test_images_may_lie_deeper_in_a_class_folder(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "train/a/0.png", "train/a/x/y/1.png", "train/b/images/2.png")
    (folder / "train/a/round").symlink_to(folder / "train")
    (folder / "train/circle").symlink_to("circle")
    train = [("train/a/0.png", 0), ("train/a/x/y/1.png", 0), ("train/b/images/2.png", 1)]
    require_both(folder, tmp_path / "out", ["a", "b"], train=train)


def test_tiny_imagenet_is_read_as_downloaded(tmp_path: Path) -> None:
    folder = pictures(
        tmp_path / "in", "train/n02/images/n02_0.JPEG", "train/n01/images/n01_0.JPEG",
        "val/images/val_0.JPEG", "val/images/val_1.JPEG", "val/images/val_2.JPEG",
        "test/images/test_0.JPEG",
    )  # fmt: skip
    box = "\t0\t0\t62\t62\n"
    write(
        folder,
        {
            "val/val_annotations.txt": f"val_0.JPEG\tn02{box}val_1.JPEG\tn01{box}".encode(),
            "train/n01/n01_boxes.txt": f"n01_0.JPEG{box}".encode(),
        },
    )
    data = open_data(folder)
    assert listed(data.train, folder) == [
        ("train/n01/images/n01_0.JPEG", 0), ("train/n02/images/n02_0.JPEG", 1),
    ]  # fmt: skip
    val = [("val/images/val_1.JPEG", 0), ("val/images/val_0.JPEG", 1)]
    assert data.val is not None and listed(data.val, folder) == val and data.test is None
    index = prepare(folder, tmp_path / "out").index
    assert read_labels(tmp_path / "out", index, "val").tolist() == [0, 1]
    assert read_record_names(tmp_path / "out", index, "val") == [name for name, _ in val]
    assert ("val/images/val_2.JPEG", "left out", "no label") in report(tmp_path / "out")
    write(folder, {"val/val_annotations.txt": b"val_0.JPEG n02 0\n"})
    for read in (open_data, lambda source: prepare(source, tmp_path / "again")):
        with pytest.raises(DataError, match=r"val_annotations\.txt, line 1"):
            read(folder)


NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("one", "other"), [(NFC, NFD), (NFD, NFC)])
def test_classes_are_the_same_in_any_unicode_form(tmp_path: Path, one: str, other: str) -> None:
    folder = pictures(
        tmp_path / "in", f"train/{one}/0.png", "train/tea/1.png", f"val/{other}/2.png"
    )
    if (folder / "train" / other).exists():
        pytest.skip("this file system normalises names")
    train = [(f"train/{one}/0.png", 0), ("train/tea/1.png", 1)]
    require_both(
        folder, tmp_path / "out", [one, "tea"], train=train, val=[(f"val/{other}/2.png", 0)]
    )
    both = pictures(tmp_path / "both", f"val/{one}/0.png", f"test/{other}/1.png")
    assert [source.labels.tolist() for source in open_splits(both).splits.values()] == [[0], [0]]
    pictures(folder, f"train/{other}/3.png")
    for read in (open_data, lambda source: prepare(source, tmp_path / "again")):
        with pytest.raises(DataError, match="differ only in their Unicode spelling"):
            read(folder)


def test_archives_match_classes_in_any_unicode_form(tmp_path: Path) -> None:
    members = {f"train/{NFC}/0.png": png(), "train/tea/1.png": png(), f"val/{NFD}/2.png": png()}
    write(tmp_path / "in", {"all.tar": tar(members)})
    index = prepare(tmp_path / "in", tmp_path / "out").index
    assert index.classes == (NFC, "tea")
    assert read_labels(tmp_path / "out", index, "val").tolist() == [0]


def test_clutter_in_archives_is_left_out_and_reported(tmp_path: Path) -> None:
    members = {
        "cat/0.png": png(), "dog/1.png": png(), "__MACOSX/cat/._0.png": b"\0\5\26\7",
        "__MACOSX/x.png": png(), "cat/._0.png": b"\0\5\26\7", "@eaDir/x.png": png(),
    }  # fmt: skip
    write(tmp_path / "in", {"train.tar": tar(members), "._train.tar": b"\0\5\26\7"})
    index = prepare(tmp_path / "in", tmp_path / "out").index
    assert index.classes == ("cat", "dog") and index.splits["train"].images == 2
    assert {kind for *_, kind in report(tmp_path / "out")} >= {"system file", "hidden"}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffcat\r\nhot dog\r\n\r\n".encode(),
        "cat\r\nhot dog\r\n \n".encode("utf-16"),
        b"cat\rhot dog\r",
        b"cat \nhot dog",
    ],
)
def test_lists_of_classes_from_any_editor(tmp_path: Path, text: bytes) -> None:
    members = {f"{i}.{kind}": content for i in range(2)
               for kind, content in (("png", png(i)), ("cls", b"%d" % i))}  # fmt: skip
    write(tmp_path / "in", {"train.tar": tar(members), "classes.txt": text})
    assert prepare(tmp_path / "in", tmp_path / "out").index.classes == ("cat", "hot dog")


def test_a_list_of_classes_with_a_gap_or_of_another_encoding_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "in", {"train.tar": tar({"0.png": png(), "0.cls": b"0"})})
    for text, words in ((b"cat\n\ndog\n", "line 2 is empty"), (b"caf\xe9\n", "cannot be read")):
        write(tmp_path / "in", {"classes.txt": text})
        with pytest.raises(DataError, match=rf"classes\.txt.*{words}"):
            prepare(tmp_path / "in", tmp_path / "out")
    assert read_lines(write(tmp_path, {"empty": b"\n\r\n"}) / "empty") == []


def test_a_folder_without_train_can_be_evaluated(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", "valid/b/0.png", "test/c/1.png", "test/a/2.png")
    data = open_splits(folder)
    assert data.classes == ("a", "b", "c")
    assert {name: listed(source, folder) for name, source in data.splits.items()} == {
        "val": [("valid/b/0.png", 1)], "test": [("test/a/2.png", 0), ("test/c/1.png", 2)],
    }  # fmt: skip
    with pytest.raises(DataError, match="no train/"):
        open_data(folder)
    pictures(tmp_path / "flat", "val/0.png")
    with pytest.raises(DataError, match="val/ but no train/"):
        open_splits(tmp_path / "flat")


def test_a_folder_called_demo_does_not_hide_the_demo_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path, "demo/val/a/0.png")
    assert len(open_splits("demo:20:10").classes) == len(open_splits("demo").classes) == 10
    assert open_splits(Path("demo")).classes == open_splits("./demo").classes == ("a",)


def test_the_order_of_classes_does_not_depend_on_their_unicode_form(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é")  # as one character after f, as two before it
        folder = pictures(tmp_path / form, f"train/{name}/0.png", "train/f/1.png")
        train = [("train/f/1.png", 0), (f"train/{name}/0.png", 1)]
        require_both(folder, tmp_path / f"{form} out", ["f", name], train=train)
