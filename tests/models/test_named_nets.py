"""The named networks against the tables of the paper, the 2012 source and later versions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.config import TrainConfig
from alexnet_native.errors import ModelError
from alexnet_native.models import NAMES, Description, describe
from alexnet_native.training.schedule import make_schedule

# Parameters, multiply-adds of one image forward. AlexNets: computed twice from the layer tables;
# torchvision documents 61,100,840. CIFAR-10 nets: explicit sums.
CONV1, CONV2 = 64 * (3 * 25 + 1), 64 * (64 * 25 + 1)
TOTALS = {
    "alexnet": (60_965_224, 724_406_816),
    "alexnet-2012": (60_965_224, 724_406_816),
    # conv6: 256 kernels of 256 x 3 x 3 and their biases, at 6 x 6 positions.
    "alexnet-6conv": (60_965_224 + 256 * 2305, 724_406_816 + 36 * 256 * 2304),
    "alexnet-one-gpu": (59_798_312, 391_514_384),
    "alexnet-single": (62_378_344, 1_135_256_096),
    "caffe-alexnet": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "torchvision-alexnet": (61_100_840, 714_188_480),
    "cifar10-quick": (
        32 * 76 + 32 * 801 + 64 * 801 + 64 * 1025 + 10 * 65,
        32**2 * 32 * 75 + 16**2 * 32 * 800 + 8**2 * 64 * 800 + 64 * 1024 + 640,
    ),
    "cifar10-18pct": (
        32 * 76 + 32 * 801 + 64 * 801 + 10 * 1025,
        32**2 * 32 * 75 + 16**2 * 32 * 800 + 8**2 * 64 * 800 + 10 * 1024,
    ),
    "cifar10-19pct": (
        32 * 76 + 32 * 801 + 64 * 801 + 10 * 1025,
        32**2 * 32 * 75 + 16**2 * 32 * 800 + 8**2 * 64 * 800 + 10 * 1024,
    ),
    "cifar10-13pct": (
        CONV1 + CONV2 + 36 * 32 * 577 + 36 * 32 * 289 + 10 * (36 * 32 + 1),
        24**2 * 64 * 75 + 12**2 * 64 * 1600 + 36 * 32 * 576 + 36 * 32 * 288 + 36 * 320,
    ),
    "cifar10-11pct": (
        CONV1 + CONV2 + 36 * 64 * 577 + 36 * 32 * 577 + 10 * (36 * 32 + 1),
        24**2 * 64 * 75 + 12**2 * 64 * 1600 + 36 * 64 * 576 + 36 * 32 * 576 + 36 * 320,
    ),
    "figure1": (
        32 * 76 + 32 * 801 + 64 * 801 + 10 * 1025,
        32**2 * 32 * 75 + 16**2 * 32 * 800 + 8**2 * 64 * 800 + 10 * 1024,
    ),
}

# Output, parameters and multiply-adds of each layer with weights: with and without groups.
GROUPED = {
    "conv1": ([96, 55, 55], 34_944, 105_415_200),
    "conv2": ([256, 27, 27], 307_456, 223_948_800),
    "conv3": ([384, 13, 13], 885_120, 149_520_384),
    "conv4": ([384, 13, 13], 663_936, 112_140_288),
    "conv5": ([256, 13, 13], 442_624, 74_760_192),
    "fc6": ([4096, 1, 1], 37_752_832, 37_748_736),
    "fc7": ([4096, 1, 1], 16_781_312, 16_777_216),
    "fc8": ([1000, 1, 1], 4_097_000, 4_096_000),
}
UNGROUPED = {
    **GROUPED,
    "conv2": ([256, 27, 27], 614_656, 447_897_600),
    "conv4": ([384, 13, 13], 1_327_488, 224_280_576),
    "conv5": ([256, 13, 13], 884_992, 149_520_384),
}
POOLED = {"pool1": [96, 27, 27], "pool2": [256, 13, 13], "pool5": [256, 6, 6]}

WEIGHTED = tuple(GROUPED)


def layers_of(name: str) -> dict[str, dict[str, Any]]:
    return {layer["name"]: layer for layer in Net(name).describe(1)["layers"]}


def words(name: str, **options: Any) -> dict[str, Any]:
    return {layer["name"]: layer for layer in describe(name, **options).layers}


@pytest.mark.parametrize("name", NAMES)
def test_totals_are_those_of_the_recipe(name: str) -> None:
    plan = Net(name).describe(1)
    assert (plan["parameters"], plan["multiply_adds"]) == TOTALS[name]


@pytest.mark.parametrize("name", ["alexnet", "alexnet-2012", "caffe-alexnet", "caffenet"])
def test_each_layer_has_the_grouped_size_and_cost(name: str) -> None:
    layers = layers_of(name)
    for layer, row in GROUPED.items():
        got = layers[layer]
        assert (got["output"], got["parameters"], got["multiply_adds"]) == row, layer
    for layer, output in POOLED.items():
        assert layers[layer]["output"] == output


def test_the_sixth_convolution_is_between_pool5_and_fc6_and_reads_both_towers() -> None:
    layers = layers_of("alexnet-6conv")
    assert layers["conv6"]["output"] == [256, 6, 6]
    assert layers["conv6"]["weight_std"] == 0.03
    own, source = words("alexnet-6conv"), words("alexnet-2012")
    assert own["conv6"]["bias_value"] == 1.0 and "groups" not in own["conv6"]
    assert {name: own[name] for name in source} == source
    order = list(own)
    at = order.index("conv6")
    assert order[at - 2 : at + 3] == ["pool5", "relu5", "conv6", "relu-conv6", "fc6"]
    net = Net("alexnet-6conv", devices="cpu:0,cpu:1")
    crossing = [edge["value"] for edge in net.describe(1)["cross_edges"]]
    assert {"relu5/0", "relu5/1", "relu-conv6/0", "relu-conv6/1"} <= set(crossing)
    assert tuple(net.native.param_shape("conv6.weight")) == (256, 256, 3, 3)


def test_each_layer_of_the_single_tower_has_the_ungrouped_size_and_cost() -> None:
    layers = layers_of("alexnet-single")
    for layer, row in UNGROUPED.items():
        got = layers[layer]
        assert (got["output"], got["parameters"], got["multiply_adds"]) == row, layer


def test_the_paper_has_659272_neurons() -> None:
    layers = layers_of("alexnet")
    assert sum(prod(layers[name]["output"]) for name in WEIGHTED) == 659_272


def test_a_tower_without_fc8_holds_28434112_parameters() -> None:
    layers = Net("alexnet", devices="cpu:0,cpu:1").describe(1)["layers"]
    for tower in ("/0", "/1"):
        own = [layer for layer in layers if layer["name"].endswith(tower)]
        assert sum(layer["parameters"] for layer in own) == 28_434_112
        assert sum(layer["multiply_adds"] for layer in own) == 360_155_408


@pytest.mark.parametrize("name", ["cifar10-quick", "cifar10-18pct", "cifar10-19pct", "figure1"])
def test_cifar_pools_halve_with_ceil(name: str) -> None:
    layers = layers_of(name)
    assert [layers[f"pool{i}"]["output"][1:] for i in (1, 2, 3)] == [[16, 16], [8, 8], [4, 4]]


def test_cifar_pools_are_of_the_published_kind() -> None:
    kinds = {"max": ["max_pool"] * 3, "mixed": ["max_pool", "avg_pool", "avg_pool"]}
    for name, want in [("cifar10-quick", "mixed"), ("cifar10-18pct", "mixed"), ("figure1", "max")]:
        own = words(name)
        assert [own[f"pool{i}"]["type"] for i in (1, 2, 3)] == kinds[want]
    assert [words("cifar10-13pct")[f"pool{i}"]["type"] for i in (1, 2)] == ["max_pool"] * 2


# Section 1.4 of the recipe: weight_std of conv1-2, conv3-5, fc6-7, fc8; value of high biases.
@pytest.mark.parametrize(
    ("name", "stds", "high"),
    [
        ("alexnet", (0.01, 0.01, 0.01, 0.01), 1.0),
        ("alexnet-2012", (0.01, 0.03, 0.01, 0.01), 1.0),
        ("alexnet-one-gpu", (0.01, 0.03, 0.01, 0.01), 1.0),
        ("caffe-alexnet", (0.01, 0.01, 0.005, 0.01), 0.1),
        ("caffenet", (0.01, 0.01, 0.005, 0.01), 1.0),
    ],
)
def test_initial_values_are_those_of_the_source(
    name: str, stds: tuple[float, ...], high: float
) -> None:
    planned, own = layers_of(name), words(name)
    for position, layer in enumerate(WEIGHTED):
        assert planned[layer]["weight_std"] == stds[(0, 0, 1, 1, 1, 2, 2, 3)[position]], layer
        want = high if layer in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0
        assert own[layer].get("bias_value", 0.0) == want, layer


@pytest.mark.parametrize(
    ("name", "stds", "decays"),
    [
        ("cifar10-quick", (1e-4, 0.01, 0.01, 0.1, 0.1), (0.004, 0.004, 0.004, 0.03, 0.03)),
        ("cifar10-18pct", (1e-4, 0.01, 0.01, 0.01), (0.004, 0.004, 0.004, 1.0)),
        ("cifar10-19pct", (1e-4, 0.01, 0.01, 0.01), (0.004, 0.004, 0.004, 3.0)),
        ("cifar10-13pct", (1e-4, 0.01, 0.04, 0.04, 0.01), (0.0, 0.0, 0.004, 0.004, 0.004)),
        ("cifar10-11pct", (1e-4, 0.01, 0.04, 0.04, 0.01), (0.0, 0.0, 0.004, 0.004, 0.01)),
    ],
)
def test_cifar_nets_start_and_decay_as_published(
    name: str, stds: tuple[float, ...], decays: tuple[float, ...]
) -> None:
    weighted = [layer for layer in Net(name).describe(1)["layers"] if layer["parameters"]]
    assert tuple(layer["weight_std"] for layer in weighted) == pytest.approx(stds, rel=1e-6)
    rules = describe(name).rules()
    assert tuple(rules[layer["name"]].weight_decay for layer in weighted) == decays
    assert {rules[layer["name"]].bias_lr for layer in weighted} == {2.0}
    assert {rules[layer["name"]].bias_decay for layer in weighted} == {None}
    assert describe(name).default_config["lr"] == 0.001


def test_the_order_in_the_first_layers_is_the_one_that_gives_the_nets_their_names() -> None:
    def types(name: str, count: int) -> list[str]:
        return [layer["type"] for layer in describe(name).layers[:count]]

    assert types("alexnet", 4) == ["conv", "relu", "lrn", "max_pool"]
    assert types("caffe-alexnet", 4) == ["conv", "relu", "lrn", "max_pool"]
    assert types("caffenet", 4) == ["conv", "relu", "max_pool", "lrn"]
    assert types("alexnet-single", 4) == ["conv", "relu", "max_pool", "conv"]
    source = ["conv", "lrn", "max_pool", "relu", "conv", "relu", "lrn", "lrn_within", "max_pool"]
    assert types("alexnet-2012", 9) == source
    assert types("alexnet-one-gpu", 9) == source


def test_dropout_follows_fc6_and_fc7_in_the_paper_and_precedes_them_in_its_descendants() -> None:
    def order(name: str) -> list[str]:
        kept = ("dense", "dropout")
        return [layer["name"] for layer in describe(name).layers if layer["type"] in kept]

    for name in ("alexnet", "alexnet-2012", "alexnet-one-gpu", "caffe-alexnet", "caffenet"):
        assert order(name) == ["fc6", "drop6", "fc7", "drop7", "fc8"]
    for name in ("alexnet-single", "torchvision-alexnet"):
        assert order(name) == ["drop6", "fc6", "drop7", "fc7", "fc8"]


def test_normalisation_is_the_papers_the_sources_and_caffes() -> None:
    paper, source, caffe = words("alexnet"), words("alexnet-2012"), words("caffe-alexnet")
    for layer in ("norm1", "norm2"):
        assert (paper[layer]["alpha_mode"], paper[layer]["k"]) == ("sum", 2.0)
        assert (source[layer]["alpha_mode"], source[layer]["k"]) == ("mean", 2.0)
        assert (caffe[layer]["alpha_mode"], caffe[layer]["k"]) == ("mean", 1.0)
        assert paper[layer]["groups"] == source[layer]["groups"] == 2
        assert "groups" not in caffe[layer]
        assert all(net[layer]["alpha"] == 1e-4 for net in (paper, source, caffe))
    assert source["cnorm2"]["k"] == 1.0 and source["cnorm2"]["alpha"] == 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_another_number_of_classes_changes_the_last_dense_layer_only(name: str) -> None:
    few, many = describe(name, classes=7), describe(name, classes=11)
    assert few.native_layers()[-2]["channels"] == 7
    different = [
        a["name"] for a, b in zip(few.native_layers(), many.native_layers(), strict=True) if a != b
    ]
    assert different == [few.layers[-2]["name"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_named_net_survives_toml(name: str) -> None:
    description = describe(name)
    assert Description.from_toml(description.to_toml()) == description


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "abs", "abs_tanh", "softplus"])
def test_figure1_accepts_an_activation_and_predicts(activation: str) -> None:
    net = Net("figure1", activation=activation)
    assert {layer["type"] for layer in net.describe(1)["layers"]} >= {activation}
    answer = net.predict(np.zeros((2, 32, 32, 3), np.uint8))
    assert answer.shape == (2, 10)
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-6)


def test_the_error_message_for_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"no network called 'alexnt': did you mean 'alexnet'"):
        describe("alexnt")


def test_an_option_that_a_net_does_not_have_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no option 'activation'; its options are top_device"):
        describe("alexnet", activation="tanh")
    with pytest.raises(
        ModelError, match=r"activation 'swish' is unknown; it must be one of relu, tanh"
    ):
        describe("figure1", activation="swish")


@pytest.mark.parametrize("name", NAMES)
def test_the_default_config_of_every_net_is_valid(name: str) -> None:
    defaults = describe(name).default_config
    config = TrainConfig(**defaults)
    assert {setting: getattr(config, setting) for setting in defaults} == defaults
    make_schedule(config)
