"""The gradient check accepts correct gradients and detects wrong ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.errors import DataError, ModelError, UserError
from alexnet_native.reports.gradcheck import GradientCheck, check_gradients, gradcheck
from placements import FIRST, TOWERS
from tiny_nets import batch, two_towers


class WrongBackward:
    """The core with the gradients of another network, which imitates an error in backward."""

    def __init__(self, right: Any, wrong: Any, wrong_step: int = 0) -> None:
        self._right, self._wrong, self._wrong_step = right, wrong, wrong_step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def forward_backward(self, batch: _core.Batch, *, step: int) -> Any:
        self._wrong.forward_backward(batch, step=step + self._wrong_step)
        return self._right.forward_backward(batch, step=step)

    def get(self, name: str, kind: str = "value") -> Any:
        return (self._wrong if kind == "gradient" else self._right).get(name, kind)


def check(net: Net) -> GradientCheck:
    images, labels = batch(3, dtype=np.float64)
    return check_gradients(net, images, labels)


def corrupted(wrong_step: int = 0, **changes: Any) -> GradientCheck:
    right = Net(two_towers(), precision="fp64", seed=2)
    wrong = Net(two_towers(**changes), precision="fp64", seed=2)
    right.native = WrongBackward(right.native, wrong.native, wrong_step)  # type: ignore[assignment]
    return check(right)


def wrong_names(result: GradientCheck) -> set[str]:
    return {parameter.name for parameter in result.parameters if not parameter.passed}


@pytest.mark.parametrize("devices", [(FIRST,), *TOWERS], ids=",".join)
def test_a_two_tower_network_with_dropout_and_normalisation_passes(
    devices: tuple[str, ...],
) -> None:
    result = gradcheck(two_towers(), devices=devices)
    assert result.passed, str(result)
    assert result.error < 1e-6
    assert all(parameter.checked >= 4 for parameter in result.parameters)
    assert len(result.parameters) == 14


@pytest.mark.parametrize("name", ["cifar10-quick", "cifar10-18pct", "figure1"])
def test_small_named_networks_pass(name: str) -> None:
    result = gradcheck(name, samples=4)
    assert result.passed, str(result)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10-13pct", "cifar10-11pct", "alexnet-2012"])
def test_networks_with_local_layers_and_the_full_alexnet_pass(name: str) -> None:
    result = gradcheck(name, samples=2, classes=10)
    assert result.passed, str(result)


def test_the_check_does_not_change_the_parameters() -> None:
    net = Net(two_towers(), precision="fp64", seed=2)
    before = dict(net.params.items())
    assert check(net).passed
    for name, value in before.items():
        np.testing.assert_array_equal(net.params[name], value)


def test_dropout_masks_of_the_wrong_step_are_detected() -> None:
    assert not corrupted(wrong_step=1).passed


def test_a_slightly_wrong_alpha_of_lrn_is_detected_in_earlier_layers() -> None:
    result = corrupted(norm2={"alpha": 0.4995})
    assert {"conv1.weight", "conv2.weight", "conv2.bias"} <= wrong_names(result)


def test_lrn_across_both_towers_is_detected() -> None:
    assert not corrupted(norm1={"groups": 1}).passed


def test_a_wrong_pooling_window_is_detected() -> None:
    assert not corrupted(pool4={"size": 2}).passed


def scaled(parameter: str, factor: float) -> GradientCheck:
    class Scaled:
        def __getattr__(self, name: str) -> Any:
            return getattr(right, name)

        def get(self, name: str, kind: str = "value") -> Any:
            value = right.get(name, kind)
            return value * factor if (name, kind) == (parameter, "gradient") else value

    net = Net(two_towers(), precision="fp64", seed=2)
    right = net.native
    net.native = Scaled()  # type: ignore[assignment]
    return check(net)


def test_the_report_names_the_parameter_with_a_wrong_gradient() -> None:
    result = scaled("conv3.weight", 1.0001)
    assert wrong_names(result) == {"conv3.weight"}
    assert "conv3.weight" in next(line for line in str(result).splitlines() if "WRONG" in line)
    assert "1 of 14 parameters are wrong" in str(result)
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert not found["passed"] and found["error"] > 5e-5
    assert [p["name"] for p in found["parameters"] if not p["passed"]] == ["conv3.weight"]


def test_a_missing_or_far_too_large_gradient_is_detected() -> None:
    assert wrong_names(scaled("fc6.bias", 0.0)) == {"fc6.bias"}
    assert wrong_names(scaled("conv1.weight", 1e6)) == {"conv1.weight"}


def test_a_parameter_that_does_not_affect_the_loss_fails_the_check() -> None:
    dead = two_towers(conv1={"bias_value": -1e6})
    result = check(Net(dead, precision="fp64", seed=2))
    assert "conv1.weight" in wrong_names(result)
    json.dumps(result.to_dict(), allow_nan=False)


def test_single_precision_raises_an_error() -> None:
    with pytest.raises(ModelError, match=r"needs precision 'fp64'"):
        check(Net(two_towers()))


@pytest.mark.parametrize("name", ["images", "samples", "tolerance", "seed", "threads"])
@pytest.mark.parametrize("value", [None, "x", -1, float("nan"), True])
def test_wrong_numbers_are_named(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^{name} is {value!r}; it must be "):
        gradcheck(tiny.description(), **{name: value})


@pytest.mark.parametrize(
    ("images", "labels", "word"),
    [("x", [0], "images"), (np.zeros((2, 3, 9, 8)), [0, 1], "images"),
     (np.zeros((2, 3, 8, 8)), [0], "labels"), (np.zeros((2, 3, 8, 8)), [0, 9], "label 9")],
)  # fmt: skip
def test_wrong_batches_are_named(images: Any, labels: Any, word: str) -> None:
    with pytest.raises(DataError, match=word):
        check_gradients(tiny.net(precision="fp64"), images, labels)


def test_labels_of_any_integer_type_are_accepted() -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    net = tiny.net(precision="fp64")
    first = check_gradients(net, images, np.array([0, 1], np.int32), samples=1)
    assert check_gradients(net, images, np.array([0, 1], ">i8"), samples=1) == first
