"""Rates of single parameters, from an epoch on, against tables written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from alexnet_native import Net
from alexnet_native.errors import ConfigError, ModelError
from alexnet_native.training import Outcome, fit
from alexnet_native.training.schedule import rate_events, rates_at

NAMES = ("conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias")


def test_the_rates_of_configuration_145_apart_from_its_schedule() -> None:
    events = rate_events(("*.bias@0=0.02", "conv1.weight@67=1e-5", "conv1@72=0"), NAMES)
    biases = {"conv1.bias": 0.02, "fc2.bias": 0.02}
    assert rates_at(events, 0) == rates_at(events, 66) == biases
    assert rates_at(events, 67) == rates_at(events, 71) == biases | {"conv1.weight": 1e-5}
    assert rates_at(events, 72) == rates_at(events, 90) == {
        "conv1.weight": 0.0, "conv1.bias": 0.0, "fc2.bias": 0.02,
    }  # fmt: skip


def test_a_later_epoch_wins_in_any_order_and_the_later_word_of_one_epoch() -> None:
    events = rate_events(("conv1@5=0", "conv1@2=1", "fc2@2=3", "fc*@2=4"), NAMES)
    assert rates_at(events, 1) == {}
    assert set(rates_at(events, 2).values()) == {1.0, 4.0}
    assert rates_at(events, 5)["conv1.bias"] == 0.0


@pytest.mark.parametrize(
    "word", ["conv1", "conv1@3", "conv1@=1", "conv1@a=1", "conv1@3=x", "conv1@3=-1", "@3=1",
             "conv1@3=nan", "conv1@3=inf", "conv1=1"],
)  # fmt: skip
def test_another_form_is_refused_in_a_sentence(word: str) -> None:
    with pytest.raises(ConfigError, match=r"write a layer or parameter, epochs done and a rate"):
        rate_events((word,), NAMES)


def test_a_name_that_nothing_has_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"called conv9; there are conv1\.weight, conv1\.bias"):
        rate_events(("conv9@1=0",), NAMES)
    with pytest.raises(ModelError, match=r"no parameter 'conv9\.bias'"):
        tiny.net().set_rates(0.1, fixed={"conv9.bias": 0.1})


def train(**settings: object) -> tuple[Net, Outcome]:
    net = Net(tiny.description(bias_lr=2.0))
    return net, fit(net, tiny.data(), verbose=False, **settings)


def test_a_rate_of_its_own_knows_no_multiplier_and_no_schedule() -> None:
    # conv1's biases have a multiplier of 2: 0.005 of bias_lr, or 0.01 by name, is the same.
    one, _ = train(lr=0.03, bias_lr=0.005, schedule="step@1", epochs=2)
    two, _ = train(
        lr=0.03, rates=("conv1.bias@0=0.01", "fc2.bias@0=0.005"), schedule="step@1", epochs=2
    )
    for name in one.params:
        assert one.params[name].tobytes() == two.params[name].tobytes()


def test_a_rate_of_0_freezes_and_a_frozen_layer_has_none() -> None:
    by_freeze, _ = train(lr=0.03, freeze=("conv1@1",))
    by_rate, _ = train(lr=0.03, rates=("conv1@1=0",))
    both, _ = train(lr=0.03, rates=("conv1@1=0.5",), freeze=("conv1@1",))
    for name in by_freeze.params:
        want = by_freeze.params[name].tobytes()
        assert by_rate.params[name].tobytes() == both.params[name].tobytes() == want


def test_changes_of_rates_are_said_when_they_begin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("alexnet_native.training.progress.log.line", lines.append)
    fit(
        tiny.net(), tiny.data(), out=tmp_path, epochs=4, schedule="step@1,2", color_off=3,
        rates=("*.bias@0=0.02", "conv1.weight@2=1e-5"), freeze=("conv1@3",),
    )  # fmt: skip
    said = [line for line in lines if not line.startswith(("epoch ", "step "))]
    assert said[-5:] == [
        "the rate goes from 0.01 to 0.001",
        "the rate goes from 0.001 to 0.0001",
        "conv1.weight learns at 1e-05 from here on",
        "conv1 is frozen from here on",
        "no color noise from here on",
    ]
