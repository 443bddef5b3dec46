"""The banner of a run: at most ten lines of text; with --verbose all settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native import Net
from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.recipes import read_recipe
from alexnet_native.training import fit, prepare, resume
from alexnet_native.training.banner import banner, learning_rate_text
from alexnet_native.training.build import set_up
from alexnet_native.training.progress import Silent
from placements import FIRST

CLASSES = tuple(f"class {index}" for index in range(1000))
IMAGENET = Dataset("/data/ilsvrc", CLASSES, tiny.Many(1_281_167), tiny.Many(50_000))


class Listener(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


def by_name(lines: list[str]) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines)


def banner_lines(
    net: Net | None = None, data: Dataset = IMAGENET, **settings: Any
) -> dict[str, str]:
    """The lines of the banner by the text before the colon."""
    config = TrainConfig(crop=(224, 224), **settings)
    return by_name(list(banner(net or tiny.net(), data, config)))


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    return {
        "net": str(tiny.write_net(tmp_path / "net.toml")),
        "data": str(tiny.write_npz(tmp_path / "data.npz")),
        "devices": (FIRST,),
    }


def test_the_banner_of_a_new_run(tmp_path: Path, given: dict[str, Any]) -> None:
    show = Listener()
    prepare({**given, "devices": ("cpu:0",)}, out=tmp_path / "run", show=show)
    device = show.lines.pop(2)
    assert device.startswith("device: cpu:0, ") and device.endswith(" MiB needed")
    assert show.lines == [
        "reading data.npz and measuring its mean image",
        "network: tiny, 3x8x8 to 4 classes, 556 parameters",
        "data: data.npz, 4 classes, 37 training and 21 validation images of 10x10",
        "images: random 8x8 crops, PCA color noise 0.05, pixels divided by 50",
        "training: 3 epochs, 15 steps of 8 images",
        "learning rate: 0.01, constant",
        f"output: {tmp_path / 'run'} (all settings: config.toml)",
    ]


def test_the_banner_of_the_papers_training() -> None:
    lines = banner_lines(schedule="plateau")
    assert lines["images"] == "random 224x224 crops, half mirrored, PCA color noise 0.1"
    assert lines["training"] == "90 epochs, 900,900 steps of 128 images"
    assert lines["learning rate"] == (
        "0.01, divided by 10 after 3 epochs without a lower validation error, up to 3 times"
    )
    assert lines["data"] == (
        "ilsvrc, 1,000 classes, 1,281,167 training and 50,000 validation images of 256x256"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"color_std": 0.0, "mirror": False}, "random 224x224 crops"),
        (
            {"random_crop": False, "mirror": False, "color_std": 0.0},
            "central 224x224 crops, no augmentation",
        ),
        ({"random_crop": False, "color_std": 0.0}, "central 224x224 crops, half mirrored"),
        (
            {"draw_group": 32, "color_off": 67},
            "random 224x224 crops, half mirrored (in groups of 32), "
            "PCA color noise 0.1 for 67 epochs",
        ),
        ({"color_off": 0, "mirror": False}, "random 224x224 crops"),
        (
            {"color_off": 1, "mirror": False, "mean": "none"},
            "random 224x224 crops, PCA color noise 0.1 for 1 epoch, no mean subtracted",
        ),
        (
            {"scale": 1 / 64, "mirror": False, "color_std": 0.0, "augment": "device"},
            "random 224x224 crops, pixels divided by 64, computed on the device",
        ),
        (
            {"scale": 0.3, "mirror": False, "color_std": 0.0},
            "random 224x224 crops, pixels multiplied by 0.3",
        ),
    ],
)
def test_the_banner_describes_crop_and_augmentation(settings: dict[str, Any], words: str) -> None:
    assert banner_lines(**settings)["images"] == words


def test_a_crop_as_large_as_the_image_is_shown_as_whole_images() -> None:
    config = TrainConfig(crop=(256, 256), mirror=False, color_std=0.0)
    lines = by_name(list(banner(tiny.net(), IMAGENET, config)))
    assert lines["images"] == "whole images, no augmentation"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "0.01, constant"),
        ({"schedule": "step@25"}, "0.01, divided by 10 after 25 epochs"),
        ({"schedule": "step@1"}, "0.01, divided by 10 after 1 epoch"),
        (
            {"schedule": "step@25,51,79", "schedule_factor": 0.2},
            "0.01, divided by 5 after 25, 51 and 79 epochs",
        ),
        ({"schedule": "step@2", "schedule_factor": 0.3}, "0.01, multiplied by 0.3 after 2 epochs"),
        (
            {"schedule": "plateau", "schedule_patience": 1, "schedule_drops": 1},
            "0.01, divided by 10 after 1 epoch without a lower validation error, once",
        ),
        ({"schedule": "plateau", "schedule_drops": 0}, "0.01, constant"),
        ({"bias_lr": 0.02}, "0.01, constant; biases 0.02"),
        (
            {"freeze": ("conv1", "conv2@72")},
            "0.01, constant; conv1 frozen; conv2 frozen after 72 epochs",
        ),
        (
            {"rates": ("*.bias@0=0.02", "conv1@1=1e-5", "conv1@72=0")},
            "0.01, constant; biases 0.02; conv1 1e-05 after 1 epoch; conv1 frozen after 72 epochs",
        ),
        (
            {
                "schedule": "step@25,51,79",
                "rates": ("*.bias@0=0.02", "conv1.weight@67=1e-5", "conv1@72=0"),
            },
            "0.01, divided by 10 after 25, 51 and 79 epochs; fixed rates for biases, conv1",
        ),
        (
            {"schedule": "plateau", "freeze": ("convolution1", "convolution2")},
            "0.01, divided by 10 after 3 epochs without a lower validation error, up to 3 times; "
            "2 fixed rates",
        ),
    ],
)  # fmt: skip
def test_the_banner_describes_the_learning_rate(settings: dict[str, Any], words: str) -> None:
    assert learning_rate_text(TrainConfig(**settings), validated=True, width=100) == words


def test_without_validation_images_a_plateau_schedule_uses_the_training_error() -> None:
    lines = banner_lines(data=Dataset("set", CLASSES[:1], tiny.Many(100)), schedule="plateau")
    assert lines["data"] == "set, 1 class, 100 training and no validation images of 256x256"
    assert "without a lower training error" in lines["learning rate"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 12}, "12 steps of 128 images (0.0012 of 90 epochs)"),
        ({"steps": 20_020}, "20,020 steps of 128 images (2 of 90 epochs)"),
        ({"steps": 10_000_000}, "90 epochs, 900,900 steps of 128 images"),
        (
            {"epochs": 1, "accumulate": 4},
            "1 epoch, 10,010 steps of 128 images, computed in 4 parts",
        ),
    ],
)  # fmt: skip
def test_the_banner_shows_the_length_in_steps_and_epochs(
    settings: dict[str, Any], words: str
) -> None:
    assert banner_lines(**settings)["training"] == words


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        (
            "cifar10-quick",
            {"devices": "cpu:0,cpu:1", "replicas": 2},
            "cpu:0 and cpu:1, 2 replicas, ",
        ),
        ("alexnet", {"devices": "cpu:0,cpu:1"}, "cpu:0 and cpu:1, one tower each, "),
        (
            "alexnet",
            {"devices": "cpu:0,cpu:1,cpu:2,cpu:3", "replicas": 2},
            "cpu:0, cpu:1, cpu:2 and cpu:3, 2 replicas of 2 towers, ",
        ),
    ],
)  # fmt: skip
def test_the_banner_describes_the_use_of_several_devices(
    network: str, options: dict[str, Any], words: str
) -> None:
    net = Net(network, classes=10, **options)
    lines = banner_lines(net)
    assert lines["devices"].startswith(words)
    assert lines["devices"].endswith(" MiB needed in total")


def test_the_banner_shows_precision_and_initial_weights_that_are_not_the_default() -> None:
    lines = banner_lines(tiny.net(precision="bf16"), init="he")
    assert lines["network"].endswith(" parameters, bf16, He initial weights")


SHORT_NAMES = ("2012", "paper", "one-gpu", "caffe")


@pytest.mark.parametrize("recipe", SHORT_NAMES)
def test_the_banner_of_a_recipe_on_few_images_has_ten_lines_of_100_columns(recipe: str) -> None:
    given = {"data": "demo:4:4", "batch_size": 4, "epochs": 2, "lr": 0.02, "momentum": 0.8}
    setup = set_up(given, read_recipe(recipe))
    lines = list(
        banner(
            setup.net, setup.data, setup.config, setup.followed, note=setup.note,
            out=Path(f"runs/{recipe}-demo-20261127-202542"),
        )
    )  # fmt: skip
    assert len(lines) <= 9  # a run prints one more line before them, while it reads the data
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("few images: ") for line in lines) == 1
    [line] = [line for line in lines if line.startswith("recipe: ")]
    assert line.startswith(f"recipe: {recipe}, with 4 deviations: epochs")


def test_the_banner_lists_the_deviations_that_fit_into_one_line() -> None:
    changes = {"net": "cifar10-quick", "data": "demo:4:4", "batch_size": 4, "epochs": 2, "lr": 0.02}
    setup = set_up({**changes, "momentum": 0.8, "mirror": False}, read_recipe("paper"))
    line = by_name(list(banner(setup.net, setup.data, setup.config, setup.followed)))["recipe"]
    line = f"recipe: {line}"
    names = "net, crop, mirror, epochs, batch_size, lr, momentum"
    assert line == f"recipe: paper, with 7 deviations: {names}"
    many = {"weight_decay": 0.0, "mean": "none", "offsets": "inclusive", "random_crop": False}
    config = replace(setup.config, **many)
    [line] = [
        line
        for line in banner(setup.net, setup.data, config, setup.followed)
        if line.startswith("recipe: ")
    ]
    assert line.startswith("recipe: paper, with 11 deviations: net, crop, random_crop, mirror")
    named = line.partition(": ")[2].partition(": ")[2].partition(" and ")[0].split(", ")
    assert line.endswith(f" and {11 - len(named)} more (see --verbose)") and 90 < len(line) <= 100


def test_the_banner_shows_the_values_of_deviations_if_they_fit(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    show = Listener()
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'[net]\nnet = "{given["net"]}"\n[training]\nepochs = 3\n')
    given |= {"epochs": 2, "freeze": ("conv1",)}
    prepare(given, recipe=read_recipe(str(recipe)), out=tmp_path / "r", show=show)
    assert by_name(show.lines[1:])["recipe"] == (
        "mine.toml, with 2 deviations: epochs 2 instead of 3; freeze conv1 instead of none"
    )


def test_the_note_for_few_images_is_one_line_with_the_options_that_undo_it() -> None:
    undo = "few images: quick start; for the network's own start: "
    for changes, note in (
        ({}, f"{undo}--init own --scale 1 --batch-size 128"),
        ({"batch_size": 8, "init": "own"}, f"{undo}--scale 1"),
        ({"batch_size": 8, "init": "own", "scale": 1.0}, ""),
    ):
        setup = set_up({"data": "demo:4:4", **changes})
        assert setup.note == note
        lines = list(banner(setup.net, setup.data, setup.config, note=setup.note))
        assert [line for line in lines if "few images" in line] == [note] * bool(note)


def test_the_banner_has_one_line_about_initial_weights_from_a_checkpoint(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    prepare({**given, "steps": 1}, out=tmp_path / "run").trainer.run()
    show = Listener()
    more = {"init_from": str(tmp_path / "run"), "classes": 5, "scale": 0.04}
    prepare({**given, **more}, out=tmp_path / "next", show=show)
    lines = [line for line in show.lines if line.startswith("initial weights from ")]
    assert len(lines) == 1 and len(show.lines) <= 10
    assert lines[0].endswith(
        " (tiny, step 1); new: fc2; not used: fc2; 1 difference (listed by --verbose)"
    )
    show = Listener()
    prepare({**given, **more}, out=tmp_path / "all", show=show, verbose=True)
    note = "  note: pixels are multiplied by 0.02 in the checkpoint, by 0.04 here"
    assert note in show.lines


def test_verbose_adds_every_setting(tmp_path: Path, given: dict[str, Any]) -> None:
    show, short = Listener(), Listener()
    run = prepare(given, recipe=read_recipe("paper"), out=tmp_path / "a", show=show, verbose=True)
    prepare(given, recipe=read_recipe("paper"), out=tmp_path / "b", show=short)
    assert len(short.lines) <= 10 < len(show.lines)
    settings = {word.partition("=")[0] for line in show.lines for word in line.split()}
    set_ones = {name for name, value in run.config.values().items() if value is not None}
    assert set_ones <= settings and len(set_ones) > len(SETTINGS) - 6
    assert "  training.batch_size = 8 (recipe: 128)" not in short.lines
    assert "  data.crop = [8, 8] (recipe: [224, 224])" in show.lines


def test_the_banner_of_a_resumed_run_shows_the_step(tmp_path: Path, given: dict[str, Any]) -> None:
    prepare({**given, "steps": 7}, out=tmp_path / "run").trainer.run()
    for changes, words in (
        ({}, "7 steps of 8 images (1.4 of 3 epochs); resumed at step 7"),
        ({"steps": 0}, "3 epochs, 15 steps of 8 images; resumed at step 7"),
    ):
        show = Listener()
        resume(tmp_path / "run", changes, show=show)
        assert by_name(show.lines[1:])["training"] == words
        assert len(show.lines) <= 10


def test_without_a_run_folder_the_banner_has_no_output_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit(tiny.net(), tiny.data(), epochs=1)
    output = capsys.readouterr().out
    assert "training: 1 epoch, 5 steps of 8 images" in output
    assert "output: " not in output
