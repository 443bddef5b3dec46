"""The command `recipe`, and `train --recipe`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
from alexnet_native.cli import main
from alexnet_native.recipes import NAMES, read_recipe


def test_recipes_are_listed_and_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == list(NAMES)
    for name in NAMES:
        assert main(["recipe", name]) == 0
        assert capsys.readouterr().out == read_recipe(name).text
    assert main(["recipe", "paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch_size"] == 128
    assert main(["recipe", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(NAMES)


def test_a_printed_recipe_can_be_edited_and_trained(tmp_path: Path) -> None:
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz")
    text = tiny.run("recipe", "paper", cwd=tmp_path).stdout
    edited = text.replace('net = "alexnet" ', 'net = "net.toml" ').replace("= 128", "= 8")
    assert edited != text
    (tmp_path / "mine.toml").write_text(edited)
    done = tiny.run(
        "train", "--recipe", "mine.toml", "--data", "data.npz", "--out", "run", "--set",
        "training.epochs=1", "--lr", "0.02", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert (
        "recipe: mine.toml, with 2 deviations: epochs 1 instead of 90; lr 0.02 instead of 0.01"
    ) in lines
    again = tiny.run("train", "--resume", "run", "--epochs", 2, "--verbose", cwd=tmp_path)
    assert "  training.epochs = 2 (recipe: 90)" in again.stdout
    refused = tiny.run("train", "--resume", "run", "--recipe", "paper", cwd=tmp_path)
    assert "a training that is resumed keeps its recipe" in tiny.complaint(refused)


def test_a_recipe_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    sentence = tiny.complaint(tiny.run("train", "--recipe", "papr", cwd=tmp_path))
    assert sentence.startswith("there is no recipe called papr: did you mean paper?")
    assert list(tmp_path.iterdir()) == []
