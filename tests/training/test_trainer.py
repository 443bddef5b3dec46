"""The trainer against a loop written out by hand, its logs, its stops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import ConfigError, DivergedError
from alexnet_native.training import Outcome, fit
from alexnet_native.training.progress import Metrics


def train(net: Net | None = None, **settings: object) -> tuple[Net, Outcome]:
    net = net or tiny.net()
    return net, fit(net, settings.pop("data", tiny.data()), verbose=False, **settings)


def weights(net: Net) -> dict[str, np.ndarray]:
    return {name: net.params[name] for name in net.params}


def test_training_is_the_loop_that_one_would_write() -> None:
    data, plain = tiny.data(), tiny.net()
    augmentation = Augmentation((8, 8), color_std=0.05, scale=0.02, offsets="exclusive")
    losses, rates = [], {0: 0.02, 1: 0.02, 2: 0.002}
    with TrainLoader(
        data.train,
        batch_size=8,
        augmentation=augmentation,
        statistics=statistics(data.train),
        seed=0,
    ) as loader:
        for batch in loader:
            if batch.epoch == 3:
                break
            done = plain.train_step(
                batch.images,
                batch.labels,
                lr=rates[batch.epoch],
                bias_lr=0.05,
                momentum=0.8,
                weight_decay=0.01,
                frozen=["fc2"] if batch.epoch >= 2 else [],
            )
            losses.append((batch.epoch, done.loss * len(batch.labels)))

    net, outcome = train(
        data=data, lr=0.02, bias_lr=0.05, momentum=0.8, weight_decay=0.01,
        mirror=True, schedule="step@2", freeze=("fc2@2",), log_every=100,
    )  # fmt: skip

    assert outcome.step == 15 and not outcome.interrupted
    for name, value in weights(plain).items():
        assert weights(net)[name].tobytes() == value.tobytes(), name
    lines = [line for line in outcome.records if line.split == "train"]
    assert [line.step for line in lines] == [5, 10, 15]
    for line in lines:
        mean = sum(loss for epoch, loss in losses if epoch + 1 == line.epoch) / 37
        assert line.loss == pytest.approx(mean, rel=1e-12)


def test_the_validation_line_is_the_networks_evaluation() -> None:
    data = tiny.data()
    net, outcome = train(data=data)
    val = outcome.last("val")
    want = net.evaluate(*tiny.arrays(21, seed=2))
    assert val is not None
    assert (val.epoch, val.step) == (3, 15)
    assert val.loss == pytest.approx(want.loss, rel=1e-12)
    assert val.top1_error == pytest.approx(want.top1_error, abs=1e-12)
    assert val.top5_error == 0.0


def test_the_network_learns() -> None:
    _, outcome = train(data=tiny.data(train=160), epochs=12, lr=0.05)
    val = outcome.last("val")
    assert val is not None and val.top1_error < 0.2  # chance: 0.75


def test_training_in_fp64_is_that_in_fp32_up_to_rounding() -> None:
    single, _ = train(lr=0.05)
    double, _ = train(tiny.net(precision="fp64"), lr=0.05)
    for name, value in weights(double).items():
        assert value.dtype == np.float64
        difference = np.abs(weights(single)[name] - value).max()
        assert 0 < difference <= 1e-5 * np.abs(value).max(), name


def test_accumulated_parts_are_the_whole_batch_up_to_rounding() -> None:
    whole, _ = train(lr=0.05)
    parts, _ = train(lr=0.05, accumulate=3)
    for name, value in weights(whole).items():
        difference = np.abs(weights(parts)[name] - value).max()
        assert 0 <= difference <= 2e-6 * np.abs(value).max(), name


def test_frozen_layers_stay_to_the_last_bit() -> None:
    start = weights(tiny.net())
    net, _ = train(freeze=("conv1",))
    assert net.params["conv1.weight"].tobytes() == start["conv1.weight"].tobytes()
    assert net.params["conv1.bias"].tobytes() == start["conv1.bias"].tobytes()
    assert not np.array_equal(net.params["fc2.weight"], start["fc2.weight"])


def test_a_plateau_lowers_the_rate(tmp_path: Path) -> None:
    # Nothing can improve at a rate of 1e-30: every epoch after the first waits.
    train(lr=1e-30, schedule="plateau", schedule_patience=1, epochs=4, out=tmp_path)
    rates = [line["lr"] for line in tiny.lines(tmp_path / "parameters.jsonl")]
    assert rates == pytest.approx([1e-30, 1e-30, 1e-31, 1e-32], rel=1e-9)


def test_metrics_have_exactly_the_announced_keys(tmp_path: Path) -> None:
    _, outcome = train(out=tmp_path, log_every=2, epochs=2)
    lines = tiny.lines(tmp_path / "metrics.jsonl")
    assert lines == [record.record() for record in outcome.records]
    assert [(line["split"], line["epoch"], line["step"]) for line in lines] == [
        ("train", 1, 2), ("train", 1, 4), ("train", 1, 5), ("val", 1, 5),
        ("train", 2, 6), ("train", 2, 8), ("train", 2, 10), ("val", 2, 10),
    ]  # fmt: skip
    assert lines[0]["loader"]["images_per_second"] > 0
    for line in lines:
        loader = line.pop("loader", None)
        assert list(line) == [
            "split", "epoch", "step", "loss", "top1_error", "top5_error", "images_per_second",
        ]  # fmt: skip
        assert (loader is not None) == (line["split"] == "train")
        if loader:
            assert list(loader) == ["images_per_second", "ring", "waited", "bottleneck"]
            # 0 where all images of these steps had been made before.
            assert loader["images_per_second"] >= 0 and loader["waited"] >= 0
            assert 0 <= loader["ring"] <= 1 and loader["bottleneck"] in ("loader", "device")
        assert 0 <= line["top5_error"] <= line["top1_error"] <= 1
        assert line["loss"] > 0 and line["images_per_second"] > 0


def test_the_mean_weight_and_update_of_each_parameter_are_logged(tmp_path: Path) -> None:
    net, _ = train(out=tmp_path, epochs=2)
    *_, last = tiny.lines(tmp_path / "parameters.jsonl")
    assert (last["epoch"], last["step"]) == (2, 10)
    assert list(last["parameters"]) == ["conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias"]
    for name, means in last["parameters"].items():
        momentum = net.native.get(name, "momentum")
        assert means["mean_abs"] == pytest.approx(np.abs(net.params[name]).mean(), rel=1e-6)
        assert means["mean_abs_update"] == pytest.approx(np.abs(momentum).mean(), rel=1e-6)
        assert means["mean_abs_update"] > 0


def test_steps_end_a_training_within_an_epoch_with_a_measurement(tmp_path: Path) -> None:
    _, outcome = train(out=tmp_path, steps=7)
    assert outcome.step == 7
    lines = tiny.lines(tmp_path / "metrics.jsonl")
    assert [(line["split"], line["step"]) for line in lines[2:]] == [("train", 7), ("val", 7)]
    assert (tmp_path / "checkpoints" / "latest").readlink().name == "step-00000007.safetensors"


def test_a_network_can_be_fitted_again_from_where_it_stands(tmp_path: Path) -> None:
    net, first = train(steps=3)
    start = weights(net)
    _, second = train(net, steps=4, out=tmp_path, freeze=("conv1",))
    assert (first.step, second.step) == (3, 7)
    assert [line.step for line in second.records] == [7, 7]
    assert np.array_equal(net.params["conv1.weight"], start["conv1.weight"])
    assert not np.array_equal(net.params["fc2.weight"], start["fc2.weight"])


def test_data_without_validation_trains_and_says_nothing_of_it(tmp_path: Path) -> None:
    _, outcome = train(data=tiny.arrays(16), out=tmp_path, schedule="plateau")
    assert outcome.last("val") is None
    assert {line["split"] for line in tiny.lines(tmp_path / "metrics.jsonl")} == {"train"}


def test_a_loss_that_is_not_finite_stops_and_names_the_layer(tmp_path: Path) -> None:
    net = tiny.net()
    first = train(net, out=tmp_path, epochs=1)[1]
    net.params["fc2.weight"] = np.full((4, 96), 3e38, np.float32)
    # On GPUs the loss is read after the update, and the weights are not finite either.
    where = "the update has already been applied" if net.native.overlaps else ".*overflow is fc2"
    with pytest.raises(DivergedError, match=rf"not finite at step 6; {where}.*--lr"):
        train(net, out=tmp_path / "next", epochs=1)
    assert first.checkpoint is not None and first.checkpoint.is_file()
    assert list((tmp_path / "next" / "checkpoints").iterdir()) == []


def test_a_rate_that_is_far_too_high_diverges_with_a_sentence() -> None:
    with pytest.raises(DivergedError, match="lower the learning rate, now 1e\\+20"):
        train(lr=1e20, epochs=9)


class Listener:
    """Keeps what a training shows."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.warnings: list[str] = []
        self.lines: list[str] = []

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def step(self, now: Metrics, last_step: int) -> None:
        self.steps.append((now.step, last_step))

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def test_a_loss_that_stays_at_guessing_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    monkeypatch.setattr("alexnet_native.training.build.reporter", lambda: listener)
    net = tiny.net()
    fit(net, tiny.data(), lr=1e-12, stall_steps=6, scale=1e-6)
    [warning] = listener.warnings
    assert f"after 6 steps the loss is {math.log(4):.3f}" in warning
    # Where losses come one step late, an epoch's first step has none to show.
    unseen = (1, 6, 11) if net.native.overlaps else ()
    assert listener.steps == [(step, 15) for step in range(1, 16) if step not in unseen]
    assert sum("validation loss" in line for line in listener.lines) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosine"}, "no schedule cosine"),
        ({"freeze": ("conv7",)}, "no layer conv7 .*there are conv1, fc2"),
        ({"batch_size": 0}, "batch_size is 0; it must be an integer of at least 1"),
        ({"bathc_size": 1}, "there is no setting bathc_size"),
        ({"classes": 3}, "classes is fixed"),
        ({"data": (*tiny.arrays(8)[:1], np.arange(8))}, "has 8 classes, the network 4"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()
