"""Networks in bfloat16: weights and activations are rounded, the public API stays float32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.models import Description
from helpers import held
from safetensors import safe_open

# In blocks of 16 channels and in planes, with every layer that saves values for the backward pass.
LAYERS = (
    {"name": "conv1", "type": "conv", "channels": 32, "kernel": 3, "pad": 1, "weight_std": 0.2},
    {"name": "relu1", "type": "relu"},
    {"name": "norm1", "type": "lrn", "groups": 2},
    {"name": "pool1", "type": "max_pool", "size": 3, "stride": 2},
    {"name": "conv2", "type": "conv", "channels": 24, "kernel": 3, "groups": 2, "weight_std": 0.1},
    {"name": "tanh2", "type": "tanh"},
    {"name": "drop2", "type": "dropout"},
    {"name": "fc3", "type": "dense", "channels": "classes", "weight_std": 0.1},
    {"name": "prob", "type": "softmax"},
)


def small(precision: str = "bf16", threads: int = 0) -> Net:
    description = Description("small", (3, 9, 9), 4, LAYERS)
    return Net(description, precision=precision, threads=threads)


def batch(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, 3, 9, 9)).astype(np.float32)
    return images, np.arange(count) % 4


def one_weight(device: str) -> _core.Network:
    layers = [{"name": "fc", "type": "dense", "channels": 1}, {"name": "prob", "type": "softmax"}]
    return _core.Network(layers, (1, 1, 1), devices=(device,), precision="bf16")


def test_updates_too_small_for_bfloat16_are_not_lost(device: str) -> None:
    net = one_weight(device)
    net.set("fc.weight", "value", np.ones((1, 1), np.float32))
    net.set_update("fc.weight", 2.0**-12, 0, 0)
    for _ in range(64):
        net.set("fc.weight", "gradient", -np.ones((1, 1), np.float32))
        net.update()
    assert net.get("fc.weight").item() == 1 + 64 * 2.0**-12


def test_layers_use_the_rounded_weights_after_every_change(device: str) -> None:
    net = one_weight(device)
    net.set_update("fc.weight", 1, 0, 0)
    image = np.ones((1, 1, 1, 1), np.float32)
    for weight, read in [(1.0, 1.0), (1 + 2.0**-9, 1.0), (1 + 3 * 2.0**-9, 1 + 2.0**-7)]:
        net.set("fc.weight", "value", np.full((1, 1), weight, np.float32))
        assert net.features(image, "fc").item() == read
        net.set("fc.weight", "value", np.zeros((1, 1), np.float32))
        net.set("fc.weight", "gradient", np.full((1, 1), -weight, np.float32))
        net.update()
        assert net.get("fc.weight").item() == np.float32(weight)
        assert net.features(image, "fc").item() == read


def test_biases_are_not_rounded(device: str) -> None:
    net = one_weight(device)
    net.set("fc.weight", "value", np.full((1, 1), 256, np.float32))
    net.set("fc.bias", "value", np.full(1, 1.25, np.float32))
    image = np.full((1, 1, 1, 1), 1 / 256, np.float32)
    assert net.features(image, "fc").item() == 2.25


def test_inputs_and_outputs_of_the_api_are_float32() -> None:
    net = small()
    images, labels = batch()
    net.train_step(images, labels, lr=0.01)
    for name in net.params:
        for kind in ("value", "momentum", "gradient"):
            assert net.native.get(name, kind).dtype == np.float32
    probabilities = net.predict(images)
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-6
    features = net.features(images, "norm1")
    assert features.dtype == np.float32
    assert (held(features.astype(np.float64), "bf16") == features).all()
    with pytest.raises(ValueError, match="images must be float32, not float64"):
        net.native.predict(images.astype(np.float64))


def test_losses_are_close_to_those_of_float32() -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        net = small(precision)
        images, labels = batch()
        losses[precision] = [net.train_step(images, labels, lr=0.02).loss for _ in range(20)]
    first, last = losses["fp32"][0], losses["fp32"][-1]
    assert last < 0.8 * first
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=0.02)


def test_a_processor_without_bf16_instructions_trains_by_conversion() -> None:
    script = (
        "from test_bf16 import batch, small\n"
        "from alexnet_native import _core\n"
        "net = small()\n"
        "print(*(net.train_step(*batch(), lr=0.02).loss for _ in range(20)))\n"
        "print(_core.devices())\n"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    ends = []
    for instructions in ("generic", ""):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**env, "ALEXNET_CPU": instructions},
            capture_output=True,
            text=True,
            check=True,
        )
        losses, devices = done.stdout.splitlines()[:2]
        ends.append([float(loss) for loss in losses.split()])
        if instructions:
            assert "bf16 by conversion to fp32" in devices
    np.testing.assert_allclose(ends[0], ends[1], rtol=0.02)


def test_training_is_the_same_to_the_bit_for_any_number_of_threads() -> None:
    ends = []
    for threads in (1, 3):
        net = small(threads=threads)
        images, labels = batch()
        for _ in range(3):
            net.train_step(images, labels, lr=0.02)
        ends.append([net.native.get(name).tobytes() for name in net.params])
    assert ends[0] == ends[1]


def test_checkpoints_have_the_types_and_shapes_of_float32(tmp_path: Path) -> None:
    files = {}
    for precision in ("fp32", "bf16"):
        net = tiny.net(precision=precision)
        images, labels = tiny.arrays(12)
        net.train_step(images, labels, lr=0.01)
        path = tmp_path / precision
        net.save(path)
        with safe_open(path, "np") as file:
            files[precision] = {
                name: (file.get_slice(name).get_dtype(), file.get_slice(name).get_shape())
                for name in file.keys()  # noqa: SIM118  # no dictionary
            }
        for other in ("fp32", "bf16"):
            loaded = Net.load(path, precision=other)
            assert loaded.precision == other
            for name in net.params:
                assert loaded.native.get(name).tobytes() == net.native.get(name).tobytes()
    assert files["bf16"] == files["fp32"]


def test_activations_take_half_the_memory_and_each_weight_two_more_bytes() -> None:
    plans = {p: small(p).native.plan(64) for p in ("fp32", "bf16")}
    memory = {p: plan["memory"][0] for p, plan in plans.items()}
    shapes = [small().native.param_shape(n) for n in small().params if n.endswith("weight")]
    weights = sum(int(np.prod(shape)) for shape in shapes)
    extra = memory["bf16"]["parameter_bytes"] - memory["fp32"]["parameter_bytes"]
    assert extra == 2 * weights
    for layer, wide in zip(plans["bf16"]["layers"], plans["fp32"]["layers"], strict=True):
        if layer["type"] in ("conv", "dense"):
            assert 2 * layer["memory_bytes"] == wide["memory_bytes"]
