from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import open_data
from alexnet_native.errors import DataError
from data_files import pixels, write_cifar10, write_mnist, write_pictures


def test_every_kind_is_recognised_by_its_contents(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "c")
    write_mnist(tmp_path / "m")
    write_pictures(tmp_path / "p")
    np.savez(tmp_path / "n.NPZ.npz", images=pixels((2, 4, 4)), labels=np.array([0, 1]))
    shapes = {
        name: open_data(tmp_path / name).train.image_shape for name in ("c", "m", "p", "n.NPZ.npz")
    }
    assert shapes == {
        "c": (32, 32, 3),
        "m": (28, 28, 1),
        "p": (256, 256, 3),
        "n.NPZ.npz": (4, 4, 1),
    }


def test_a_data_set_is_returned_unchanged() -> None:
    data = open_data((pixels((2, 4, 4)), np.array([0, 1])))
    assert open_data(data) is data


def test_paths_may_start_with_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "digits")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(open_data("~/digits").train) == 5


def test_demo_is_a_name_and_accepts_sizes() -> None:
    data = open_data("demo:20:10")
    assert data.val is not None
    assert (len(data.train), len(data.val)) == (20, 10)
    full = open_data("demo")
    assert full.val is not None
    assert (len(full.train), len(full.val)) == (1600, 400)


@pytest.mark.parametrize(
    "spec", ["demo:", "demo:5", "demo:0:5", "demo:-1:5", "demo:a:b", "demo:1:2:3"]
)
def test_other_spellings_of_demo_are_refused(spec: str) -> None:
    with pytest.raises(DataError, match="use demo, or demo:1600:400"):
        open_data(spec)


def touch(*names: str) -> object:
    def make(folder: Path) -> Path:
        for name in names:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x")
        return folder

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: f / "nowhere", ["no file or folder", "nowhere", "demo", "CIFAR-10"]),
        (lambda f: f, ["is empty"]),
        (touch("a.txt"), ["not recognised", "train/<class>"]),
        (touch("data_batch_1", "test_batch"), ["Python version of CIFAR-10", "binary version"]),
        (touch("train.bin", "test.bin"), ["CIFAR-100", "alexnet-native prepare"]),
        (touch("val/cat/a.jpg"), ["no train/"]),
        (lambda f: touch("set.tar.gz")(f) / "set.tar.gz", ["set.tar.gz", "unpack"]),  # type: ignore[operator]
        (lambda f: touch("cat.jpg")(f) / "cat.jpg", ["cat.jpg", "not recognised"]),  # type: ignore[operator]
    ],
)
def test_a_missing_or_unrecognised_file_is_reported(
    tmp_path: Path, make: object, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        open_data(make(tmp_path))  # type: ignore[operator]
    text = str(caught.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == [], text
