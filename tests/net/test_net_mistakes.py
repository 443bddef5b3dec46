"""Error messages of Net; a call that raises an error changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.config import SETTINGS
from alexnet_native.errors import CheckpointError, DataError, DivergedError, ModelError
from alexnet_native.models import Description, describe
from tiny_nets import CLASSES, batch, mean_image, photos, two_towers


def test_error_messages_about_parameters_name_the_parameter() -> None:
    net = Net(two_towers())
    with pytest.raises(
        KeyError, match=r"no parameter 'conv1\.weights'; did you mean conv1\.weight"
    ):
        net.params["conv1.weights"]
    with pytest.raises(KeyError, match=r"no parameter 'x'; the parameters are conv1\.weight"):
        net.params["x"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"'conv1\.bias' has shape \(8,\), the array \(9,\)"):
        net.params["conv1.bias"] = np.zeros(9)
    with pytest.raises(ValueError, match=r"'conv1\.bias' must be set to numbers"):
        net.params["conv1.bias"] = np.full(8, "a")
    with pytest.raises(TypeError, match=r"cannot be deleted"):
        del net.params["conv1.bias"]
    assert "conv1.bias" in net.params and "x" not in net.params


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (batch(2)[0], [0, CLASSES], r"label 5 of image 1 is outside 0\.\.4"),
        (batch(2)[0], [-1, 0], r"label -1 of image 0 is outside"),
        (batch(2)[0], [0], r"2 images but 1 labels"),
        (batch(2)[0], [0.0, 1.0], r"labels must be integers"),
        (batch(2)[0], [[0, 1]], r"labels must be integers \(N,\)"),
        (batch(0)[0], np.zeros(0, int), r"the batch is empty"),
        (np.zeros((0, 30, 30, 3), np.uint8), np.zeros(0, int), r"the batch is empty"),
        (batch(2)[0][:, :, 1:], [0, 1], r"or floats \(N, 3, 26, 26\), not float32 of shape"),
        (np.zeros((2, 25, 40, 3), np.uint8), [0, 1], r"25 x 40 pixels are smaller than .* 26 x 26"),
        (np.zeros((2, 30, 30, 1), np.uint8), [0, 1], r"images must be uint8 \(N, H, W, 3\)"),
        (np.zeros((2, 3, 26, 26), int), [0, 1], r"images must be .* not int64"),
        (np.zeros((3, 26, 26), np.float32), [0], r"images must be .* of shape \(3, 26, 26\)"),
    ],
)
def test_wrong_batches_raise_an_error_and_change_nothing(
    images: Any, labels: Any, message: str
) -> None:
    net = Net(two_towers(), seed=1)
    before = dict(net.params.items())
    with pytest.raises(DataError, match=message):
        net.train_step(images, labels, lr=0.1)
    with pytest.raises(DataError, match=message):
        net.evaluate(images, labels)
    assert net.step == 0
    assert all(np.array_equal(net.params[name], before[name]) for name in before)


def test_images_that_do_not_have_the_size_of_the_mean_raise_an_error() -> None:
    net = Net(two_towers())
    net.preprocess = mean_image()
    with pytest.raises(DataError, match=r"\(N, 31, 29, 3\)"):
        net.predict(np.zeros((1, 40, 40, 3), np.uint8))


def test_views_require_uint8_images_and_are_one_or_ten() -> None:
    net = Net(two_towers())
    with pytest.raises(DataError, match=r"views are cut from uint8 images"):
        net.predict(batch(1)[0], views=10)
    with pytest.raises(DataError, match=r"views is 5; it must be 1"):
        net.predict(photos(1), views=5)


def test_unknown_layers_and_devices_are_named() -> None:
    net = Net(two_towers())
    with pytest.raises(ModelError, match=r"no layer 'conv9'; the layers are conv1, relu1"):
        net.features(batch(1)[0], "conv9")
    with pytest.raises(ModelError, match=r"'relu1' cannot be frozen: .* are conv1, conv2, "):
        net.set_rates(0.1, frozen=["relu1"])
    with pytest.raises(ModelError, match=r"gpu:0"):
        Net(two_towers(), devices="gpu:0")
    with pytest.raises(ModelError, match=r"seed is -1"):
        Net(two_towers(), seed=-1)
    with pytest.raises(ModelError, match=r"precision 'fp16'"):
        Net(two_towers(), precision="fp16")


def test_an_infinite_loss_names_the_layer_and_changes_nothing() -> None:
    images, labels = batch(3)
    net = Net(two_towers(), seed=1)
    weight = net.params["conv3.weight"]
    weight[:] = 1e38
    net.params["conv3.weight"] = weight
    before = dict(net.params.items())
    with pytest.raises(DivergedError, match=r"step 1; the first layer to overflow is conv3"):
        net.train_step(images, labels, lr=0.1)
    assert all(np.array_equal(net.params[name], before[name]) for name in before)
    assert all(not net.native.get(name, "gradient").any() for name in before)
    assert net.step == 0


def test_find_nonfinite_checks_images_parameters_and_outputs() -> None:
    images, _ = batch(3)
    net = Net(two_towers(), seed=1)
    assert net.find_nonfinite() is None and net.find_nonfinite(images) is None
    damaged = images.copy()
    damaged[1, 2, 3, 4] = np.nan
    assert net.find_nonfinite(damaged) == "data"
    bias = net.params["conv4.bias"]
    bias[3] = np.inf
    net.params["conv4.bias"] = bias
    assert net.find_nonfinite() == net.find_nonfinite(images) == "conv4"


def test_the_error_for_a_missing_checkpoint_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        Net.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("type", ["convolution", "copy", "reorder"])
def test_the_error_for_an_unknown_layer_type_lists_the_types_of_descriptions(type: str) -> None:
    with pytest.raises(ModelError, match=f"layer 'relu1': unknown layer type '{type}'") as it:
        Net(two_towers(relu1={"type": type}))
    known = str(it.value).partition("; known types: ")[2].split(", ")
    assert known == sorted(known) and {"conv", "lrn_within", "softmax"} <= set(known)
    assert not {"copy", "reorder"} & set(known)


def with_engine(engine: str, *names: str) -> Description:
    """AlexNet with a given engine in some convolutions."""
    description = describe("alexnet")
    layers = ({**x, "engine": engine} if x["name"] in names else x for x in description.layers)
    return replace(description, layers=tuple(layers))


def test_the_engine_of_a_description_is_used() -> None:
    net = Net(with_engine("direct", "conv1", "conv2", "conv5"), devices="cpu:0")
    engines = {row["name"]: row["engine"] for row in net.native.plan(128, training=True)["layers"]}
    assert engines["conv1"] == engines["conv2"] == engines["conv5"] == "direct"
    assert engines["conv3"] == "winograd"


def test_the_error_for_an_unsuitable_engine_names_the_layer() -> None:
    with pytest.raises(ModelError, match=r"layer 'conv1': engine winograd needs .*: choose auto"):
        Net(with_engine("winograd", "conv1"), devices="cpu:0")


def test_the_help_lists_the_engines_of_a_cpu() -> None:
    with pytest.raises(ModelError, match="no convolution engine 'fft' on cpu:0: choose") as caught:
        Net(with_engine("fft", "conv1"), devices="cpu:0")
    engines = str(caught.value).partition("choose auto, ")[2]
    assert engines and f"auto; on CPUs {engines};" in SETTINGS["engine"].help
