"""A network and data small enough to train in a moment, for the tests of training and commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import alexnet_native
import numpy as np
from alexnet_native import Net
from alexnet_native.data import Dataset
from alexnet_native.data.arrays import from_arrays
from alexnet_native.models import Description
from placements import FIRST

PACKAGE_ROOT = Path(alexnet_native.__file__).resolve().parents[1]  # the one under test
CLASSES = 4

NET = """
name = "tiny"
input = [3, 8, 8]
classes = 4

[training]
lr = 0.01
batch_size = 8
epochs = 3
schedule = "constant"
color_std = 0.05
mirror = false
scale = 0.02

[[layers]]
name = "conv1"
type = "conv"
channels = 6
kernel = 3
pad = 1
weight_std = 0.2

[[layers]]
name = "relu1"
type = "relu"

[[layers]]
name = "pool1"
type = "max_pool"
size = 2
stride = 2

[[layers]]
name = "drop1"
type = "dropout"
rate = 0.2

[[layers]]
name = "fc2"
type = "dense"
channels = "classes"
weight_std = 0.1

[[layers]]
name = "prob"
type = "softmax"
"""


def description(**changes: Any) -> Description:
    """The network; keyword arguments change words of the layer `conv1`."""
    text = NET
    for word, value in changes.items():
        text = text.replace('name = "conv1"', f'name = "conv1"\n{word} = {value}')
    return Description.from_toml(text)


def net(seed: int = 0, **words: Any) -> Net:
    return Net(description(), seed=seed, **words)


def arrays(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, 10, 10, 3) and labels: a bright square whose corner is the class, and noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = rng.integers(0, 120, (count, 10, 10, 3))
    for image, label in zip(images, labels, strict=True):
        y, x = 5 * (label // 2), 5 * (label % 2)
        image[y : y + 5, x : x + 5] += 120
    return images.astype(np.uint8), labels


def data(train: int = 37, val: int = 21) -> Dataset:
    """Sizes that no batch size divides."""
    return from_arrays((*arrays(train, seed=1), *arrays(val, seed=2)), ("a", "b", "c", "d"))


def write_npz(path: Path, train: int = 37, val: int = 21) -> Path:
    x, y = arrays(train, seed=1)
    x_val, y_val = arrays(val, seed=2)
    names = np.array(["a", "b", "c", "d"])
    np.savez(path, x_train=x, y_train=y, x_val=x_val, y_val=y_val, classes=names)
    return path


class Many:
    """A source of so many images, of which none is looked at."""

    def __init__(self, count: int) -> None:
        self.labels = np.zeros(count, np.int32)
        self.image_shape = (256, 256, 3)

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, indices: Any, out: Any = None) -> Any:
        raise AssertionError("an image was read")

    def records(self) -> None:
        raise AssertionError("an image was read")

    def item_name(self, index: int) -> str:
        return str(index)


def write_net(path: Path) -> Path:
    path.write_text(NET)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the fields that depend on the clock."""
    return [
        {k: v for k, v in record.items() if k not in ("images_per_second", "loader")}
        for record in records
    ]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), **changes}


def placed(*words: object) -> list[str]:
    """A command's words, with the first device under test unless they name devices."""
    line = [*map(str, words)]
    if line[:1] in (["train"], ["evaluate"], ["predict"]) and "--devices" not in line:
        line += ["--devices", FIRST]
    return line


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "alexnet_native", *placed(*words)]


def run(*words: object, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Runs ``alexnet-native`` in a process of its own."""
    return spawn(command(*words), cwd=cwd, env=environment(**changes))


def run_code(code: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python text in a process of its own."""
    return spawn([sys.executable, "-c", code, *map(str, words)], cwd=cwd)


def spawn(
    words: list[str], *, cwd: Path, timeout: float = 120, **options: Any
) -> subprocess.CompletedProcess[str]:
    """A process, with its complaints on standard error."""
    options = {"env": environment(), **options}
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    done.stderr = complaints(done.stderr)
    return done


def complaints(said: str) -> str:
    """All but the lines that cuDNN, which no simulated GPU has, or simplejpeg is missing."""
    expected = ("using the engine gemm instead", "simplejpeg is not installed")
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if not any(words in line for words in expected))


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a failed command."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    [sentence] = done.stderr.splitlines()
    return sentence.removeprefix("alexnet-native: error: ")
