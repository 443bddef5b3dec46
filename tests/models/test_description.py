"""Descriptions: the same attributes in TOML and Python, and an error message for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.errors import ModelError
from alexnet_native.models import Description, ParamRule, default_config, describe
from tiny_nets import two_towers

TOML = """
name = "mine"
input = [1, 12, 10]
classes = 4

[training]
lr = 0.05
mirror = false

[[layers]]
name = "conv1"
type = "conv"
channels = 6
kernel = 3
weight_decay = 0.01
bias_lr = 2

[[layers]]
name = "fc"
type = "dense"
channels = "classes"

[[layers]]
name = "prob"
type = "softmax"
"""


def test_a_toml_file_and_python_describe_the_same_net(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML)
    written = Description(
        "mine",
        (1, 12, 10),
        4,
        (
            {"name": "conv1", "type": "conv", "channels": 6, "kernel": 3,
             "weight_decay": 0.01, "bias_lr": 2},
            {"name": "fc", "type": "dense", "channels": "classes"},
            {"name": "prob", "type": "softmax"},
        ),
        default_config(lr=0.05, mirror=False),
    )  # fmt: skip
    assert describe(file) == describe(str(file)) == written
    assert Net(file).describe(1)["parameters"] == 6 * 10 + 4 * (6 * 10 * 8 + 1)


def test_training_attributes_become_update_rules_and_do_not_reach_the_core() -> None:
    description = Description.from_toml(TOML)
    conv1, dense, _ = description.native_layers()
    assert conv1 == {"name": "conv1", "type": "conv", "channels": 6, "kernel": 3}
    assert dense["channels"] == 4
    assert description.rules()["conv1"] == ParamRule(bias_lr=2, weight_decay=0.01)
    assert description.rules()["fc"] == ParamRule()


def test_attributes_of_every_type_survive_toml() -> None:
    description = two_towers(relu6={"input": ["fc6"]}, fc8={"device": 1, "bias": False})
    again = Description.from_toml(description.to_toml())
    assert again == description
    assert again.to_toml() == description.to_toml()


def test_numpy_numbers_are_numbers() -> None:
    layers: tuple[dict[str, Any], ...] = (
        {"name": "fc", "type": "dense", "channels": np.int64(3), "weight_std": np.float64(0.5)},
    )
    description = Description("n", (np.int64(2), 4, 4), np.int64(3), layers)  # type: ignore[arg-type]
    assert Description.from_toml(description.to_toml()) == description


def test_with_classes_and_with_input_change_nothing_else() -> None:
    description = Description.from_toml(TOML)
    assert description.with_classes(9).native_layers()[1]["channels"] == 9
    assert description.with_input((3, 8, 8)).input_shape == (3, 8, 8)
    assert description.with_classes(4) == description


LAYERS = '[[layers]]\nname = "a"\ntype = "relu"\n'
HEAD = 'name = "n"\ninput = [1, 2, 2]\nclasses = 2\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = x\n", r"net is not valid TOML: .*line 1"),
        (HEAD, r"net does not have \[\[layers\]\] tables"),
        (HEAD + "layers = []\n", r"net: there are no layers"),
        (HEAD.replace('name = "n"\n', "") + LAYERS, r"net does not have the field 'name'"),
        (HEAD.replace("input = [1, 2, 2]\n", "") + LAYERS, r"does not have the field 'input'"),
        (HEAD.replace("classes = 2\n", "") + LAYERS, r"does not have the field 'classes'"),
        (HEAD.replace("[1, 2, 2]", "[1, 2]") + LAYERS, r"input must be \[channels, height, wid"),
        (HEAD.replace("[1, 2, 2]", "[1, 0, 2]") + LAYERS, r"input must be .* not \[1, 0, 2\]"),
        (HEAD.replace("classes = 2", "classes = 0") + LAYERS, r"classes must be .* not 0"),
        (HEAD.replace("classes = 2", "classes = true") + LAYERS, r"classes must be .* not True"),
        (
            HEAD + "clases = 3\n" + LAYERS,
            r"'clases' is not a field of a network; the fields are name",
        ),
        (HEAD + '[[layers]]\ntype = "relu"\n', r"layer 1 \(unnamed\) has no name"),
        (HEAD + '[[layers]]\nname = "a"\n', r"layer 1 \(a\) has no type"),
        (HEAD + LAYERS + LAYERS, r"there are two layers called 'a'"),
        (HEAD + LAYERS.replace('"a"', '"a/0"'), r"the name 'a/0' may contain only letters"),
        (HEAD + LAYERS.replace('"a"', '"data"'), r"'data' is the name of the network's input"),
        (
            HEAD + LAYERS + 'input = "b"\n',
            r"layer 'a': input 'b' is not defined by an earlier layer",
        ),
        (HEAD + LAYERS + "input = 3\n", r"layer 'a': input must be a layer's name or a list"),
        (HEAD + LAYERS + "bias_lr = -1\n", r"layer 'a': bias_lr must be .* not -1"),
        (HEAD + LAYERS + "weight_decay = true\n", r"weight_decay must be a number .* not True"),
        (HEAD + LAYERS + "size = [1, 2]\n", r"layer 'a': size is \[1, 2\]; it must be a number"),
        (
            HEAD + "[training]\nrate = 1\n" + LAYERS,
            r"\[training\]: 'rate' is not a setting; the settings are",
        ),
        (HEAD + '[training]\nlr = "x"\n' + LAYERS, r"\[training\]: lr is 'x'; it must be a number"),
        (HEAD + "[training]\nmirror = 1\n" + LAYERS, r"mirror is 1; it must be true or false"),
        (
            HEAD + "[training]\nepochs = true\n" + LAYERS,
            r"epochs is True; it must be an integer",
        ),
        ("training = 1\n" + HEAD + LAYERS, r"training must be a table"),
    ],
)
def test_the_error_message_for_an_invalid_file_names_the_field(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Description.from_toml(text, source="net")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"network file .*none\.toml does not exist"):
        describe(tmp_path / "none.toml")
    with pytest.raises(ModelError, match=r"network file none\.toml does not exist"):
        describe("none.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"net\.toml cannot be read"):
        describe(file)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"type": "covn"}, r"covn"),
        ({"type": "conv", "channels": 4}, r"layer 'a'.*kernel"),
        ({"type": "conv", "channels": 4, "kernel": 3, "strides": 2}, r"layer 'a'.*strides"),
        ({"type": "conv", "channels": 4, "kernel": 9}, r"layer 'a'"),
        ({"type": "conv", "channels": 4, "kernel": 3, "groups": 3}, r"layer 'a'.*groups"),
        ({"type": "max_pool", "size": "big", "stride": 1}, r"layer 'a'.*size"),
    ],
)
def test_a_layer_that_the_core_refuses_is_named(layer: dict[str, Any], message: str) -> None:
    fc = {"name": "fc", "type": "dense", "channels": "classes"}
    description = Description("n", (2, 5, 5), 3, ({"name": "a", **layer}, fc))
    with pytest.raises(ModelError, match=message):
        Net(description)


def test_classes_that_differ_from_the_last_layer_are_refused() -> None:
    layers = ({"name": "fc", "type": "dense", "channels": 4},)
    with pytest.raises(ModelError, match=r"last layer has 4 outputs, but classes is 3; write"):
        Net(Description("n", (1, 2, 2), 3, layers))
