"""Every public function of Net answers wrong arguments with an error of this package."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net, pinned_empty
from alexnet_native.errors import ConfigError, DataError, ModelError, UserError
from placements import FIRST
from tiny_nets import batch, photos, two_towers

X, Y = batch(4)
PHOTOS = photos(4)
NAN, INF = float("nan"), float("inf")

NOT_NUMBERS = [None, "x", "1", b"1", [1], True, NAN, INF, -INF, 1j, -1, -1e-9, object()]
NOT_COUNTS = [None, "x", "1", [1], True, NAN, INF, 1.5, 2.0, 1j, -1, 2**70, object()]
NOT_TEXTS = [None, 3, 1.5, True, b"x", ["x"], object()]
NOT_PATHS = [None, 3, 1.5, True, b"x", ["x"], object()]
NOT_NAMES = [3, 1.5, True, [3], [None], {"conv1": 1}, b"conv1", object()]


def step(net: Net, **changes: Any) -> None:
    net.train_step(X, Y, **{"lr": 0.1, **changes})


def build(**words: Any) -> None:
    Net(two_towers(), **words)


def pinned(shape: Any, dtype: Any = np.float32, device: Any = FIRST) -> None:
    pinned_empty(shape, dtype, device=device)


Call = Callable[[Net, Any], Any]
CALLS: dict[str, tuple[list[Any], type[UserError], Call]] = {
    "lr": ([*NOT_NUMBERS[1:]], ConfigError, lambda net, v: step(net, lr=v)),
    "bias_lr": (NOT_NUMBERS[1:], ConfigError, lambda net, v: step(net, bias_lr=v)),
    "momentum": ([*NOT_NUMBERS, 1.01], ConfigError, lambda net, v: step(net, momentum=v)),
    "weight_decay": (NOT_NUMBERS, ConfigError, lambda net, v: net.set_rates(0.1, weight_decay=v)),
    "the rate of fc8.bias": (
        NOT_NUMBERS, ConfigError, lambda net, v: net.set_rates(0.1, fixed={"fc8.bias": v}),
    ),
    "fixed": ([3, 1.5, "x", ["fc8.bias"]], ConfigError, lambda net, v: net.set_rates(0.1, fixed=v)),
    "parts": ([*NOT_COUNTS, 0], ConfigError, lambda net, v: step(net, parts=v)),
    "frozen": (NOT_NAMES, ModelError, lambda net, v: step(net, frozen=v)),
    "views": ([*NOT_COUNTS, 0, 5], DataError, lambda net, v: net.predict(PHOTOS, views=v)),
    "views ": ([*NOT_COUNTS, 0, 5], DataError, lambda net, v: net.evaluate(PHOTOS, Y, views=v)),
    "batch": ([*NOT_COUNTS, 0], ConfigError, lambda net, v: net.describe(v)),
    "path": (NOT_PATHS, ConfigError, lambda net, v: net.save(v)),
    "path ": (NOT_PATHS, ConfigError, lambda net, v: Net.load(v)),
    "devices": ([None, *NOT_NAMES], ModelError, lambda net, v: build(devices=v)),
    "seed": ([*NOT_COUNTS, 2**64], ModelError, lambda net, v: build(seed=v)),
    "threads": (NOT_COUNTS, ModelError, lambda net, v: build(threads=v)),
    "replicas": (NOT_COUNTS, ModelError, lambda net, v: build(replicas=v)),
    "classes": ([*NOT_COUNTS[1:], 0], ModelError, lambda net, v: build(classes=v)),
    "precision": (NOT_TEXTS, ModelError, lambda net, v: build(precision=v)),
    "communicator": ([*NOT_TEXTS, "x"], ModelError, lambda net, v: build(communicator=v)),
    "a size of the shape": ([None, "x", "1", True, 1.5, 2**70, [3, "x"], [2.0], object()],
                            ConfigError, lambda net, v: pinned(v)),
    "the size in bytes": ([2**62, (2**40, 2**40)], ConfigError, lambda net, v: pinned(v)),
    "dtype": (["x", 3, object()], ConfigError, lambda net, v: pinned(3, v)),
    "data": (
        [None, 3, b"x", [1, 2], object()], DataError, lambda net, v: net.fit(v, verbose=False),
    ),
    "out": (
        NOT_PATHS[1:], ConfigError, lambda net, v: net.fit("demo", out=v, verbose=False),
    ),
    "device": (NOT_TEXTS, ConfigError, lambda net, v: pinned(3, device=v)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_value_is_named_and_changes_nothing(name: str) -> None:
    values, error, call = CALLS[name]
    net = Net(two_towers(), seed=1)
    before = dict(net.params.items())
    for value in values:
        with pytest.raises(error) as caught:
            call(net, value)
        message = str(caught.value)
        assert message.startswith(f"{name.strip()} is "), (value, message)
        assert re.search("; it must be (a|an|one|1|'|the)", message), (value, message)
        assert len(message) < 250
    assert net.step == 0
    assert all(np.array_equal(net.params[key], before[key]) for key in before)


@pytest.mark.parametrize(
    "value", [np.float32(0.5), Fraction(1, 2), Decimal("0.5"), np.float64(0.5)]
)
def test_numbers_of_any_type_are_accepted(value: Any) -> None:
    nets = Net(two_towers(), seed=1), Net(two_towers(), seed=1)
    nets[0].train_step(X, Y, lr=0.5, momentum=0.5, weight_decay=0.5, bias_lr=0.5)
    nets[1].train_step(
        X, Y, lr=value, momentum=value, weight_decay=value, bias_lr=value, parts=np.int64(1)
    )
    for name, first in nets[0].params.items():
        assert np.array_equal(first, nets[1].params[name])


@pytest.mark.parametrize(
    "images",
    [
        None, "x", b"x", 3, True, [], [[1, 2], [3]], np.array([None, 3], object), object(),
        {"a": 1}, {1, 2},
    ],
)  # fmt: skip
def test_what_is_no_array_of_images_is_a_data_error(images: Any) -> None:
    net = Net(two_towers())
    for call in (
        lambda: net.predict(images),
        lambda: net.predict(images, views=10),
        lambda: net.features(images, "conv1"),
        lambda: net.evaluate(images, Y),
        lambda: net.train_step(images, Y, lr=0.1),
    ):
        with pytest.raises(DataError, match="images"):
            call()


@pytest.mark.parametrize(
    "labels",
    [
        "x", 3, True, [0.0] * 4, [True] * 4, [[1], [2, 3]], ["a"] * 4, object(), [None] * 4,
        [2**70] * 4, np.full(4, 2**63, np.uint64),
    ],
)  # fmt: skip
def test_what_are_no_labels_is_a_data_error(labels: Any) -> None:
    net = Net(two_towers())
    for call in (
        lambda: net.evaluate(X, labels),
        lambda: net.evaluate(PHOTOS, labels, views=10),
        lambda: net.train_step(X, labels, lr=0.1),
    ):
        with pytest.raises(DataError, match="label"):
            call()


@pytest.mark.parametrize("step", [-1, "a", None, 1.5, 2**63])
def test_a_wrong_step_is_named(step: Any) -> None:
    net = Net(two_towers())
    net.step = step
    with pytest.raises(ConfigError, match=r"step is .*; it must be an integer"):
        net.train_step(X, Y, lr=0.1)


def test_wrong_names_and_values_of_parameters() -> None:
    net = Net(two_towers())
    for name in (None, 3, NAN, b"conv1.bias", ("conv1.bias",)):
        with pytest.raises(KeyError, match="there is no parameter"):
            net.params[name]  # type: ignore[index]
    for value in (None, "x", [[1], [2, 3]], object(), np.full(8, 1j), [True] * 8):
        with pytest.raises(DataError, match=r"parameter 'conv1\.bias'"):
            net.params["conv1.bias"] = value  # type: ignore[assignment]
    for layer in (None, 3, ["conv1"]):
        with pytest.raises(ModelError, match="there is no layer"):
            net.features(X, layer)  # type: ignore[arg-type]
    for model in (None, 3, ["alexnet"], b"alexnet"):
        with pytest.raises(ModelError, match="a network must be a name, a file or a Description"):
            Net(model)  # type: ignore[arg-type]


def test_paths_of_both_kinds_are_accepted(tmp_path: Path) -> None:
    net = Net(two_towers(), seed=3)
    net.save(str(tmp_path / "a"))
    net.save(tmp_path / "b")
    for path in (str(tmp_path / "b"), tmp_path / "a"):
        assert np.array_equal(Net.load(path).predict(X), net.predict(X))
