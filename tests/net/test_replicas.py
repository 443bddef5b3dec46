"""Replicas train like one device up to the order of sums, and reproducibly to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.errors import DivergedError, ModelError
from alexnet_native.recipes.recipe import parse_recipe
from alexnet_native.training import prepare, resume
from alexnet_native.training.build import set_up
from helpers import assert_close
from placements import DEVICES
from safetensors.numpy import load_file
from tiny_nets import CLASSES, INPUT, two_towers

# A device for each of two replicas, of the kind under test.
KIND = "cuda" if any(name.startswith("cuda") for name in DEVICES) else "cpu"
PAIR = (f"{KIND}:0", f"{KIND}:1")


def cpus(count: int) -> tuple[str, ...]:
    return tuple(f"cpu:{index}" for index in range(count))


def steps(net: Net, batches: tuple[int, ...] = (7, 7, 7, 1, 7)) -> list[float]:
    """Returns the losses of steps on batches with these numbers of images."""
    losses = []
    for index, count in enumerate(batches):
        rng = np.random.default_rng(index)
        images = rng.normal(0, 1, (count, *INPUT))
        labels = rng.integers(0, CLASSES, count)
        losses.append(net.train_step(images, labels, lr=0.02, weight_decay=0.01).loss)
    return losses


def weights(net: Net) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in net.params.items()}


@pytest.mark.parametrize(
    ("replicas", "devices"),
    [(2, PAIR), (2, ("cpu:0", "cpu:1", "cpu:2", "cpu:3")), (3, cpus(3)), (8, cpus(8))],
    ids=["two", "two of two towers", "three", "more than images"],
)
def test_replicas_train_like_one_device(replicas: int, devices: tuple[str, ...]) -> None:
    one = Net(two_towers(), devices=("cpu:0",), seed=2, precision="fp64")
    many = Net(two_towers(), devices=devices, replicas=replicas, seed=2, precision="fp64")
    for net in (one, many):
        net.params.update({n: 3 * v for n, v in net.params.items()})  # every layer matters
    assert_close(steps(many), steps(one), rel=1e-12)
    for name, value in one.params.items():
        assert_close(many.params[name], value, rel=1e-11)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_on_replicas_is_reproducible_to_the_bit(precision: str) -> None:
    where: dict[str, Any] = {"devices": PAIR, "replicas": 2, "precision": precision}
    first, again = Net(two_towers(), **where), Net(two_towers(), **where, threads=3)
    assert steps(first) == steps(again)
    assert weights(first) == weights(again)


def test_frozen_layers_stay_unchanged_and_the_others_change_as_on_one_device() -> None:
    nets = [
        Net(two_towers(), devices=cpus(n), replicas=n, precision="fp64", seed=1) for n in (1, 2)
    ]
    before = nets[1].params["conv2.weight"]
    rng = np.random.default_rng(0)
    images, labels = rng.normal(0, 1, (5, *INPUT)), rng.integers(0, CLASSES, 5)
    for frozen in (("conv2",), (), ("fc6", "conv1")):
        for net in nets:
            net.train_step(images, labels, lr=0.05, frozen=frozen)
        if frozen == ("conv2",):
            assert (nets[1].params["conv2.weight"] == before).all()
    assert (nets[1].params["conv2.weight"] != before).any()
    for name, value in nets[0].params.items():
        assert_close(nets[1].params[name], value, rel=1e-11)


def test_predictions_of_replicas_are_those_of_one_device() -> None:
    one = Net(two_towers(), devices=PAIR[:1], seed=1)
    many = Net(two_towers(), devices=PAIR, replicas=2, seed=1)
    rng = np.random.default_rng(0)
    for count in (7, 1):
        images = rng.normal(0, 1, (count, *INPUT)).astype(np.float32)
        labels = rng.integers(0, CLASSES, count)
        assert_close(many.predict(images), one.predict(images), rel=1e-6)
        assert_close(many.features(images, "conv3"), one.features(images, "conv3"), rel=1e-6)
        ours, theirs = many.evaluate(images, labels), one.evaluate(images, labels)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-6)
        assert (ours.images, ours.top1_error) == (theirs.images, theirs.top1_error)


# Batches of 8 in parts of 3, 3 and 2 images; the epoch's last one has 5.
SETTINGS: dict[str, Any] = {"epochs": 2, "accumulate": 3, "lr": 0.03, "checkpoint_every": 1,
                            "log_every": 1, "keep": 50}  # fmt: skip


def train(folder: Path, out: str, **changes: Any) -> Path:
    given = {"net": str(tiny.write_net(folder / "net.toml")), **SETTINGS, **changes}
    given["data"] = str(tiny.write_npz(folder / "data.npz"))
    prepare(given, out=folder / out).trainer.run()
    return folder / out


def losses_of(run: Path) -> list[float]:
    return [line["loss"] for line in tiny.lines(run / "metrics.jsonl")]


def test_a_run_on_replicas_has_the_losses_of_one_device(tmp_path: Path) -> None:
    one = train(tmp_path, "one")
    two = train(tmp_path, "two", devices=PAIR, replicas=2)
    again = train(tmp_path, "again", devices=PAIR, replicas=2)
    assert_close(losses_of(two), losses_of(one), rel=1e-5)
    assert tiny.timeless(tiny.lines(again / "metrics.jsonl")) == tiny.timeless(
        tiny.lines(two / "metrics.jsonl")
    )
    ours, theirs = (load_file(run / "checkpoints" / "latest") for run in (again, two))
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_a_run_can_be_resumed_with_another_number_of_replicas(tmp_path: Path) -> None:
    whole = train(tmp_path, "whole")
    run = train(tmp_path, "run", devices=PAIR, replicas=2, steps=3)
    resume(run, {"steps": 6, "devices": cpus(3), "replicas": 3}).trainer.run()
    resume(run, {"steps": 0, "devices": ("cpu:0",), "replicas": 1}).trainer.run()
    steps_of = {line["step"]: line["loss"] for line in tiny.lines(run / "metrics.jsonl")}
    wanted = {line["step"]: line["loss"] for line in tiny.lines(whole / "metrics.jsonl")}
    assert steps_of.keys() == wanted.keys()
    assert_close(list(steps_of.values()), list(wanted.values()), rel=1e-5)


def test_the_number_of_replicas_is_not_a_deviation_from_a_recipe(tmp_path: Path) -> None:
    net, data = tiny.write_net(tmp_path / "n.toml"), tiny.write_npz(tmp_path / "data.npz")
    recipe = parse_recipe("mine", f'[net]\nnet = "{net}"\n[training]\nlr = 0.02\n')
    setup = set_up({"data": str(data), "devices": cpus(2), "replicas": 2}, recipe)
    assert setup.followed is not None
    assert setup.followed.deviations(setup.config) == ()


def test_an_image_that_is_not_finite_in_one_replica_fails_the_step_of_all() -> None:
    net = Net(two_towers(), devices=PAIR, replicas=2)
    rng = np.random.default_rng(0)
    images, labels = rng.normal(0, 1, (6, *INPUT)), rng.integers(0, CLASSES, 6)
    before = weights(net)
    spoilt = images.copy()
    spoilt[5, 0, 0, 0] = np.nan  # in the second replica's share
    with pytest.raises(DivergedError, match="the first layer to overflow is data"):
        net.train_step(spoilt, labels, lr=0.01)
    assert weights(net) == before
    fresh = Net(two_towers(), devices=PAIR, replicas=2)
    for one in (net, fresh):
        one.train_step(images, labels, lr=0.01)
    assert weights(net) != before
    assert weights(net) == weights(fresh)  # the failed step had no effect


def test_steps_of_replicas_do_not_overlap() -> None:
    net = Net(two_towers(), devices=PAIR, replicas=2)
    images, labels = np.zeros((4, *INPUT), np.float32), np.zeros(4, np.int32)
    assert not net.native.overlaps
    with pytest.raises(ValueError, match="steps of 2 replicas cannot overlap"):
        net.native.begin_step(_core.Batch(images, labels), step=0, overlap=True)
    assert net.native.waiting_steps == 0


@pytest.mark.parametrize(
    ("devices", "replicas", "message"),
    [
        ("cpu:0,cpu:1,cpu:2", 2, "3 devices cannot be divided among 2 replicas"),
        ("cpu:0", 2, "1 devices cannot be divided among 2 replicas"),
        ("cpu:0,cpu:0", 2, "cpu:0 is given for two replicas"),
        ("cpu:0,cpu:1,cpu:1,cpu:2", 2, "cpu:1 is given for two replicas"),
        ("cpu:0,cpu:1", 0, "the number of replicas must be at least 1, got 0"),
        ("cpu:0,cpu:1,cpu:2,cpu:3", 1, "one or two devices, got 4"),
    ],
)
def test_a_wrong_number_of_devices_raises_an_error(
    devices: str, replicas: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Net(two_towers(), devices=devices, replicas=replicas)


def test_describe_shows_the_gradients_and_the_memory_of_every_device() -> None:
    net = Net("alexnet", devices=cpus(4), replicas=2)
    net.set_rates(0.01)
    summary = net.describe(128)
    assert summary["reduction"]["bytes"] == 4 * summary["parameters"]
    text = str(summary)
    assert "MiB of gradients, in " in text and "are summed over 2 replicas in each step" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    memory = {row["device"]: row for row in summary["memory"]}
    assert list(memory) == list(cpus(4))
    # Without `accumulates` a single replica updates immediately and keeps no gradients.
    one = Net("alexnet", devices=cpus(2)).native.plan(64, accumulates=True)
    for device, twin in (("cpu:0", "cpu:2"), ("cpu:1", "cpu:3")):
        alone = next(row for row in one["memory"] if row["device"] == device)
        for name in (device, twin):
            assert memory[name]["activation_bytes"] == alone["activation_bytes"]
            assert memory[name]["parameter_bytes"] == alone["parameter_bytes"]
            assert 10 << 20 < memory[name]["reduction_bytes"] < 13 << 20  # half a bucket
    net.set_rates(0.01, frozen=("fc6", "fc7"))
    assert net.describe(128)["reduction"]["bytes"] < summary["reduction"]["bytes"] / 5
    assert "gradients" not in str(net.describe(128, training=False))
    assert repr(net).endswith("on cpu:0, cpu:1, cpu:2, cpu:3 (2 replicas)>")


def test_a_profile_contains_the_sums_of_gradients() -> None:
    net = Net(two_towers(), devices=cpus(2), replicas=2)
    steps(net, (4,))
    net.native.profile(True)
    steps(net, (4,))
    lanes = net.native.take_profile()
    net.native.profile(False)
    assert [lane["device"] for lane in lanes] == ["cpu:0", "cpu:1", "cpu:0", "cpu:1"]
    for lane in lanes[2:]:
        assert {task["phase"] for task in lane["tasks"]} == {"reduce"}
        assert {"copy", "sum_of_ranks"} <= {task["what"] for task in lane["tasks"]}
    assert all("backward" in {task["phase"] for task in lane["tasks"]} for lane in lanes[:2])
