"""Networks with batch normalisation: the state of layers, wherever and however they train."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import tiny
from alexnet_native import Net, _core, checkpoint
from alexnet_native.errors import DivergedError
from alexnet_native.models import Description
from alexnet_native.net.params import zero_gradients
from alexnet_native.reports.gradcheck import check_gradients, gradcheck
from alexnet_native.training import prepare, resume
from alexnet_native.training.load_pretrained import load_pretrained
from helpers import assert_close
from placements import APART, FIRST, TOGETHER, TOWERS
from safetensors.numpy import load_file

# In blocks of channels on a CPU and in planes, before a ReLU and after one, on maps and on classes.
LAYERS: tuple[dict[str, Any], ...] = (
    {"name": "conv1", "type": "conv", "channels": 32, "kernel": 3, "pad": 1, "weight_std": 0.3},
    {"name": "bn1", "type": "batch_norm"},
    {"name": "relu1", "type": "relu"},
    {"name": "pool1", "type": "max_pool", "size": 3, "stride": 2},
    {"name": "conv2", "type": "conv", "channels": 32, "kernel": 3, "pad": 1, "weight_std": 0.1},
    {"name": "relu2", "type": "relu"},
    {"name": "bn2", "type": "batch_norm", "eps": 1e-3, "momentum": 0.3},
    {"name": "fc3", "type": "dense", "channels": 6, "weight_std": 0.1},
    {"name": "bn3", "type": "batch_norm"},
    {"name": "tanh3", "type": "tanh"},
    {"name": "fc4", "type": "dense", "channels": "classes", "weight_std": 0.3},
    {"name": "prob", "type": "softmax"},
)
KINDS = ("running_mean", "running_var")
STATE = [f"{layer}.{kind}" for layer in ("bn1", "bn2", "bn3") for kind in KINDS]
NO_EFFECT = ("conv1.bias", "bn2.bias", "fc3.bias")  # the next normalisation takes them out
CLASSES, INPUT = 4, (3, 9, 9)


def described(*, towers: bool = False) -> Description:
    layers = LAYERS
    if towers:
        layers = tuple({**x, "towers": 1 if x["name"] in ("fc4", "prob") else 2} for x in LAYERS)
    return Description("normed", INPUT, CLASSES, layers)


def network(devices: tuple[str, ...] = (FIRST,), *, towers: bool = False, **more: Any) -> Net:
    return Net(described(towers=towers), devices=devices, seed=3, **more)


def batch(count: int = 8, seed: int = 0, dtype: type = np.float32) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    images = rng.normal(0.5, 1, (count, *INPUT)).astype(dtype)
    return images, rng.integers(0, CLASSES, count, dtype=np.int32)


def trained(net: Net, steps: int = 3) -> Net:
    for step in range(steps):
        net.train_step(*batch(seed=step), lr=0.05)
    return net


def values(net: Net) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in net.params.items()}


def test_state_is_no_parameter_but_is_read_and_set_like_one() -> None:
    net = network()
    assert net.native.state_names() == STATE
    assert not set(STATE) & set(net.native.param_names())
    assert list(net.params) == [*net.native.param_names(), *STATE]
    assert (net.params["bn1.weight"] == 1).all() and (net.params["bn1.bias"] == 0).all()
    assert (net.params["bn1.running_mean"] == 0).all()
    assert (net.params["bn1.running_var"] == 1).all()
    net.params["bn1.running_mean"] = np.arange(32)
    assert (net.params["bn1.running_mean"] == np.arange(32)).all()
    for kind in ("momentum", "gradient"):
        with pytest.raises(ValueError, match=r"bn1.running_mean' is the state of a layer"):
            net.native.get("bn1.running_mean", kind)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="which has no update rule"):
        net.native.set_update("bn1.running_var", 0.1, 0, 0)


def test_state_is_not_counted_among_the_parameters() -> None:
    plan = network().native.plan(8)
    rows = {row["name"]: row["parameters"] for row in plan["layers"]}
    assert (rows["bn1"], rows["bn2"], rows["bn3"]) == (64, 64, 12)
    assert plan["parameters"] == sum(rows.values())


def test_a_step_moves_the_running_values_by_the_statistics_of_its_batch(precision: str) -> None:
    net = network(precision=precision)
    images, labels = batch()
    seen = net.features(images, "conv1").astype(np.float64)
    net.train_step(images, labels, lr=0.05)
    want = reference.running_statistics(seen, np.zeros(32), np.ones(32))
    # In bf16 the statistics are of the stored outputs, in float32.
    rel = {"fp32": 1e-5, "fp64": 1e-12, "bf16": 1e-5}[precision]
    for name, value in zip(STATE[:2], want, strict=True):
        assert_close(net.params[name], value, rel)


def test_predictions_take_the_running_values_and_any_number_of_images() -> None:
    net = trained(network())
    images, _ = batch(5)
    together = net.predict(images)
    alone = np.concatenate([net.predict(images[i : i + 1]) for i in range(5)])
    assert_close(alone, together, 1e-6)
    net.params["bn3.running_mean"] = net.params["bn3.running_mean"] + 1
    assert np.abs(net.predict(images) - together).max() > 1e-3


def test_a_batch_of_one_value_for_each_channel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'bn3' .*more than one value per channel"):
        network().train_step(*batch(1), lr=0.01)


def test_freezing_a_layer_stops_its_parameters_and_not_its_running_values() -> None:
    """Also where no gradient is computed at all: every layer before it is frozen too."""
    net = network()
    before = dict(net.params)
    net.train_step(*batch(), lr=0.05, frozen=("conv1", "bn1"))
    for name in ("conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias"):
        np.testing.assert_array_equal(net.params[name], before[name])
    for name in STATE:
        assert (net.params[name] != before[name]).any(), name


def test_frozen_layers_cost_no_backward_pass() -> None:
    net = network()
    net.set_rates(0.05, frozen=("conv1", "bn1"))
    assert not [line for line in net.native.program(8) if "backward bn1" in line]


@pytest.mark.parametrize("passes", ["train_step", "forward_backward"])
def test_a_loss_that_is_not_finite_leaves_the_state(passes: str) -> None:
    net, spared = trained(network()), trained(network())
    images, labels = batch(seed=9)
    images[2, 0, 4, 4] = np.nan
    before = values(net)
    if passes == "train_step":
        with pytest.raises(DivergedError):
            net.train_step(images, labels, lr=0.05)
        assert values(net) == before
    else:
        net.native.forward_backward(_core.Batch(images, labels), step=3)
        for name in net.native.param_names():
            net.native.set(name, "gradient", np.zeros_like(net.params[name]))
        net.native.forget_state_changes()
    for one in (net, spared):  # nothing of it is left for the next step
        one.train_step(*batch(seed=4), lr=0.05)
    assert values(net) == values(spared)


def test_enqueued_steps_have_the_bits_of_steps_that_are_waited_for() -> None:
    waited, enqueued = network(), network()
    for net in (waited, enqueued):
        net.set_rates(0.05)
    for step in range(4):
        images, labels = batch(seed=step)
        native = _core.Batch(images, labels)
        waited.native.begin_step(native, step=step, overlap=False)
        enqueued.native.begin_step(native, step=step, overlap=True)
        assert enqueued.native.next_result().loss == waited.native.next_result().loss
    assert values(waited) == values(enqueued)


@pytest.mark.parametrize("devices", TOWERS, ids=",".join)
def test_two_towers_train_as_one_network_does(devices: tuple[str, ...]) -> None:
    """conv2 and fc3 read both halves, so that only the order of sums differs."""
    one = trained(network(("cpu:0",), precision="fp64"))
    two = trained(network(devices, towers=True, precision="fp64"))
    for name, value in one.params.items():
        if name in NO_EFFECT:  # they stay what they were but for rounding
            assert np.abs(two.params[name]).max() < 1e-15 and np.abs(value).max() < 1e-15
        else:
            assert_close(two.params[name], value, 1e-11)


def test_two_devices_and_one_give_the_same_bits() -> None:
    together, apart = (trained(network(where, towers=True)) for where in (TOGETHER, APART))
    assert values(together) == values(apart)


@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_average_their_statistics_and_stay_equal(replicas: int) -> None:
    """Shares of 8 images: 4 and 4, or 3, 3 and 2."""
    devices = tuple(f"cpu:{i}" for i in range(replicas))
    net = network(devices, replicas=replicas, precision="fp64")
    images, labels = batch(dtype=np.float64)
    parts = np.array_split(images, replicas)
    seen = net.features(images, "conv1")
    shares = np.split(seen, np.cumsum([len(part) for part in parts])[:-1])
    net.train_step(images, labels, lr=0.05)
    for i, name in enumerate(STATE[:2]):
        start = (np.zeros(32), np.ones(32))
        want = sum(
            len(share) / 8 * reference.running_statistics(share, *start)[i] for share in shares
        )
        assert_close(net.params[name], want, 1e-12)
    # Every replica answers for its share of the images; a network with their weights agrees.
    single = network(("cpu:0",), precision="fp64")
    single.params.update(net.params)
    assert_close(net.predict(images), single.predict(images), 1e-12)


def test_replicas_repeat_themselves_bit_for_bit() -> None:
    where: dict[str, Any] = {"devices": ("cpu:0", "cpu:1"), "replicas": 2}
    assert values(trained(network(**where))) == values(trained(network(**where, threads=3)))


@pytest.mark.parametrize("replicas", [1, 2])
def test_parts_of_a_batch_average_their_statistics(replicas: int) -> None:
    net = network(tuple(f"cpu:{i}" for i in range(replicas)), replicas=replicas, precision="fp64")
    images, labels = batch(12, dtype=np.float64)
    seen = net.features(images, "conv1")
    net.set_rates(0.0)
    for first in (0, 4, 8):
        part = slice(first, first + 4)
        native = _core.Batch(images[part], labels[part])
        net.native.forward_backward(native, step=0, first_image=first, total=12)
    net.native.update()
    shares = np.split(seen, 3 * replicas)
    for i, name in enumerate(STATE[:2]):
        want = sum(
            reference.running_statistics(share, np.zeros(32), np.ones(32))[i] for share in shares
        )
        assert_close(net.params[name], want / len(shares), 1e-12)


def test_in_bf16_parameters_and_state_stay_float32() -> None:
    net = trained(network(precision="bf16"))
    for name in ("bn1.weight", "bn1.bias", *STATE):
        value = net.params[name]
        assert value.dtype == np.float32 and np.isfinite(value).all()
        assert (value.view(np.uint32) & 0xFFFF).any(), name  # digits that bf16 does not have


def test_a_gradient_check_passes_and_leaves_the_state() -> None:
    result = gradcheck(described(), images=4, samples=4)
    assert result.passed, str(result)
    scales = {row.name: row.scale for row in result.parameters}
    assert all(scales[name] > 1e-5 for name in scales if name not in NO_EFFECT), str(result)
    net = network(("cpu:0",), precision="fp64")
    before = values(net)
    check_gradients(net, *batch(dtype=np.float64), samples=2)
    assert values(net) == before


class WrongGradients:
    """The core, with the gradient of one parameter replaced."""

    def __init__(self, right: Any, name: str, change: float) -> None:
        self._right, self._name, self._change = right, name, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def get(self, name: str, kind: Any = "value") -> Any:
        value = self._right.get(name, kind)
        return value + self._change if (name, kind) == (self._name, "gradient") else value


@pytest.mark.parametrize(
    ("name", "change"), [("bn1.weight", 1e-4), ("conv1.bias", 1e-4), ("bn3.bias", None)]
)
def test_a_gradient_check_finds_wrong_gradients(name: str, change: float | None) -> None:
    """None: a gradient that is zero up to rounding, though the parameter has an effect."""
    net = network(("cpu:0",), precision="fp64")
    native = net.native
    if change is None:
        images, labels = batch(dtype=np.float64)
        native.forward_backward(_core.Batch(images, labels), step=0)
        wrong: Any = -native.get(name, "gradient") + 1e-17
        zero_gradients(native)
    else:
        wrong = change
    net.native = WrongGradients(native, name, wrong)  # type: ignore[assignment]
    result = check_gradients(net, *batch(dtype=np.float64), samples=4)
    assert [row.name for row in result.parameters if not row.passed] == [name]


def test_a_checkpoint_holds_the_state_and_no_momentum_of_it(tmp_path: Path) -> None:
    net = trained(network())
    net.save(tmp_path / "net")
    tensors = load_file(tmp_path / "net")
    for name in STATE:
        assert tensors[f"value/{name}"].tobytes() == net.params[name].tobytes()
        assert f"momentum/{name}" not in tensors
    loaded = Net.load(tmp_path / "net", devices=(FIRST,))
    assert values(loaded) == values(net)
    assert values(trained(loaded, 2)) == values(trained(net, 2))


def test_a_warm_start_takes_the_state_too(tmp_path: Path) -> None:
    source, net = trained(network()), network()
    source.save(tmp_path / "net")
    load_pretrained(net, checkpoint.load(tmp_path / "net"))
    assert values(net) == values(source)


RELU = '[[layers]]\nname = "relu1"'
TINY = tiny.NET.replace(RELU, f'[[layers]]\nname = "bn1"\ntype = "batch_norm"\n\n{RELU}')


def start(folder: Path, out: str, **changes: Any) -> Path:
    (folder / "net.toml").write_text(TINY)
    data = tiny.write_npz(folder / "data.npz")
    settings = {"net": str(folder / "net.toml"), "data": str(data), "epochs": 4,
                "checkpoint_every": 1, "keep": 50, "log_every": 1, **changes}  # fmt: skip
    prepare(settings, out=folder / out).trainer.run()
    return folder / out


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_training_stopped_and_resumed_ends_in_the_same_bits(
    tmp_path: Path, accumulate: int
) -> None:
    whole = start(tmp_path, "whole", accumulate=accumulate)
    run = start(tmp_path, "run", accumulate=accumulate, steps=3)
    shutil.copytree(run, tmp_path / "copy")
    resume(tmp_path / "copy", {"steps": 0}).trainer.run()
    ours = load_file(tmp_path / "copy" / "checkpoints" / "latest")
    theirs = load_file(whole / "checkpoints" / "latest")
    assert ours.keys() == theirs.keys() and "value/bn1.running_var" in theirs
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_a_network_with_batch_norm_learns(tmp_path: Path) -> None:
    run = start(tmp_path, "run", epochs=30, lr=0.05)
    last = [line for line in tiny.lines(run / "metrics.jsonl") if line["split"] == "val"][-1]
    assert last["top1_error"] <= 0.1, last


def test_the_program_reorders_channels_around_it_where_a_cpu_has_blocks() -> None:
    lines = network().native.program(8, training=False)
    assert any("forward bn1" in line for line in lines)
    reorders = any("@blocks" in line or "@planes" in line for line in lines)
    assert reorders == FIRST.startswith("cpu")
