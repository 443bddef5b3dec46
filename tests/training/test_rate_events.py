"""Rate events: rates of layers and parameters by epoch match tables written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from alexnet_native import Net
from alexnet_native.errors import ConfigError, ModelError
from alexnet_native.training import Outcome, fit
from alexnet_native.training.schedule import rate_events, rates_at

NAMES = ("conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias")


def test_the_rate_events_of_configuration_145() -> None:
    events = rate_events(("*.bias@0=0.02", "conv1.weight@67=1e-5", "conv1@72=0"), NAMES)
    biases = {"conv1.bias": 0.02, "fc2.bias": 0.02}
    assert rates_at(events, 0) == rates_at(events, 66) == biases
    assert rates_at(events, 67) == rates_at(events, 71) == biases | {"conv1.weight": 1e-5}
    assert rates_at(events, 72) == rates_at(events, 90) == {
        "conv1.weight": 0.0, "conv1.bias": 0.0, "fc2.bias": 0.02,
    }  # fmt: skip


def test_later_events_take_precedence_by_epoch_then_by_order() -> None:
    events = rate_events(("conv1@5=0", "conv1@2=1", "fc2@2=3", "fc*@2=4"), NAMES)
    assert rates_at(events, 1) == {}
    assert set(rates_at(events, 2).values()) == {1.0, 4.0}
    assert rates_at(events, 5)["conv1.bias"] == 0.0


@pytest.mark.parametrize(
    "entry", ["conv1", "conv1@3", "conv1@=1", "conv1@a=1", "conv1@3=x", "conv1@3=-1", "@3=1",
              "conv1@3=nan", "conv1@3=inf", "conv1=1"],
)  # fmt: skip
def test_the_error_for_a_wrong_form_says_what_to_write(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"write a layer or parameter, a number of finished ep"):
        rate_events((entry,), NAMES)


def test_the_error_for_an_unknown_name_lists_the_parameters() -> None:
    message = r"called conv9; the parameters are conv1\.weight, conv1\.bias"
    with pytest.raises(ConfigError, match=message):
        rate_events(("conv9@1=0",), NAMES)
    with pytest.raises(ModelError, match=r"no parameter 'conv9\.bias'"):
        tiny.net().set_rates(0.1, fixed={"conv9.bias": 0.1})


def train(**settings: object) -> tuple[Net, Outcome]:
    net = Net(tiny.description(bias_lr=2.0))
    return net, fit(net, tiny.data(), verbose=False, **settings)


def test_multipliers_and_the_schedule_do_not_apply_to_rate_events() -> None:
    # The biases of conv1 have a multiplier of 2, so bias_lr = 0.005 equals an event of 0.01.
    one, _ = train(lr=0.03, bias_lr=0.005, schedule="step@1", epochs=2)
    two, _ = train(
        lr=0.03, rates=("conv1.bias@0=0.01", "fc2.bias@0=0.005"), schedule="step@1", epochs=2
    )
    for name in one.params:
        assert one.params[name].tobytes() == two.params[name].tobytes()


def test_a_rate_of_0_equals_freezing_and_freezing_takes_precedence_over_events() -> None:
    by_freeze, _ = train(lr=0.03, freeze=("conv1@1",))
    by_rate, _ = train(lr=0.03, rates=("conv1@1=0",))
    both, _ = train(lr=0.03, rates=("conv1@1=0.5",), freeze=("conv1@1",))
    for name in by_freeze.params:
        want = by_freeze.params[name].tobytes()
        assert by_rate.params[name].tobytes() == both.params[name].tobytes() == want


def test_a_line_is_printed_when_a_rate_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("alexnet_native.training.progress.log.line", lines.append)
    fit(
        tiny.net(), tiny.data(), out=tmp_path, epochs=4, schedule="step@1,2", color_off=3,
        rates=("*.bias@0=0.02", "conv1.weight@2=1e-5"), freeze=("conv1@3",),
    )  # fmt: skip
    changes = [line for line in lines if not line.startswith(("epoch ", "step "))]
    assert changes[-5:] == [
        "learning rate changes from 0.01 to 0.001",
        "learning rate changes from 0.001 to 0.0001",
        "learning rate of conv1.weight is now 1e-05",
        "conv1 is now frozen",
        "color noise is now off",
    ]
