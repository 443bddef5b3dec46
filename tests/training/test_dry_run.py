"""The dry run: counts match values computed by hand, sizes match files, nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset, open_data
from alexnet_native.errors import CheckpointError, ConfigError, DataError
from alexnet_native.recipes import read_recipe
from alexnet_native.training import fit, prepare
from alexnet_native.training.cost_estimate import (
    CostEstimate,
    StepTime,
    duration,
    measure_step_time,
    size,
)
from alexnet_native.training.dry_run import dry_run
from alexnet_native.training.progress import Silent
from placements import FIRST

IMAGENET = Dataset("ilsvrc", ("a",), tiny.Many(1_281_167), tiny.Many(50_000))


def plan(done: int = 0, **settings: Any) -> CostEstimate:
    return CostEstimate(tiny.net(), IMAGENET, TrainConfig(**settings), done)


def test_the_papers_training_has_900900_steps() -> None:
    whole = plan(epochs=90, batch_size=128)
    assert (whole.epoch_steps, whole.all_steps, whole.steps) == (10_010, 900_900, 900_900)
    assert whole.validations == 90
    assert whole.read_bytes == 90 * 1_281_167 * 256 * 256 * 3
    assert whole.batch_bytes == 128 * 3 * 8 * 8 * 4  # the tiny network's input is 3x8x8


@pytest.mark.parametrize(
    ("done", "settings", "steps", "validations", "images"),
    [
        (10_010, {}, 890_890, 89, 89 * 1_281_167),
        (10_011, {}, 890_889, 89, 89 * 1_281_167 - 128),
        (900_900, {}, 0, 0, 0),
        (0, {"steps": 10}, 10, 1, 1280),
        (4, {"steps": 10}, 6, 1, 768),
        (12, {"steps": 10}, 0, 0, 0),
        (0, {"steps": 10_011}, 10_011, 2, 1_281_167 + 128),
        (0, {"epochs": 2, "steps": 1_000_000}, 20_020, 2, 2 * 1_281_167),
    ],
)
def test_the_rest_of_a_run_matches_values_computed_by_hand(
    done: int, settings: dict[str, Any], steps: int, validations: int, images: int
) -> None:
    rest = plan(done, **{"epochs": 90, "batch_size": 128, **settings})
    assert (rest.steps, rest.validations) == (steps, validations)
    assert rest.read_bytes == images * 256 * 256 * 3


def test_the_estimated_time_includes_steps_validations_and_the_final_evaluation(
    tmp_path: Path,
) -> None:
    measured = StepTime(steps=3, step=0.5, images=128, validation=0.01, decoding=0.0)
    *_, speed, time = plan(epochs=2, batch_size=128, final_views=10).lines(tmp_path, measured)
    assert speed == "measured: 3 steps of 128 images, 0.5 s each: 256 images/s"
    # 20,020 steps of 0.5 s; 2 times 50,000 images of 0.01 s; 11 times 50,000 at the end.
    assert time == (
        "estimated time: 4 h 35 min (2 h 46 min for 20,020 steps, 16 min 40 s for 2 validations, "
        "1 h 31 min for the final evaluation) without writing files"
    )


def test_a_checkpoint_has_the_estimated_size(tmp_path: Path) -> None:
    net = Net("cifar10-quick")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 40, 36, 3), np.uint8), np.arange(20) % 10
    fit(net, pictures, epochs=1, out=tmp_path, verbose=False)
    file = (tmp_path / "checkpoints" / "latest").resolve()
    planned = CostEstimate(net, open_data(pictures), TrainConfig()).checkpoint_bytes
    assert 0 < file.stat().st_size - planned < 16_384  # metadata


class Listener(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz")
    return tmp_path


def test_a_dry_run_prints_the_estimate_and_writes_nothing(place: Path) -> None:
    words = ("--net", "net.toml", "--data", "data.npz", "--batch-size", 8, "--out", "run")
    before = sorted(place.iterdir())
    done = tiny.run("train", "--recipe", "paper", *words, "--dry-run", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(place.iterdir()) == before
    lines = done.stdout.splitlines()
    assert any(line.startswith("recipe: paper, with 3 deviations: net") for line in lines)
    start = lines.index("timing a few steps")
    assert [line.split(":")[0] for line in lines[start + 1 :]] == [
        "steps", "pixels read", f"memory of {FIRST.partition(':')[0]}", "memory of the loader",
        "checkpoints", "measured", "estimated time",
    ]  # fmt: skip
    assert lines[start + 1] == (
        "steps: 90 epochs of 5 steps with 8 images (5 in the last step); 450 steps in total"
    )
    assert lines[start + 2] == (
        "pixels read: 37 images of 3x10x10, 10.8 KiB per epoch, 975.6 KiB in total"
    )


def test_the_dry_run_of_a_resumed_run_estimates_the_rest(place: Path) -> None:
    given = {"net": str(place / "net.toml"), "data": str(place / "data.npz"), "epochs": 2}
    prepare(given, out=place / "run").trainer.run()
    before = {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()}
    show = Listener()
    rest = dry_run({"epochs": 5}, resume=place / "run", show=show)
    assert (rest.done, rest.steps, rest.validations) == (10, 15, 3)
    assert any("25 steps in total (10 done)" in line for line in show.lines)
    after = {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()}
    assert after == before


def test_a_dry_run_raises_the_same_errors_as_a_run(place: Path) -> None:
    given = {"net": str(place / "net.toml"), "data": str(place / "data.npz")}
    with pytest.raises(DataError, match="the network's input is 11 x 11 pixels"):
        dry_run({**given, "crop": (11, 11)}, show=Listener())
    with pytest.raises(CheckpointError, match="there is no checkpoint nowhere"):
        dry_run({**given, "init_from": "nowhere"}, show=Listener())
    for change in ({"schedule": "step"}, {"freeze": ("conv9",)}, {"rates": ("conv9@1=0",)}):
        for begin in (dry_run, prepare):
            show = Listener()
            with pytest.raises(ConfigError, match=r"step@25,51,79|conv9"):
                begin({**given, **change}, show=show)
            assert show.lines == []  # before any image is read


def test_the_dry_run_of_a_plateau_without_validation_images_shows_the_training_error(
    place: Path,
) -> None:
    images, labels = tiny.arrays(16)
    np.savez(place / "train.npz", images=images, labels=labels)
    net = str(place / "net.toml")
    show = Listener()
    for data in ("train.npz", "data.npz"):
        dry_run({"net": net, "data": str(place / data), "schedule": "plateau"}, show=show)
    [line] = [line for line in show.lines if "without a lower training error" in line]
    assert line.startswith("learning rate: ")


def test_the_memory_of_decoded_images_is_included_in_the_estimate() -> None:
    show = Listener()
    dry_run({"data": "demo:12:4", "net": "cifar10-quick", "crop": (32, 32), "batch_size": 4},
            recipe=read_recipe("paper"), show=show)  # fmt: skip
    [pixels] = [line for line in show.lines if line.startswith("pixels read")]
    assert pixels.endswith("decoded once and kept in memory")
    [memory] = [line for line in show.lines if line.startswith("memory of the loader")]
    assert memory.endswith(f"decoded images {size(16 * 256 * 256 * 3)}")
    assert any("to decode the images" in line for line in show.lines)


def test_steps_are_timed_with_the_settings_of_the_run() -> None:
    config = TrainConfig(batch_size=8, accumulate=3, crop=(8, 8), freeze=("conv1",), scale=0.02)
    net, data = tiny.net(), tiny.data()
    found = measure_step_time(net, data, config)
    assert 3 <= found.steps <= 10 and found.images == 8
    assert found.step > 0 and found.validation > 0 and found.decoding == 0.0
    assert net.params["conv1.weight"].tobytes() == tiny.net().params["conv1.weight"].tobytes()
    few = measure_step_time(tiny.net(), tiny.data(train=5), config)
    assert few.images == 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"),
        (3600, "1 h 0 min"), (86399, "23 h 59 min"), (86400 * 6 + 7260, "6 d 2 h"),
    ],
)  # fmt: skip
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(512, "512 bytes"), (2048, "2.0 KiB"), (5 * 2**30, "5.0 GiB"), (3e16, "27,284.8 TiB")],
)
def test_sizes_have_one_unit(count: float, text: str) -> None:
    assert size(count) == text
