"""Paths that begin with ~."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from alexnet_native import Net
from alexnet_native.cli.parser import Parser
from alexnet_native.paths import expand


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_only_the_home_folder_of_a_known_user_is_replaced(home: Path) -> None:
    assert expand("~") == home
    assert expand("~/a~/b") == home / "a~" / "b"
    for other in ("a/~", "~nobody-of-this-name/x", "~$report.toml", "./~"):
        assert expand(other) == Path(other)


def test_the_parser_expands_every_path(home: Path) -> None:
    parser = Parser()
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--name")
    found = parser.parse(["~/a", "b", "--out=~/c", "--name=~/d"])
    assert found.files == [home / "a", Path("b")]
    assert (found.out, found.name) == (home / "c", "~/d")


def test_networks_are_saved_to_and_loaded_from_the_home_folder(home: Path) -> None:
    tiny.write_net(home / "net.toml")
    Net("~/net.toml").save("~/f.safetensors")
    assert (home / "f.safetensors").is_file()
    assert Net.load("~/f.safetensors").classes == 4
    assert not Path("~").exists()


def test_runs_are_written_to_and_resumed_from_the_home_folder(home: Path) -> None:
    tiny.write_net(home / "net.toml")
    tiny.write_npz(home / "data.npz")
    words = ["train", "--net=~/net.toml", "--data=~/data.npz", "--epochs=1", "--out=~/runs/a"]
    for line in (words, ["train", "--resume=~/runs/a", "--epochs=2", "--out=~/runs/b"]):
        done = tiny.run(*line, cwd=home.parent, HOME=str(home))
        assert done.returncode == 0, done.stderr
    for name in ("a", "b"):
        assert (home / "runs" / name / "checkpoints" / "latest").exists()
    done = tiny.run(
        "train", "--net=~/net.toml", "--data=~/data.npz", "--epochs=1", "--out=~/runs/c",
        "--init-from=~/runs/a", cwd=home.parent, HOME=str(home),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not Path("~").exists()
