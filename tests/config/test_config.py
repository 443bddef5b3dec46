"""Settings: conversion to text and back, limits and names."""

from __future__ import annotations

import os

import pytest
from alexnet_native.config import SETTINGS, TrainConfig, parse_assignment, parse_value
from alexnet_native.errors import ConfigError

OTHER = TrainConfig(
    net="my net.toml",
    classes=7,
    activation="tanh",
    devices=("cpu:0", "cpu:1"),
    data='a "quoted" folder',
    crop=(24, 20),
    mirror=False,
    scale=1 / 3,
    color_std=0.0,
    color_off=67,
    epochs=3,
    lr=1e-7,
    bias_lr=0.02,
    schedule="step@25,51,79",
    rates=("*.bias@0=0.02", "conv1@72=0"),
    freeze=("conv1@72",),
)


@pytest.mark.parametrize("config", [TrainConfig(), OTHER])
def test_a_configuration_survives_toml(config: TrainConfig) -> None:
    assert TrainConfig.from_toml(config.to_toml()) == config


def test_the_toml_has_sections_with_one_line_per_setting() -> None:
    text = OTHER.to_toml()
    assert "[training]\nepochs = 3\n" in text
    assert 'devices = ["cpu:0", "cpu:1"]\n' in text
    assert "bias_lr" not in TrainConfig().to_toml()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[training]\nlearning_rate = 1",
            "no setting training.learning_rate; the settings are .*lr",
        ),
        (
            "[net]\nlr = 1.0",
            r"no setting net.lr; did you mean training\.lr\? The settings are net\.net,",
        ),
        ("lr = 1.0", "lr is not in a section; the sections are net, data"),
        ("[training]\nlr = 'fast'", "lr is 'fast'; it must be a number above 0"),
        ("[training]\nlr = true", "lr is True; it must be a number"),
        ("[training]\nbatch_size = 1.5", "batch_size is 1.5; it must be an integer"),
        ("[training", "not valid TOML"),
    ],
)
def test_an_invalid_configuration_is_refused_with_a_message(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_toml(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("epochs", 0),
        ("steps", -1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("bias_lr", -0.1),
        ("momentum", 1.5),
        ("weight_decay", -1e-4),
        ("precision", "fp16"),
        ("mean", "median"),
        ("crop", (0, 5)),
        ("crop", (1, 2, 3)),
        ("devices", "cpu:0"),
        ("mirror", 1),
        ("keep", 0),
        ("seed", -1),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_name_of_the_setting(
    name: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is .*it must be"):
        TrainConfig(**{name: value})


def test_more_parts_than_images_in_a_batch_are_refused() -> None:
    with pytest.raises(ConfigError, match="accumulate is 5"):
        TrainConfig(batch_size=4, accumulate=5)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "12", 12),
        ("lr", "1e-3", 0.001),
        ("mirror", "no", False),
        ("devices", "cpu:0, cpu:1", ("cpu:0", "cpu:1")),
        ("crop", "224", (224, 224)),
        ("crop", "24x20", (24, 20)),
        ("data", "photos", "photos"),
        ("data", "[1].npz", "[1].npz"),
        ("crop", "[24, 20]", (24, 20)),
        ("freeze", '["conv1@72", "conv2"]', ("conv1@72", "conv2")),
        ("rates", "*.bias@0=0.02,conv1@72=0", ("*.bias@0=0.02", "conv1@72=0")),
    ],
)
def test_values_are_read_from_text(name: str, text: str, value: object) -> None:
    assert parse_value(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"), [("epochs", "many"), ("lr", "x"), ("mirror", "maybe"), ("crop", "axb")]
)
def test_an_invalid_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{text}'"):
        parse_value(name, text)


def test_an_assignment_accepts_the_name_with_or_without_its_section() -> None:
    assert parse_assignment("training.lr=0.5") == parse_assignment("lr = 0.5") == ("lr", 0.5)
    assert parse_assignment("data=a=b") == ("data", "a=b")


@pytest.mark.parametrize(
    "text", ["lr", "rate=1", "net.lr=1", "=1", "freeze=[conv1]", "freeze=[1]", "crop=[0, 5]"]
)
def test_an_assignment_to_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^(--set|freeze|crop)\b"):
        parse_assignment(text)


def test_settings_that_determine_the_weights_cannot_change_on_resuming() -> None:
    fixed = {name for name, setting in SETTINGS.items() if not setting.on_resume}
    assert {"net", "classes", "activation", "crop", "seed", "batch_size", "precision"} <= fixed
    assert not {"epochs", "steps", "data", "devices", "threads", "lr", "schedule"} & fixed


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        (b"/data/caf\xe9 100%/", "file:/data/caf%E9%20100%25/"),
        (b"\xff", "file:%FF"),
        ("/data/café 100%".encode(), "/data/café 100%"),
        (b"file:/data/caf%C3%A9", "file:/data/caf%C3%A9"),
        (b"file:\xff", "file:file%3A%FF"),
    ],
)
def test_paths_that_are_not_utf8_are_kept_in_toml(path: bytes, stored: str) -> None:
    config = TrainConfig(data=os.fsdecode(path), init_from=os.fsdecode(path))
    text = config.to_toml()
    text.encode()
    assert f'data = "{stored}"' in text
    assert TrainConfig.from_toml(text) == config


def test_text_that_is_no_path_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"data is 'a.ud800', which is neither text nor a path"):
        TrainConfig(data="a\ud800")
