"""The programs in examples/, run as a reader would run them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))


def run(name: str, *words: object, cwd: Path) -> list[str]:
    """The lines that an example prints; it must end well and without complaints."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    done = tiny.spawn(command, cwd=cwd, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.splitlines()


def error(lines: list[str]) -> float:
    """The percentage of the line that sums up."""
    [found] = [m for m in map(re.compile(r"(?:error on|all classes).*").match, lines) if m]
    percent = re.search(r"([\d.]+) %", found[0])
    assert percent
    return float(percent[1])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_an_example_is_short_and_uses_public_names_only(program: Path) -> None:
    text = program.read_text()
    assert len(text.splitlines()) < 40
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alexnet_native"):
            names = [*str(node.module).split("."), *(alias.name for alias in node.names)]
            assert not [name for name in names if name.startswith("_")]
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr == "__doc__"
            assert node.attr != "native"


def test_the_readme_names_every_example() -> None:
    readme = (EXAMPLES.parent / "README.md").read_text()
    assert len(PROGRAMS) >= 3
    assert [p.name for p in PROGRAMS if f"examples/{p.name}" not in readme] == []


@pytest.mark.slow
def test_mnist_is_learned_in_sixty_steps(shared: Path, tmp_path: Path) -> None:
    digits = shared / "data" / "mnist"
    if not digits.is_dir():
        pytest.skip(f"there is no MNIST at {digits}")
    lines = run("train_mnist.py", digits, "--steps", 60, cwd=tmp_path)
    assert error(lines) < 50  # chance: 90
    net = Net.load(tmp_path / "mnist.safetensors")
    assert (net.step, net.input_shape, net.classes) == (60, (1, 28, 28), 10)


@pytest.mark.slow
def test_cifar10_ends_below_chance_and_leaves_a_run_folder(shared: Path, tmp_path: Path) -> None:
    script = shared / "data" / "cifar10" / "unpack.py"
    if not script.is_file():
        pytest.skip(f"there is no CIFAR-10 at {script.parent}")
    pictures = tmp_path / "cifar-10-batches-bin"  # where the example looks
    subprocess.run([sys.executable, script, pictures], check=True, capture_output=True)
    lines = run("train_cifar10.py", "--steps", 60, cwd=tmp_path)
    assert error(lines) < 80  # chance: 90
    by_class = [
        float(m[1]) for line in lines if (m := re.match(r"[a-z]+ +([\d.]+) % error$", line))
    ]
    assert len(by_class) == 10
    assert np.mean(by_class) == pytest.approx(error(lines), abs=0.2)  # 1000 images of each
    checkpoint = tmp_path / lines[-1].removeprefix("checkpoint: ")
    assert Net.load(checkpoint).step == 60
    last = tiny.lines(tmp_path / "runs" / "cifar10" / "metrics.jsonl")[-1]
    assert (last["split"], last["step"]) == ("val", 60)
    assert 100 * last["top1_error"] == pytest.approx(error(lines), abs=0.1)


def write_pictures(folder: Path, count: int, seed: int) -> None:
    """`count` pictures of 45 x 40 pixels of each class: noise that is brighter on one side."""
    rng = np.random.default_rng(seed)
    sides = {
        "bottom": np.s_[22:],
        "left": np.s_[:, :20],
        "top": np.s_[:22],
    }
    for name, side in sides.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 120, (45, 40, 3))
            pixels[side] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")


@pytest.mark.slow
def test_a_network_is_fine_tuned_on_a_folder_with_classes_of_its_own(tmp_path: Path) -> None:
    start = tiny.net()
    start.fit(tiny.data(), verbose=False)
    start.save(tmp_path / "start.safetensors")
    write_pictures(tmp_path / "sides" / "train", 20, seed=1)
    write_pictures(tmp_path / "sides" / "val", 10, seed=2)
    words = ("--lr", 0.01, "--batch-size", 8, "--freeze", "conv1")
    lines = run("finetune_folder.py", "start.safetensors", "sides", *words, cwd=tmp_path)
    assert error(lines) < 30  # chance: 67
    tuned = Net.load(tmp_path / "finetuned.safetensors")
    assert tuned.class_names == ("bottom", "left", "top")
    assert tuned.params["fc2.weight"].shape[0] == 3
    np.testing.assert_array_equal(tuned.params["conv1.weight"], start.params["conv1.weight"])


@pytest.mark.slow
def test_fine_tuning_needs_pictures_to_measure_on(tmp_path: Path) -> None:
    tiny.net().save(tmp_path / "start.safetensors")
    write_pictures(tmp_path / "sides" / "train", 2, seed=1)
    command = [sys.executable, str(EXAMPLES / "finetune_folder.py"), "start.safetensors", "sides"]
    done = tiny.spawn(command, cwd=tmp_path)
    assert done.returncode == 2
    assert "sides has no val/<class>/ folders" in done.stderr
