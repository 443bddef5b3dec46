"""Networks converted to PyTorch predict what ours predict."""

from __future__ import annotations

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.models import Description
from helpers import assert_close

torch = pytest.importorskip("torch", reason="the comparison needs PyTorch: pip install torch")
from alexnet_native.interop import torch_net  # noqa: E402


@pytest.mark.parametrize("mode", ["2012", "inverted"])
def test_dropout_in_inference_mode_is_that_of_the_network(mode: str) -> None:
    layers = (
        {"name": "conv1", "type": "conv", "channels": 6, "kernel": 3, "weight_std": 0.3},
        {"name": "relu1", "type": "relu"},
        {"name": "fc2", "type": "dense", "channels": 8, "weight_std": 0.3},
        {"name": "drop2", "type": "dropout", "rate": 0.3, "mode": mode},
        {"name": "fc3", "type": "dense", "channels": "classes", "weight_std": 0.5},
        {"name": "prob", "type": "softmax"},
    )
    description = Description("dropped", (2, 7, 7), 5, layers)
    net = Net(description, seed=1)
    images = np.random.default_rng(2).standard_normal((4, 2, 7, 7), dtype=np.float32)
    module, _ = torch_net.build(description, exact=True)
    torch_net.load(module, net.params)
    with torch.no_grad():
        logits = module.eval()(torch.from_numpy(images))
    assert_close(net.predict(images), torch.softmax(logits, 1).numpy(), 1e-5)


def test_paper_dropout_drops_without_scaling_in_training() -> None:
    layers = (
        {"name": "drop", "type": "dropout", "rate": 0.25},
        {"name": "fc", "type": "dense", "channels": "classes"},
        {"name": "prob", "type": "softmax"},
    )
    module, _ = torch_net.build(Description("n", (1, 100, 100), 2, layers), exact=True)
    dropped = module.train().drop(torch.ones(1, 1, 100, 100)).numpy()
    assert set(np.unique(dropped)) == {0.0, 1.0}
    assert abs(dropped.mean() - 0.75) < 0.02
