"""`evaluate` with tables and files, and `ensemble`."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.cli import main
from alexnet_native.data.arrays import from_arrays
from alexnet_native.data.images import read_image
from alexnet_native.net.metrics import batch_sums
from alexnet_native.recipes import read_recipe
from alexnet_native.reports.predictions import Predictions
from alexnet_native.training import fit, prepare
from PIL import Image


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained networks, `a` by recipe and `b` without, and their data."""
    folder = tmp_path_factory.mktemp("place")
    data = str(tiny.write_npz(folder / "data.npz", train=80))
    given = {"net": str(tiny.write_net(folder / "net.toml")), "data": data, "epochs": 2}
    own = {"scale": 0.02, "batch_size": 8, "final_views": 0}
    prepare({**given, **own}, recipe=read_recipe("paper"), out=folder / "a").trainer.run()
    prepare({**given, "seed": 5}, out=folder / "b").trainer.run()
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def percent(error: float) -> str:
    return f"{100 * error:.2f}"


def test_one_view_and_ten_stand_beside_what_was_published(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", "a", "--views", "10"]) == 0
    first, head, _, *rows, last = capsys.readouterr().out.splitlines()
    net, (images, labels) = Net.load("a"), tiny.arrays(21, seed=2)
    one, ten = net.evaluate(images, labels), net.evaluate(images, labels, views=10)
    assert first.startswith(f"21 images, 10 views: loss {ten.loss:.4f}, error ")
    assert head.split("  ")[0] == "errors in %" and "one view: top 1" in head
    cells = [row.rsplit(maxsplit=4) for row in rows[:2]]
    assert cells[0][1:] == [percent(e) for r in (one, ten) for e in (r.top1_error, r.top5_error)]
    assert cells[0][0] == "data.npz, val"
    assert cells[1] == ["published: ILSVRC-2010 test", "39.0", "18.3", "37.5", "17.0"]
    assert rows[2].split() == ["published:", "ILSVRC-2012", "validation", "40.7", "18.2"]
    assert last.startswith(
        "published errors: results of the recipe paper, which this run follows with "
    )
    assert last.endswith(" 6 deviations")  # net, crop, scale, batch_size, epochs, final_views


def test_a_test_split_is_evaluated_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("train/a", 0), ("train/b", 9), ("test/a", 200), ("test/b", 250)):
        Path("pictures", name).mkdir(parents=True)
        Image.new("RGB", (10, 10), (value, 40, 90)).save(Path("pictures", name, "x.png"))
    assert main(["prepare", "pictures", "shards", "--size", "10", "--json"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "b", "--data", "shards", "--split", "test", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    images = np.empty((2, 10, 10, 3), np.uint8)
    images[:] = np.array([[200, 40, 90], [250, 40, 90]])[:, None, None]
    assert result["images"] == 2
    want = Net.load("b").evaluate(images, np.arange(2))
    assert result["loss"] == pytest.approx(want.loss, rel=1e-6)
    assert main(["evaluate", "b", "--data", "shards"]) == 1
    assert "has no val images; use --split train or test" in capsys.readouterr().err


def test_a_network_without_a_recipe_has_no_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "b"]) == 0
    assert "published" not in capsys.readouterr().out


def test_a_named_network_is_compared_with_its_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    data = from_arrays((images, np.arange(8) % 2, images[:4], np.arange(4) % 2))
    net = Net("cifar10-quick", classes=2)
    fit(net, data, epochs=1, verbose=False)
    net.save("quick")
    np.savez("two.npz", images=images, labels=np.arange(8) % 2)
    assert main(["evaluate", "quick", "--data", "two.npz", "--split", "train"]) == 0
    out = capsys.readouterr().out
    assert "published: CIFAR-10 test" in out and "26.0" in out
    assert "published errors: results of the recipe cifar10-quick for this network" in out


