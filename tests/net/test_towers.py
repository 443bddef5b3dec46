"""Two towers: equal results on one device, on two, and as groups; copies between devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.errors import ModelError
from alexnet_native.models import Description
from placements import APART, FIRST, TOGETHER, TOWERS
from tiny_nets import batch, two_towers

STEPS = 4
TWO_CPUS = ("cpu:0", "cpu:1")


def trained(
    devices: tuple[str, ...], precision: str = "fp32", **more: Any
) -> tuple[Net, list[float]]:
    net = Net(two_towers(), devices=devices, seed=3, precision=precision, **more)
    losses = []
    for step in range(STEPS):
        images, labels = batch(6, seed=step)
        losses.append(net.train_step(images, labels, lr=0.1, weight_decay=0.01).loss)
    return net, losses


def test_two_devices_and_one_give_equal_bits() -> None:
    one, losses = trained(TOGETHER)
    two, others = trained(APART)
    assert losses == others
    for name, value in one.params.items():
        np.testing.assert_array_equal(value, two.params[name], err_msg=name)
    images, _ = batch(3, seed=9)
    np.testing.assert_array_equal(one.predict(images), two.predict(images))


@pytest.mark.parametrize("devices", TOWERS, ids=",".join)
@pytest.mark.parametrize(("precision", "rel"), [("fp32", 1e-5), ("fp64", 1e-13)])
def test_towers_equal_groups_up_to_the_order_of_sums(
    devices: tuple[str, ...], precision: str, rel: float
) -> None:
    towers, losses = trained(devices, precision)
    grouped, others = trained(("cpu:0",), precision)
    np.testing.assert_allclose(losses, others, rtol=rel)
    for name, value in grouped.params.items():
        error = np.abs(value - towers.params[name]).max()
        assert error <= rel * np.abs(value).max(), name


WIDE = tuple(
    {"name": name, "towers": towers, **words}
    for name, towers, words in (
        ("conv1", 2, {"type": "conv", "channels": 64, "kernel": 3, "pad": 1, "weight_std": 0.1}),
        ("relu1", 2, {"type": "relu"}),
        ("conv2", 2, {"type": "conv", "channels": 64, "kernel": 3, "pad": 1, "weight_std": 0.05}),
        ("relu2", 2, {"type": "relu"}),
        ("norm2", 2, {"type": "lrn", "size": 5, "alpha": 0.1, "groups": 2}),
        ("conv3", 1, {"type": "conv", "channels": 32, "kernel": 3, "weight_std": 0.05}),
        ("fc4", 1, {"type": "dense", "channels": "classes", "weight_std": 0.05}),
        ("prob", 1, {"type": "softmax"}),
    )
)


@pytest.mark.parametrize("devices", TOWERS, ids=",".join)
def test_values_in_blocks_of_channels_are_copied_to_every_device(
    devices: tuple[str, ...],
) -> None:
    images, labels = np.random.default_rng(1).normal(size=(4, 3, 9, 9)).astype(np.float32), [0, 3]
    batch = images, np.array([*labels, 1, 2], np.int32)
    results = []
    for where in (devices, ("cpu:0",)):
        net = Net(Description("wide", (3, 9, 9), 4, WIDE), devices=where, seed=3)
        losses = [net.train_step(*batch, lr=1e-3).loss for _ in range(STEPS)]
        results.append([*losses, *net.predict(batch[0]).ravel()])
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-6)


def test_the_number_of_threads_changes_nothing() -> None:
    one, losses = trained(APART, threads=1)
    many, others = trained(APART, threads=3)
    assert losses == others
    assert all((one.params[name] == many.params[name]).all() for name in one.params)


def test_features_of_a_split_layer_contain_both_halves() -> None:
    images, _ = batch(2)
    towers, grouped = (Net(two_towers(), devices=d, seed=3) for d in (APART, (FIRST,)))
    for layer in ("norm1", "conv3", "pool4", "drop6", "fc8"):
        got, want = towers.features(images, layer), grouped.features(images, layer)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max(), err_msg=layer)


def test_alexnet_copies_57_25_mib_between_devices_in_a_step_of_128_images() -> None:
    plan = Net("alexnet", devices=TWO_CPUS).describe(128)
    # Floats copied per image in one direction; those of drop7 only to the device of fc8.
    one_way = {"pool2": 128 * 13 * 13, "pool5": 128 * 6 * 6, "drop6": 2048, "drop7": 2048}
    want = sorted(
        (f"{value}/{tower}", f"cpu:{tower}", f"cpu:{1 - tower}", 4 * 128 * floats)
        for value, floats in one_way.items()
        for tower in ((1,) if value == "drop7" else (0, 1))
    )
    edges = plan["cross_edges"]
    got = sorted((e["value"], e["source"], e["target"], e["forward_bytes"]) for e in edges)
    assert got == want
    assert all(edge["backward_bytes"] == edge["forward_bytes"] for edge in edges)
    assert plan["bytes_per_step"] == 60_030_976
    assert plan["bytes_per_step"] / 2**20 == 57.25


def test_the_last_layers_can_be_placed_on_the_second_device() -> None:
    plan = Net("alexnet", devices=TWO_CPUS, top_device=1).describe(128)
    last = [layer for layer in plan["layers"] if layer["name"] in ("fc8", "prob")]
    assert [layer["device"] for layer in last] == ["cpu:1", "cpu:1"]
    assert [e["target"] for e in plan["cross_edges"] if e["value"].startswith("drop7")] == ["cpu:1"]
    assert plan["bytes_per_step"] == 60_030_976


def test_on_one_device_nothing_is_copied_between_devices() -> None:
    for devices in ((FIRST,), TOGETHER):
        plan = Net("alexnet", devices=devices).describe(8)
        assert plan["cross_edges"] == [] and plan["bytes_per_step"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet-2012", "alexnet-6conv"])
def test_the_towers_of_the_full_networks_equal_the_groups(name: str) -> None:
    images = np.random.default_rng(0).normal(0, 60, (2, 3, 224, 224)).astype(np.float32)
    nets = [Net(name, classes=10, devices=devices, seed=1) for devices in (APART, (FIRST,))]
    towers, grouped = (net.features(images, "fc8") for net in nets)
    assert np.abs(towers - grouped).max() <= 1e-5 * np.abs(grouped).max()


def test_a_net_without_towers_on_two_devices_raises_an_error() -> None:
    with pytest.raises(ModelError, match=r"no layers with towers = 2, so it can run on one device"):
        Net("alexnet-single", devices=TWO_CPUS)
