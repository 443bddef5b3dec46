"""Batch normalisation against torch.nn.BatchNorm2d and BatchNorm1d, in a network that trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.models import Description
from helpers import assert_close

torch = pytest.importorskip("torch", reason="the comparison needs PyTorch: pip install torch")
from alexnet_native.interop import torch_net  # noqa: E402

LR, MOMENTUM, DECAY, STEPS = 0.05, 0.9, 5e-3, 6
LAYERS: tuple[dict[str, Any], ...] = (
    {"name": "conv1", "type": "conv", "channels": 32, "kernel": 3, "pad": 1, "weight_std": 0.3},
    {"name": "bn1", "type": "batch_norm"},
    {"name": "relu1", "type": "relu"},
    {"name": "pool1", "type": "max_pool", "size": 3, "stride": 2},
    {"name": "conv2", "type": "conv", "channels": 32, "kernel": 3, "weight_std": 0.1},
    {"name": "bn2", "type": "batch_norm", "eps": 1e-2, "momentum": 0.3},
    {"name": "relu2", "type": "relu"},
    {"name": "fc3", "type": "dense", "channels": 6, "weight_std": 0.1},
    {"name": "bn3", "type": "batch_norm"},
    {"name": "relu3", "type": "relu"},
    {"name": "fc4", "type": "dense", "channels": "classes", "weight_std": 0.3},
    {"name": "prob", "type": "softmax"},
)
# The next normalisation takes them out: their gradients are rounding alone.
NO_EFFECT = ("conv1.bias", "conv2.bias", "fc3.bias")


def batch(step: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(step)
    return rng.normal(0.5, 1, (8, 3, 9, 9)), rng.integers(0, 4, 8)


def test_losses_parameters_and_running_values_are_pytorchs() -> None:
    net = Net(Description("normed", (3, 9, 9), 4, LAYERS), seed=3, precision="fp64")
    net.params["bn1.running_mean"] = np.linspace(-1, 1, 32)
    theirs, shape = torch_net.build(net.description, exact=True)
    assert shape == (3, 9, 9)
    torch_net.load(theirs.double(), net.params)
    weights = [p for name, p in theirs.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in theirs.named_parameters() if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=LR, momentum=MOMENTUM)
    theirs.train()
    for step in range(STEPS):
        images, labels = batch(step)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(images)), torch.from_numpy(labels)
        )
        loss.backward()
        optimizer.step()
        ours = net.train_step(images, labels, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
        assert ours.loss == pytest.approx(loss.item(), rel=1e-10), f"step {step}"
    state = theirs.state_dict()
    for name, value in net.params.items():
        if name in NO_EFFECT:
            assert np.abs(value).max() < 1e-14
        else:
            assert_close(value, state[name].numpy(), 1e-9)

    images, _ = batch(STEPS)
    theirs.eval()
    with torch.no_grad():
        want = torch.softmax(theirs(torch.from_numpy(images)), 1).numpy()
    assert_close(net.predict(images), want, 1e-9)