def test_json_has_all_views_and_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tiny.placed("evaluate", "a", "--views", "10", "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert [part["views"] for part in result["results"]] == [1, 10]
    assert result["results"][1]["top1_error"] == result["top1_error"]
    assert "training.epochs = 2 (recipe: 90)" in result["deviations"]
    assert result["recipe"] == "paper" and result["published"][0]["top1"] == 39.0
    one = Net.load("a").evaluate(*tiny.arrays(21, seed=2))
    assert result["results"][0]["loss"] == pytest.approx(one.loss, rel=1e-12)


def test_files_of_an_evaluation_and_their_ensemble(capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = tiny.arrays(21, seed=2)
    for name in "ab":
        words = ["--csv", f"csv/{name}", "--save-probabilities", f"{name}.npz"]
        assert main(tiny.placed("evaluate", name, "--views", "10", *words)) == 0
        want = Net.load(name).predict(images, views=10)
        found = Predictions.load(Path(f"{name}.npz"))
        assert np.array_equal(found.probabilities, want) and found.views == 10
        assert found.items[3] == "data.npz, x_val, image 3" and found.classes == tuple("abcd")
        with Path(f"csv/{name}/confusion.csv").open() as file:
            rows = list(csv.reader(file))
        matrix = np.array([row[1:] for row in rows[1:]], float)
        by_hand = np.zeros((4, 4))
        np.add.at(by_hand, (labels, want.argmax(axis=1)), 1)
        assert np.array_equal(matrix, by_hand)
    assert (Predictions.load(Path("a.npz")).recipe, Predictions.load(Path("b.npz")).recipe) == (
        "paper", "",
    )  # fmt: skip
    capsys.readouterr()

    parts = [Predictions.load(Path(f"{name}.npz")).probabilities for name in "ab"]
    mean = batch_sums((3.0 * parts[0] + parts[1]) / 4, labels.astype(np.int32))
    words = ["ensemble", "a.npz", "b.npz", "--weights", "3,1", "--csv", "csv/both"]
    assert main(words) == 0
    first, _, _, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith(f"21 images, 2 networks: loss {mean.mean_loss:.4f}, ")
    alone = [percent(batch_sums(p, labels.astype(np.int32)).top1_error) for p in parts]
    assert [row.split()[0] for row in rows[:2]] == ["a.npz", "b.npz"]
    assert [row.split()[-2] for row in rows[:3]] == [*alone, percent(mean.top1_error)]
    assert [row.split()[-2:] for row in rows[3:]] == [
        ["40.7", "18.2"], ["38.1", "16.4"], ["39.0", "16.6"], ["36.7", "15.4"],
    ]  # fmt: skip
    assert "5 networks" in rows[4] and "7 networks" in rows[6]
    assert main([*words[:5], "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["top1_error"] == pytest.approx(mean.top1_error, abs=1e-12)
    assert [row["net"] for row in result["networks"]] == ["tiny", "tiny"]
    assert sorted(path.name for path in Path("csv/both").iterdir()) == [
        "confusion.csv", "per-class.csv",
    ]  # fmt: skip


def test_an_ensemble_of_different_lists_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", "a", "--save-probabilities", "val.npz"]) == 0
    words = ["--split", "train", "--save-probabilities", "train.npz"]
    assert main(["evaluate", "a", *words]) == 0
    capsys.readouterr()
    assert main(["ensemble", "val.npz", "train.npz"]) == 1
    [sentence] = capsys.readouterr().err.splitlines()
    assert (
        "train.npz and val.npz are for different lists of images: in train.npz, there are 80"
        in (sentence)
    )
    assert main(["ensemble", "val.npz", "--weights", "1,2"]) == 1
    assert "1 weights above 0, not 1, 2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["ensemble", "val.npz", "--weights", "a"])
    assert "is not a list of numbers" in capsys.readouterr().err


def test_probabilities_that_cannot_be_written_are_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evaluate", "a", "--save-probabilities", "nowhere/a.npz"]) == 1
    assert "nowhere/a.npz: No such file or directory" in capsys.readouterr().err


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of four angles, trained on a folder whose names a sort puts in another order."""
    folder = tmp_path_factory.mktemp("turned")
    names = ("0", "90", "180", "270")
    for split in ("train", "val"):
        write_colors(folder / "all" / split, names)
    given = {"net": str(tiny.write_net(folder / "net.toml")), "data": str(folder / "all")}
    settings = {"epochs": 1, "batch_size": 4, "final_views": 0, "color_std": 0.0}
    prepare({**given, **settings}, out=folder / "run").trainer.run()
    return folder


def write_colors(folder: Path, names: Sequence[str]) -> None:
    """Two images of each class; the color is a function of the name."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for shade in range(2):
            color = (len(name) * 50, sum(map(ord, name)) % 200, 40 + shade)
            Image.new("RGB", (12, 12), color).save(folder / name / f"{shade}.png")


@pytest.mark.parametrize("prepared", [False, True])
def test_classes_are_matched_by_name_if_one_is_missing(
    turned: Path, tmp_path: Path, prepared: bool
) -> None:
    for split in ("train", "val"):
        write_colors(tmp_path / "some" / split, ("90", "0", "270"))  # none of 180
    data = tmp_path / "some"
    if prepared:
        assert main(["prepare", str(data), str(tmp_path / "shards"), "--size", "256"]) == 0
        data = tmp_path / "shards"
    for where, split in ((turned / "all", "all.npz"), (data, "some.npz")):
        words = ["--data", str(where), "--save-probabilities", str(tmp_path / split)]
        assert main(["evaluate", str(turned / "run"), *words]) == 0
    everything, some = (Predictions.load(tmp_path / f"{name}.npz") for name in ("all", "some"))
    assert some.classes == ("0", "180", "270", "90")
    for found in (everything, some):
        named = [found.classes[label] for label in found.labels]
        assert named == [item.split("/")[-2] for item in found.items]
    pairs = zip(everything.items, everything.probabilities, strict=True)
    row_of = {item.split("/")[-2] + item[-5]: row for item, row in pairs}
    for item, row in zip(some.items, some.probabilities, strict=True):
        np.testing.assert_array_equal(row, row_of[item.split("/")[-2] + item[-5]])


def test_a_class_that_the_network_does_not_have_is_named(
    turned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_colors(tmp_path / "val", ("0", "45"))
    assert main(["evaluate", str(turned / "run"), "--data", str(tmp_path)]) == 1
    assert "has no class 45; it has 0, 180, 270, 90" in capsys.readouterr().err


def test_a_folder_without_training_images_can_be_evaluated(
    turned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_colors(tmp_path / "val", ("90", "270"))
    words = ["evaluate", str(turned / "run"), "--json"]
    assert main([*words, "--data", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["images"] == 4
    folder = tmp_path / "val"
    files = [folder / name / f"{shade}.png" for name in ("270", "90") for shade in range(2)]
    images = np.stack([read_image(file, (256, 256, 3)) for file in files])
    want = Net.load(turned / "run").evaluate(images, np.array([2, 2, 3, 3]))
    assert result["loss"] == pytest.approx(want.loss, rel=1e-6)
    assert main([*words, "--data", str(tmp_path), "--split", "train"]) == 1
    assert "has no train images; use --split val" in capsys.readouterr().err


def test_arrays_without_training_images_can_be_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = tiny.arrays(9, seed=2)
    np.savez(tmp_path / "val.npz", x_test=images, y_test=labels)
    np.savez(tmp_path / "named.npz", x_test=images, y_test=3 - labels, classes=list("dcba"))
    want = Net.load("b").evaluate(images, labels)
    for name in ("val.npz", "named.npz"):
        assert main(tiny.placed("evaluate", "b", "--data", tmp_path / name, "--json")) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["images"] == 9 and result["loss"] == pytest.approx(want.loss, rel=1e-6)
    np.savez(tmp_path / "bad.npz", x_test=images, y_test=labels, classes=["a", "b"])
    np.savez(tmp_path / "none.npz", other=images)
    for name, words in (("bad.npz", "labels must be 0 to 1"), ("none.npz", "contains other")):
        assert main(["evaluate", "b", "--data", str(tmp_path / name)]) == 1
        assert words in capsys.readouterr().err


def test_resuming_and_initial_weights_compare_classes_by_name(
    turned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):  # as many classes and images, but other names
        write_colors(tmp_path / "other" / split, ("0", "90", "180", "45"))
    words = ["--data", str(tmp_path / "other"), "--epochs", "2", "--out", str(tmp_path / "new")]
    assert main(tiny.placed("train", "--resume", str(turned / "run"), *words)) == 1
    assert "is not the data that" in capsys.readouterr().err
    words += ["--net", str(turned / "net.toml"), "--init-from", str(turned / "run")]
    assert main(tiny.placed("train", *words, "--batch-size", "4")) == 0
    out = capsys.readouterr().out
    assert "new: fc2" in out  # the outputs of other classes are not taken over


def test_a_run_resumes_on_a_copy_with_another_unicode_form_but_not_with_more_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nfc, nfd = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    write_colors(tmp_path / "one" / "train", (nfc, "tea"))
    write_colors(tmp_path / "two" / "train", (nfd, "tea"))
    net, run = tiny.write_net(tmp_path / "net.toml"), tmp_path / "run"
    words = ["--net", net, "--classes", "2", "--epochs", "1", "--out", run]
    assert main(tiny.placed("train", "--data", tmp_path / "one", *words)) == 0
    resumed = tiny.placed("train", "--resume", run, "--data", tmp_path / "two")
    assert main([*resumed, "--epochs", "2"]) == 0
    metrics = (run / "metrics.jsonl").read_bytes()
    capsys.readouterr()
    Image.new("RGB", (12, 12)).save(tmp_path / "two" / "train" / "tea" / "new.png")
    assert main([*resumed, "--epochs", "3"]) == 1
    assert "5 training images in 2 classes, the original had 4 in 2" in capsys.readouterr().err
    assert (run / "metrics.jsonl").read_bytes() == metrics


def test_labels_that_start_at_1_are_a_warning(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = tiny.arrays(8)
    np.savez(tmp_path / "one.npz", images=images, labels=labels + 1)
    net = str(tiny.write_net(tmp_path / "net.toml"))
    words = ["--net", net, "--epochs", "1", "--classes", "5", "--out", str(tmp_path / "run")]
    assert main(tiny.placed("train", "--data", str(tmp_path / "one.npz"), *words)) == 0
    err = capsys.readouterr().err
    assert "no training images of class 0; labels start at 0: if yours start at 1" in err
