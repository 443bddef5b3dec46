"""Full-size networks against PyTorch, from identical weights: loss, every gradient, ten losses.

The networks are written here once more, by hand, from the paper's table, the deck's listing and
torchvision's form; nothing but the weights comes from the code under test. Tolerances are relative
to the largest value. Ten steps are taken in double precision: in single precision a rounding may
move one maximum of thousands to its neighbour, and from then on two right runs part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import reference
from alexnet_native import Net, _core
from alexnet_native.net.params import zero_gradients
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the comparison needs PyTorch: pip install torch")
F: Any = torch.nn.functional

CLASSES, IMAGES, SEED = 10, 2, 11
LR, MOMENTUM, DECAY = 0.003, 0.9, 5e-4

Params = dict[str, Any]
Drop = Callable[[str, Any], Any]


def conv(x: Any, p: Params, name: str, **window: int) -> Any:
    return F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], **window)


def dense(x: Any, p: Params, name: str) -> Any:
    return F.linear(x.flatten(1), p[f"{name}.weight"], p[f"{name}.bias"])


def pool(x: Any) -> Any:
    return F.max_pool2d(x, 3, 2)


def tower_lrn(x: Any) -> Any:
    """Each half by itself. PyTorch divides alpha by the size, the paper does not."""
    halves = x.chunk(2, dim=1)
    return torch.cat(
        [F.local_response_norm(h, 5, alpha=5 * 1e-4, beta=0.75, k=2.0) for h in halves], 1
    )


def paper(x: Any, p: Params, drop: Drop) -> Any:
    x = F.pad(x, (0, 3, 0, 3))  # 224 with ceil: the last window reads 3 zeros right and below
    x = pool(tower_lrn(F.relu(conv(x, p, "conv1", stride=4))))
    x = pool(tower_lrn(F.relu(conv(x, p, "conv2", padding=2, groups=2))))
    x = F.relu(conv(x, p, "conv3", padding=1))
    x = F.relu(conv(x, p, "conv4", padding=1, groups=2))
    x = pool(F.relu(conv(x, p, "conv5", padding=1, groups=2)))
    x = drop("drop6", F.relu(dense(x, p, "fc6")))
    x = drop("drop7", F.relu(dense(x, p, "fc7")))
    return dense(x, p, "fc8")


def one_tower(x: Any, p: Params, drop: Drop, pad: int) -> Any:
    x = pool(F.relu(conv(x, p, "conv1", stride=4, padding=pad)))
    x = pool(F.relu(conv(x, p, "conv2", padding=2)))
    x = F.relu(conv(x, p, "conv3", padding=1))
    x = F.relu(conv(x, p, "conv4", padding=1))
    x = pool(F.relu(conv(x, p, "conv5", padding=1)))
    x = F.relu(dense(2 * drop("drop6", x), p, "fc6"))
    x = F.relu(dense(2 * drop("drop7", x), p, "fc7"))
    return dense(x, p, "fc8")


@dataclass(frozen=True)
class Case:
    name: str
    size: int
    pixels: float  # SD of the input
    forward: Callable[[Any, Params, Drop], Any]


CASES = [
    Case("alexnet", 224, 60.0, paper),
    Case("alexnet-single", 227, 1.0, lambda x, p, drop: one_tower(x, p, drop, 0)),
    Case("torchvision-alexnet", 224, 1.0, lambda x, p, drop: one_tower(x, p, drop, 2)),
]
each_network = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def mask(name: str, step: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """1 where the uniform of (seed, layer, step, element) is 1/2 or more."""
    count = int(np.prod(shape))
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(blocks)
    counter: Any = (blocks, zero, zero + reference.site_of(name), zero + step)
    words = np.stack(reference.philox4x32(counter, (SEED, 0)), axis=1)
    return (words.ravel()[:count] >= 2**31).reshape(shape)


def inputs(case: Case, step: int, dtype: type) -> tuple[NDArray[Any], NDArray[np.int32]]:
    rng = np.random.default_rng(step)
    images = rng.normal(0, case.pixels, (IMAGES, 3, case.size, case.size)).astype(np.float32)
    return images.astype(dtype), rng.integers(0, CLASSES, IMAGES, dtype=np.int32)


class Torch:
    """PyTorch's side: the same weights, the paper's update written out."""

    def __init__(self, case: Case, start: Mapping[str, NDArray[Any]]) -> None:
        self.case = case
        self.params = {n: torch.tensor(w, requires_grad=True) for n, w in start.items()}
        self.velocity = {n: torch.zeros_like(w) for n, w in self.params.items()}

    def loss(self, images: NDArray[Any], labels: NDArray[np.int32], step: int) -> float:
        """Mean cross-entropy; leaves the gradients."""

        def drop(name: str, x: Any) -> Any:
            return x * torch.from_numpy(mask(name, step, tuple(x.shape)))

        scores = self.case.forward(torch.from_numpy(images), self.params, drop)
        loss = F.cross_entropy(scores, torch.from_numpy(labels).long())
        loss.backward()
        return float(loss.detach())

    def update(self) -> None:
        """v <- 0.9 v - decay lr w - lr g, w <- w + v (paper, section 5); biases do not decay."""
        with torch.no_grad():
            for name, w in self.params.items():
                v, decay = self.velocity[name], 0.0 if name.endswith("bias") else DECAY
                v.mul_(MOMENTUM).add_(w, alpha=-LR * decay).add_(w.grad, alpha=-LR)
                w.add_(v)
                w.grad = None


def error(got: Any, want: Any) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


def compare(case: Case, precision: str, *, steps: int, rel: float) -> None:
    """The first loss and its gradients; then, for some steps, every loss and the way gone."""
    dtype = np.float64 if precision == "fp64" else np.float32
    net = Net(case.name, classes=CLASSES, seed=SEED, precision=precision)
    start = dict(net.params.items())
    theirs = Torch(case, start)

    images, labels = inputs(case, 0, dtype)
    want = theirs.loss(images, labels, 0)
    result = net.native.forward_backward(_core.Batch(images, labels), step=0)
    assert result.loss / IMAGES == pytest.approx(want, rel=rel)
    for name, w in theirs.params.items():
        assert error(net.native.get(name, "gradient"), w.grad.numpy()) <= rel, name
        w.grad = None
    zero_gradients(net.native)

    for step in range(steps):
        images, labels = inputs(case, step % 2, dtype)
        want = theirs.loss(images, labels, step)
        theirs.update()
        got = net.train_step(images, labels, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
        assert got.loss == pytest.approx(want, rel=rel), f"step {step}"
    for name, w in theirs.params.items() if steps else ():
        way = w.detach().numpy() - start[name]
        assert error(net.params[name] - start[name], way) <= rel, name


@each_network
def test_loss_and_gradients_are_pytorchs(case: Case) -> None:
    compare(case, "fp32", steps=0, rel=1e-5)


@pytest.mark.slow
@each_network
def test_ten_steps_in_double_precision_are_pytorchs(case: Case) -> None:
    compare(case, "fp64", steps=10, rel=1e-8)
