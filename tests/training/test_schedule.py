"""Schedules match sequences written by hand."""

from __future__ import annotations

import json

import pytest
from alexnet_native.config import TrainConfig
from alexnet_native.errors import ConfigError
from alexnet_native.training.schedule import Plateau, freezes, make_schedule


def test_the_constant_schedule_keeps_the_rate() -> None:
    schedule = make_schedule(TrainConfig(schedule="constant"))
    assert [schedule.factor(epoch) for epoch in (0, 1, 90)] == [1.0, 1.0, 1.0]


def test_the_step_schedule_drops_after_the_given_epochs() -> None:
    schedule = make_schedule(TrainConfig(schedule="step@2,4", schedule_factor=0.5))
    assert [schedule.factor(epoch) for epoch in range(6)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_the_rates_of_configuration_145_are_those_of_its_log() -> None:
    schedule = make_schedule(TrainConfig(schedule="step@25,51,79"))
    rates = [0.01 * schedule.factor(epoch) for epoch in (0, 24, 25, 50, 51, 78, 79, 90)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5], rel=1e-12)


def test_the_plateau_schedule_drops_after_its_patience_up_to_the_number_of_drops() -> None:
    schedule = Plateau(drop=0.1, patience=2, drops=2)
    seen = []
    #                 better      two not better: drop   one, better, two: drop   no drops left
    for epoch, error in enumerate([0.9, 0.8, 0.8, 0.85, 0.81, 0.7, 0.75, 0.7, 0.9, 0.9, 0.9]):
        schedule.observe(error)
        seen.append(schedule.factor(epoch + 1))
    want = [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01]
    assert seen == pytest.approx(want, rel=1e-12)


def test_the_patience_starts_again_after_a_drop() -> None:
    schedule = Plateau(patience=2, drops=9)
    factors = []
    for epoch in range(6):
        schedule.observe(0.5)
        factors.append(schedule.factor(epoch + 1))
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01], rel=1e-12)


@pytest.mark.parametrize("stop", range(8))
def test_a_plateau_schedule_continues_from_its_saved_state(stop: int) -> None:
    errors = [0.9, 0.8, 0.8, 0.85, 0.81, 0.7, 0.75, 0.7]
    whole, first, second = (Plateau(patience=2) for _ in range(3))
    for error in errors:
        whole.observe(error)
    for error in errors[:stop]:
        first.observe(error)
    second.restore(json.loads(json.dumps(first.state())))
    for error in errors[stop:]:
        second.observe(error)
    assert second.state() == whole.state()
    assert second.factor(8) == whole.factor(8) == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize(
    "schedule",
    ["", "cosine", "step", "step@", "step@a", "step@0", "step@5,3", "step@2,2", "plateau@3"],
)
def test_an_unknown_schedule_raises_an_error(schedule: str) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        make_schedule(TrainConfig(schedule=schedule))


def test_layers_freeze_from_the_start_or_from_an_epoch() -> None:
    assert freezes(["conv1", "fc6@72"], ["conv1", "conv2", "fc6"]) == {"conv1": 0, "fc6": 72}


def test_the_error_for_an_unknown_frozen_layer_lists_the_layers() -> None:
    with pytest.raises(ConfigError, match=r"no layer conv9 .* parameters are conv1, fc2"):
        freezes(["conv9"], ["conv1", "fc2"])
    with pytest.raises(ConfigError, match="conv1@late"):
        freezes(["conv1@late"], ["conv1"])
