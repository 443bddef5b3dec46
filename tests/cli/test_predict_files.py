"""`predict` with folders, and with files that cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.cli import main
from alexnet_native.models import Description
from PIL import Image


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny.net().save(tmp_path / "net")
    return tmp_path


def write(*names: str) -> None:
    for number, name in enumerate(names):
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tiny.arrays(number + 1)[0][number]).save(file)


def predict(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    """Exit code, files with an answer, lines on standard error."""
    code = main(tiny.placed("predict", "net", *words, "--json"))
    out, err = capsys.readouterr()
    answers = json.loads(out) if out else []
    assert all(len(answer["top"]) == 4 for answer in answers)
    return code, [answer["file"] for answer in answers], err.splitlines()


@pytest.mark.parametrize("bad", [b"", b"no image", b"\x89PNG\r\n\x1a\n broken"])
def test_an_image_that_cannot_be_read_does_not_cost_the_others(
    capsys: pytest.CaptureFixture[str], bad: bytes
) -> None:
    write("one.png", "three.png")
    Path("two.jpg").write_bytes(bad)
    code, files, err = predict(capsys, "one.png", "two.jpg", "missing.png", "three.png")
    assert (code, files) == (1, ["one.png", "three.png"])
    assert len(err) == 3 and "two.jpg is damaged" in err[0] and "missing.png" in err[1]
    assert "2 of 4 images cannot be read" in err[2]
    assert main(tiny.placed("predict", "net", "one.png", "two.jpg")) == 1
    out, _ = capsys.readouterr()
    assert out.startswith("one.png\n") and "two.jpg" not in out


def test_one_image_that_cannot_be_read_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    Path("two.jpg").write_bytes(b"")
    code, files, err = predict(capsys, "two.jpg")
    assert (code, files, len(err)) == (1, [], 1) and "two.jpg is damaged" in err[0]


def test_a_folder_stands_for_its_images(capsys: pytest.CaptureFixture[str]) -> None:
    write("cats/b.png", "cats/a.png", "cats/more/c.JPEG", "cats/.d.png", "cats/__MACOSX/e.png",
          "f.png")  # fmt: skip
    Path("cats/notes.txt").write_text("no image")
    code, files, err = predict(capsys, "f.png", "cats")
    assert (code, err) == (0, [])
    assert files == ["f.png", "cats/a.png", "cats/b.png", "cats/more/c.JPEG"]
    assert predict(capsys, ".")[1] == ["cats/a.png", "cats/b.png", "cats/more/c.JPEG", "f.png"]


def test_more_images_than_are_in_memory_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    write("all/000.png")
    for number in range(1, 131):
        os.link("all/000.png", f"all/{number:03}.png")
    Path("all/127.png").unlink()
    Path("all/127.png").write_bytes(b"")
    code, files, err = predict(capsys, "all")
    assert code == 1 and len(files) == 130 and len(err) == 2


def test_a_folder_without_images_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    code, files, [line] = predict(capsys, "empty")
    assert (code, files) == (1, []) and "the folder empty has no images (.bmp" in line


@pytest.mark.parametrize("channels", [2, 4])
def test_a_network_for_other_channels_reads_no_image_files(
    capsys: pytest.CaptureFixture[str], channels: int
) -> None:
    text = tiny.NET.replace("input = [3, 8, 8]", f"input = [{channels}, 8, 8]")
    net = Net(Description.from_toml(text))
    net.save("other")
    Image.new("RGBA", (8, 8)).save("x.png")
    assert main(tiny.placed("predict", "other", "x.png")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"the network reads images of {channels} channels, but image files have 3" in line
    assert net.predict(np.zeros((1, 8, 8, channels), np.uint8)).shape == (1, 4)
