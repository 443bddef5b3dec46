"""Default settings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.data.arrays import from_arrays
from alexnet_native.errors import ConfigError, ModelError
from alexnet_native.models import Description, describe
from alexnet_native.training.defaults import choose_network, quick_start, resolve


def data(height: int, width: int, channels: int = 3, classes: int = 10) -> Dataset:
    images = np.zeros((classes, height, width, channels), np.uint8)
    return from_arrays((images, np.arange(classes)))


def chosen(pictures: Dataset, **given: Any) -> tuple[Description, TrainConfig]:
    network = choose_network(given, pictures)
    return network, resolve(given, network, pictures, quick_start(given, network, pictures))


def many(count: int, name: str = "photos") -> Dataset:
    return Dataset(name, tuple("abcdefghij"), tiny.Many(count))


def test_large_images_default_to_alexnet_with_the_papers_settings() -> None:
    network, config = chosen(many(20_000))
    assert network.name == config.net == "alexnet"
    assert network.input_shape == (3, 224, 224) and config.crop == (224, 224)
    assert network.classes == config.classes == 10
    assert (config.lr, config.batch_size, config.momentum) == (0.01, 128, 0.9)
    assert (config.weight_decay, config.epochs, config.schedule) == (5e-4, 90, "plateau")
    assert config.random_crop and config.mirror and config.color_std == 0.1
    assert (config.init, config.scale) == ("own", 1.0)


def test_few_images_default_to_a_quick_start_that_can_be_overridden() -> None:
    _, config = chosen(many(19_999))
    assert (config.init, config.scale, config.batch_size) == ("he", 1 / 64, 16)
    assert (config.lr, config.epochs, config.color_std) == (0.01, 90, 0.1)
    _, config = chosen(many(19_999), init="own", scale=1.0, batch_size=128)
    assert (config.init, config.scale, config.batch_size) == ("own", 1.0, 128)


@pytest.mark.parametrize("name", ["alexnet-single", "torchvision-alexnet"])
def test_networks_whose_weights_fit_their_inputs_need_no_quick_start(name: str) -> None:
    _, config = chosen(many(100), net=name)
    assert config.init == "own" and config.batch_size == 128


def test_a_network_from_a_file_is_trained_as_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(describe("alexnet").to_toml())
    _, config = chosen(many(100), net=str(tmp_path / "mine.toml"))
    assert config.init == "own" and config.scale == 1.0


def test_the_demo_images_default_to_a_short_run() -> None:
    _, config = chosen(many(1600, "demo"))
    assert config.epochs < 10 and config.init == "he" and config.color_std == 0
    _, config = chosen(many(1600, "demo"), net="cifar10-quick")
    assert config.init == "own" and config.epochs == 10


def test_small_images_default_to_cifar10_quick_with_its_settings() -> None:
    network, config = chosen(data(32, 32))
    assert network.name == "cifar10-quick" and network.input_shape == (3, 32, 32)
    assert (config.lr, config.batch_size, config.color_std) == (0.001, 128, 0.0)
    assert not config.mirror and not config.random_crop


def test_the_input_of_a_network_is_reduced_to_smaller_images() -> None:
    network, config = chosen(data(28, 28, channels=1))
    assert network.name == "cifar10-quick" and network.input_shape == (1, 28, 28)
    assert config.crop == (28, 28)


def test_a_crop_changes_the_networks_input() -> None:
    network, config = chosen(data(32, 32), crop=(24, 20))
    assert network.input_shape == (3, 24, 20) and config.crop == (24, 20)


def test_given_settings_override_the_networks_which_override_the_general_defaults() -> None:
    _, config = chosen(data(32, 32), net="cifar10-13pct", lr=0.5)
    assert config.lr == 0.5
    assert config.epochs == 470 and config.mirror
    assert config.keep == TrainConfig().keep


def test_an_engine_and_an_activation_reach_the_layers() -> None:
    network, _ = chosen(data(32, 32), net="figure1", activation="tanh", engine="gemm")
    kinds = [layer["type"] for layer in network.layers]
    assert kinds.count("tanh") == 3 and "relu" not in kinds
    assert {layer.get("engine") for layer in network.layers if layer["type"] == "conv"} == {"gemm"}
    assert not any("engine" in layer for layer in network.layers if layer["type"] != "conv")


def test_a_network_can_have_more_classes_than_the_data_but_not_fewer() -> None:
    assert chosen(data(32, 32, classes=3), classes=5)[0].classes == 5
    with pytest.raises(ConfigError, match="classes is 2, but arrays has 3"):
        chosen(data(32, 32, classes=3), classes=2)


def test_an_unknown_network_or_option_raises_an_error() -> None:
    with pytest.raises(ModelError, match="alexnet"):
        chosen(data(32, 32), net="alexnett")
    with pytest.raises(ModelError, match="activation"):
        chosen(data(32, 32), net="cifar10-quick", activation="tanh")
