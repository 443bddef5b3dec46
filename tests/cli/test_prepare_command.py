"""``alexnet-native prepare`` as a process: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of two pictures each, one of them grey; one file that is no picture."""
    for name, mode in (("a/1", "RGB"), ("a/2", "L"), ("b/3", "RGB"), ("b/4", "RGB")):
        file = tmp_path / "photos" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((70, 60), 40).convert(mode).save(file)
    (tmp_path / "photos" / "b" / "notes.txt").write_text("hello")
    return tmp_path


def test_it_says_what_it_needs_and_what_became_of_the_inputs(pictures: Path) -> None:
    done = tiny.run("prepare", "photos", "shards", "--size", 48, "--workers", 1, cwd=pictures)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "listing photos"
    assert lines[1] == "folder: 5 training images, 2 classes"
    assert lines[2].startswith("shards needs 0.0") and lines[2].endswith("GB are free")
    assert lines[3] == "shards is complete: 4 training records of 48 x 48"
    assert lines[4:6] == ["converted: 1 grey", "left out: 1 no picture"]
    assert np.fromfile(pictures / "shards" / "train-00000.bin", np.uint8).size == 4 * 48 * 48 * 3


def test_a_finished_set_is_said_to_be_finished_and_json_is_for_programs(pictures: Path) -> None:
    first = tiny.run("prepare", "photos", "shards", "--size", 48, "--json", cwd=pictures)
    again = tiny.run("prepare", "photos", "shards", "--json", cwd=pictures)
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert json.loads(first.stdout)["images"] == {"train": 4}
    done = tiny.run("prepare", "photos", "shards", cwd=pictures)
    assert done.stdout.startswith("shards is already complete: 4 training records of 48 x 48")


def test_a_prepared_set_is_verified_and_the_damaged_record_is_named(pictures: Path) -> None:
    assert tiny.run("prepare", "photos", "shards", "--size", 48, cwd=pictures).returncode == 0
    done = tiny.run("prepare", "--verify", "shards", cwd=pictures)
    assert done.stdout.startswith("shards is intact: 4 training records of 48 x 48\n")
    shard = pictures / "shards/train-00000.bin"
    data = bytearray(shard.read_bytes())
    data[48 * 48 * 3 * 2 + 5] ^= 1
    shard.write_bytes(data)
    sentence = tiny.complaint(tiny.run("prepare", "--verify", "shards", cwd=pictures))
    assert "(b/3.jpg) is damaged; prepare the data set again" in sentence
    for words in (("photos",), ("photos", "out", "--verify")):
        done = tiny.run("prepare", *words, cwd=pictures)
        assert done.returncode == 2 and "specify SRC and DST" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "out"), "there is no file or folder nowhere"),
        (("photos", "photos/out"), "use a folder outside it"),
        (("photos", "out", "--size", "-3"), "must be 1 or more"),
        (("photos", "out", "--size", "2000000"), "free space, or use a smaller --size"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    pictures: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = tiny.run("prepare", *arguments, cwd=pictures)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (pictures / "out").exists()


def test_a_class_whose_folder_is_no_text_is_trained_evaluated_and_named(pictures: Path) -> None:
    (pictures / "photos/b").rename(os.fsdecode(os.fsencode(pictures / "photos/caf") + b"\xe9"))
    assert tiny.run("prepare", "photos", "shards", "--size", 12, cwd=pictures).returncode == 0
    net = tiny.write_net(pictures / "net.toml")
    words = ("train", "--net", net, "--data", "shards", "--epochs", 1, "--out", "run")
    assert tiny.run(*words, cwd=pictures).returncode == 0
    words = ("evaluate", "run", "--split", "train", "--csv", "csv", "--save-probabilities", "a.npz")
    done = tiny.run(*words, cwd=pictures)
    assert (done.returncode, done.stderr) == (0, "")
    assert "caf\\udce9,2," in (pictures / "csv/per-class.csv").read_text()
    done = tiny.run("predict", "run", "photos/a/1.jpg", cwd=pictures)
    assert (done.returncode, done.stderr) == (0, "") and "caf\\udce9" in done.stdout
