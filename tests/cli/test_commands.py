"""Each command in a process of its own: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.config import TrainConfig
from PIL import Image


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.toml, data.npz, two pictures, and a finished training in `run`."""
    folder = tmp_path_factory.mktemp("place")
    tiny.write_net(folder / "net.toml")
    tiny.write_npz(folder / "data.npz", train=80)
    images, _ = tiny.arrays(8, seed=2)
    for index in (0, 1):
        Image.fromarray(images[index]).save(folder / f"{index}.png")
    done = tiny.run(
        "train", "--net", "net.toml", "--data", "data.npz", "--out", "run", "--epochs", 10,
        "--lr", "0.05", cwd=folder,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (folder / "output").write_text(done.stdout)
    return folder


def test_train_prints_its_settings_and_fills_the_run_folder(place: Path) -> None:
    output = (place / "output").read_text()
    for words in ("tiny, 3x8x8 to 4 classes", "80 training and 21 validation", "rate: 0.05"):
        assert words in output
    assert output.splitlines()[-3].startswith("done after 100 steps: validation error ")
    assert sorted(path.name for path in (place / "run").iterdir()) == [
        "checkpoints", "config.toml", "metrics.jsonl", "net.toml", "parameters.jsonl",
    ]  # fmt: skip
    config = TrainConfig.from_toml((place / "run" / "config.toml").read_text())
    assert (config.lr, config.epochs, config.batch_size) == (0.05, 10, 8)
    assert config.data == str((place / "data.npz").absolute())
    assert (config.net, config.crop) == ("net.toml", (8, 8))
    assert len(tiny.lines(place / "run" / "metrics.jsonl")) >= 20
    assert len(list((place / "run" / "checkpoints").glob("*.safetensors"))) in (2, 3)


def test_evaluate_reads_everything_from_the_checkpoint(place: Path) -> None:
    *_, last = tiny.lines(place / "run" / "metrics.jsonl")
    done = tiny.run("evaluate", "run/checkpoints/latest", "--json", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert list(result) == [
        "images", "views", "loss", "top1_error", "top5_error", "results", "recipe", "deviations",
        "published",
    ]  # fmt: skip
    assert (result["images"], result["views"]) == (21, 1)
    for key in ("loss", "top1_error", "top5_error"):
        assert result[key] == pytest.approx(last[key], rel=1e-9)
    assert result["top1_error"] < 0.4  # chance: 0.75


def test_evaluate_averages_ten_views(place: Path) -> None:
    done = tiny.run(
        "evaluate", "run", "--views", 10, "--json", "--data", "data.npz", "--split", "train",
        cwd=place,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert (result["images"], result["views"]) == (80, 10)
    want = Net.load(place / "run").evaluate(*tiny.arrays(80, seed=1), views=10)
    assert result["loss"] == pytest.approx(want.loss, rel=1e-9)
    assert result["top1_error"] == pytest.approx(want.top1_error, rel=1e-9)


def test_evaluate_says_it_in_a_line_without_json(place: Path) -> None:
    done = tiny.run("evaluate", "run", cwd=place)
    assert done.stdout.startswith("21 images, 1 view: loss ") and "top-5 error" in done.stdout


def test_predict_names_the_classes_with_probabilities(place: Path) -> None:
    done = tiny.run("predict", "run", "0.png", "1.png", "--top", 3, "--json", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)
    assert [result["file"] for result in results] == ["0.png", "1.png"]
    images, _ = tiny.arrays(8, seed=2)
    probabilities = Net.load(place / "run").predict(images[:2])
    for result, row in zip(results, probabilities, strict=True):
        assert list(result) == ["file", "top"]
        order = np.argsort(-row)[:3]
        assert [entry["class"] for entry in result["top"]] == ["abcd"[index] for index in order]
        found = [entry["probability"] for entry in result["top"]]
        assert found == pytest.approx(row[order].tolist(), rel=1e-5)


def test_predict_prints_a_table_without_json(place: Path) -> None:
    first, *rest = tiny.run("predict", "run", "0.png", cwd=place).stdout.splitlines()
    assert first == "0.png" and len(rest) == 4 and all(" %  " in line for line in rest)


def test_describe_has_the_keys_for_programs(place: Path) -> None:
    done = tiny.run("describe", "net.toml", "--batch", 3, "--json", cwd=place)
    summary = json.loads(done.stdout)
    # conv1: 6 x (3 * 9 + 1); fc2: 4 x (6 * 16 + 1).
    assert summary["parameters"] == 6 * 28 + 4 * 97
    assert summary["multiply_adds"] == 6 * 64 * 27 + 4 * 96
    names = [layer["name"] for layer in summary["layers"]]
    assert names == ["conv1", "relu1", "pool1", "drop1", "fc2", "prob"]
    assert summary["batch"] == 3


def test_describe_prints_a_table_or_the_program(place: Path) -> None:
    table = tiny.run("describe", "net.toml", "--classes", 7, cwd=place).stdout
    assert "3x8x8 to 7 classes" in table and "conv1" in table
    program = tiny.run("describe", "net.toml", "--program", cwd=place).stdout
    assert len(program.splitlines()) > 6 and "conv1" in program


def test_gradcheck_passes_for_a_right_network(place: Path) -> None:
    done = tiny.run("gradcheck", "net.toml", "--samples", 2, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["passed"] and len(result["parameters"]) == 4
    assert "all agree" in tiny.run("gradcheck", "net.toml", "--samples", 1, cwd=place).stdout


def test_gradcheck_fails_with_a_sentence_below_any_possible_tolerance(place: Path) -> None:
    done = tiny.run("gradcheck", "net.toml", "--tolerance", "1e-30", "--samples", 1, cwd=place)
    assert "the gradients of tiny are wrong in conv1.weight" in tiny.complaint(done)
    assert "WRONG" in done.stdout


def test_devices_lists_at_least_the_first_cpu(place: Path) -> None:
    found = json.loads(tiny.run("devices", "--json", cwd=place).stdout)
    assert "cpu:0" in [device["name"] for device in found["devices"]]
    assert "cpu:0" in tiny.run("devices", cwd=place).stdout


def test_the_version_is_printed(place: Path) -> None:
    assert tiny.run("--version", cwd=place).stdout.strip() == "0.1.0"


def test_a_net_for_small_gray_pictures_is_found_without_naming_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (12, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", images=images, labels=np.arange(12) % 3)
    done = tiny.run("train", "--data", "digits.npz", "--epochs", 1, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cifar10-quick, 1x28x28 to 3 classes" in done.stdout


def test_the_default_run_folder_is_named_by_net_data_and_time(place: Path) -> None:
    words = ("--net", "net.toml", "--data", "data.npz", "--steps", 1)
    done = tiny.run("train", *words, cwd=place)
    assert done.returncode == 0, done.stderr
    [run] = (place / "runs").iterdir()
    assert run.name.startswith("net-data.npz-2")


def test_a_run_is_replaced_only_when_asked(place: Path) -> None:
    words = ("train", "--net", "net.toml", "--data", "data.npz", "--steps", 1, "--out", "again")
    assert tiny.run(*words, cwd=place).returncode == 0
    assert "already contains a run" in tiny.complaint(tiny.run(*words, cwd=place))
    assert tiny.run(*words, "--overwrite", cwd=place).returncode == 0


def test_train_resumes_in_its_own_folder(place: Path) -> None:
    words = ("train", "--net", "net.toml", "--data", "data.npz", "--steps", 12, "--out", "part")
    assert tiny.run(*words, cwd=place).returncode == 0
    done = tiny.run("train", "--resume", "part", "--steps", 15, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "resumed at step 12" in done.stdout
    assert tiny.lines(place / "part" / "metrics.jsonl")[-1]["step"] == 15
    assert tiny.run("train", "--resume", "part", "--steps", 20, cwd=place).returncode == 0
    again = tiny.run("train", "--resume", "part", cwd=place)
    assert again.returncode == 0 and "nothing to do: all 20 steps" in again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_with_a_checkpoint_and_exit_code_0(
    place: Path, number: int
) -> None:
    out = place / f"signal{number}"
    words = ("--net", "net.toml", "--data", "data.npz", "--epochs", 1_000_000, "--out", out)
    process = subprocess.Popen(
        tiny.command("train", *words),
        cwd=place,
        env=tiny.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (out / "checkpoints" / "latest").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, tiny.complaints(errors)) == (0, "")
    assert "continue with: alexnet-native train --resume" in output.splitlines()[-1]
    assert tiny.run("evaluate", out, cwd=place).returncode == 0


@pytest.mark.parametrize("devices", ["cpu:0, cpu:1", " cpu:0 ,cpu:1 "])
def test_spaces_between_devices_are_accepted_by_every_command(tmp_path: Path, devices: str) -> None:
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz")
    options = ("--devices", devices, "--replicas", 2)
    train = ("train", "--net", "net.toml", "--data", "data.npz", "--epochs", 1, "--out", "run")
    for words in (train, ("describe", "net.toml"), ("evaluate", "run")):
        done = tiny.run(*words, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    net = Net(tmp_path / "net.toml", devices=devices, replicas=2)
    assert net.devices == ("cpu:0", "cpu:1")
