"""`augment = "device"`: augmentation on the network's devices equals that on the CPU to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.config import TrainConfig
from alexnet_native.data.batches import RawImages, TrainBatch
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import ConfigError, DivergedError
from alexnet_native.models import Description
from alexnet_native.training import fit
from alexnet_native.training.defaults import resolve
from alexnet_native.training.run_folder import RunState
from alexnet_native.training.trainer import make_loader
from numpy.typing import NDArray

TOWERS = tiny.NET.replace("channels = 6", "channels = 6\ntowers = 2").replace(
    'type = "relu"', 'type = "relu"\ntowers = 2'
)


def net(devices: tuple[str, ...] = ("cpu:0",), **words: Any) -> Net:
    return Net(Description.from_toml(TOWERS), devices=devices, seed=3, **words)


def gradients(network: Net) -> dict[str, NDArray[np.floating[Any]]]:
    return {name: network.native.get(name, "gradient") for name in network.native.param_names()}


def batches(network: Net, where: str, **settings: Any) -> Iterator[TrainBatch]:
    data = tiny.data()
    given = {"mirror": True, **settings, "augment": where}
    config = resolve(given, Description.from_toml(TOWERS), data, {})
    with make_loader(network, data.train, statistics(data.train), config, RunState()) as loader:
        yield from islice(loader, 7)


def part_of(batch: TrainBatch, first: int, last: int) -> _core.Batch:
    labels = batch.labels[first:last]
    if not isinstance(batch.images, RawImages):
        return _core.Batch(batch.images[first:last], labels)
    raw = batch.images
    return _core.Batch.of_records(
        raw.records[first:last],
        labels,
        offsets=raw.offsets[first:last],
        mirror=raw.mirror[first:last],
        color=None if raw.color is None else raw.color[first:last],
        scale=raw.scale,
    )


def forward_backward(network: Net, batch: TrainBatch, parts: int) -> float:
    """Returns the loss; the gradients are added to those of the network."""
    total = len(batch.labels)
    size = -(-total // parts)
    return sum(
        network.native.forward_backward(
            part_of(batch, first, first + size), step=network.step, first_image=first, total=total
        ).loss
        for first in range(0, total, size)
    )


@pytest.mark.parametrize("devices", [("cpu:0",), ("cpu:0", "cpu:1")])
@pytest.mark.parametrize(
    "settings",
    [{}, {"mean": "centre"}, {"mean": "none", "color_std": 0.0}, {"color_off": 1}],
)
def test_losses_and_gradients_are_those_of_the_cpu(
    devices: tuple[str, ...], settings: dict[str, Any]
) -> None:
    one, other = net(devices), net(devices)
    pairs = zip(batches(one, "cpu", **settings), batches(other, "device", **settings), strict=True)
    for here, there in pairs:
        assert isinstance(there.images, RawImages)
        a, b = forward_backward(one, here, 1), forward_backward(other, there, 1)
        assert a == b
        for name, value in gradients(one).items():
            np.testing.assert_array_equal(gradients(other)[name], value)


def test_each_part_of_a_batch_uses_its_own_random_draws() -> None:
    one, other = net(), net()
    for here, there in zip(batches(one, "cpu"), batches(other, "device"), strict=True):
        a, b = forward_backward(one, here, 3), forward_backward(other, there, 3)
        assert a == b


def test_images_augmented_on_the_device_can_be_computed_on_the_cpu() -> None:
    network = net()
    mean = statistics(tiny.data().train).mean
    for here, there in zip(batches(network, "cpu"), batches(network, "device"), strict=True):
        assert isinstance(there.images, RawImages)
        np.testing.assert_array_equal(there.images.augmented((8, 8), mean), here.images)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_gives_equal_weights(precision: str) -> None:
    nets = []
    for where in ("cpu", "device"):
        network = net(precision=precision)
        fit(network, tiny.data(), epochs=2, verbose=False, augment=where, loader_threads=2)
        nets.append(network)
    for name in nets[0].params:
        np.testing.assert_array_equal(nets[1].params[name], nets[0].params[name])


@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_use_the_random_draws_of_their_own_images(replicas: int) -> None:
    nets = []
    for where in ("cpu", "device"):
        devices = tuple(f"cpu:{index}" for index in range(replicas))
        network = net(devices, replicas=replicas)
        settings: dict[str, Any] = {"mirror": True, "color_std": 0.1, "accumulate": 2}
        fit(network, tiny.data(), epochs=2, verbose=False, augment=where, **settings)
        nets.append(network)
    untrained = net()
    for name in nets[0].params:
        np.testing.assert_array_equal(nets[1].params[name], nets[0].params[name])
        assert (nets[0].params[name] != untrained.params[name]).any()


def test_the_error_of_a_diverged_run_names_the_layer() -> None:
    with pytest.raises(DivergedError, match="the first layer to overflow"):
        fit(net(), tiny.data(), epochs=9, verbose=False, augment="device", lr=1e30)


def test_double_precision_raises_an_error() -> None:
    with pytest.raises(ConfigError, match=r"augment is device.*fp64"):
        TrainConfig(augment="device", precision="fp64")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offsets": np.array([[3, 0]], np.int32)}, r"crop of image 0 at \(3, 0\)"),
        ({"records": np.zeros((1, 7, 10, 3), np.uint8)}, "records of 7x10 are smaller"),
        ({"records": np.zeros((1, 10, 10, 1), np.uint8)}, r"records must be uint8 \(1, H, W, 3\)"),
        ({"mirror": np.zeros(2, np.uint8)}, r"mirror must be uint8 \(1,\)"),
        ({"color": np.zeros((1, 2), np.float32)}, "color has 2 elements, expected 3"),
    ],
)
def test_wrong_records_raise_an_error(change: dict[str, Any], words: str) -> None:
    raw: dict[str, Any] = {
        "records": np.zeros((1, 10, 10, 3), np.uint8),
        "offsets": np.zeros((1, 2), np.int32),
        "mirror": np.zeros(1, np.uint8),
        "color": None,
        "scale": 1.0,
    }
    native, labels = net().native, np.zeros(1, np.int32)
    native.forward_backward(_core.Batch.of_records(labels=labels, **raw), step=0)
    with pytest.raises(ValueError, match=words):
        batch = _core.Batch.of_records(labels=labels, **raw | change)
        native.forward_backward(batch, step=0)
