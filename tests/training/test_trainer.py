"""The trainer equals a loop written by hand; its logs; errors and warnings."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.config import TrainConfig
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import ConfigError, DivergedError
from alexnet_native.training import Outcome, fit
from alexnet_native.training.progress import Metrics
from alexnet_native.training.trainer import Trainer


def train(net: Net | None = None, **settings: object) -> tuple[Net, Outcome]:
    net = net or tiny.net()
    return net, fit(net, settings.pop("data", tiny.data()), verbose=False, **settings)


def weights(net: Net) -> dict[str, np.ndarray]:
    return {name: net.params[name] for name in net.params}


def test_the_trainer_equals_a_loop_written_by_hand() -> None:
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


def test_the_validation_metrics_equal_those_of_evaluate() -> None:
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


def test_training_in_fp64_equals_that_in_fp32_up_to_rounding() -> None:
    single, _ = train(lr=0.05)
    double, _ = train(tiny.net(precision="fp64"), lr=0.05)
    for name, value in weights(double).items():
        assert value.dtype == np.float64
        difference = np.abs(weights(single)[name] - value).max()
        assert 0 < difference <= 1e-5 * np.abs(value).max(), name


def test_accumulation_over_parts_equals_the_whole_batch_up_to_rounding() -> None:
    whole, _ = train(lr=0.05)
    parts, _ = train(lr=0.05, accumulate=3)
    for name, value in weights(whole).items():
        difference = np.abs(weights(parts)[name] - value).max()
        assert 0 <= difference <= 2e-6 * np.abs(value).max(), name


def test_frozen_layers_do_not_change() -> None:
    start = weights(tiny.net())
    net, _ = train(freeze=("conv1",))
    assert net.params["conv1.weight"].tobytes() == start["conv1.weight"].tobytes()
    assert net.params["conv1.bias"].tobytes() == start["conv1.bias"].tobytes()
    assert not np.array_equal(net.params["fc2.weight"], start["fc2.weight"])


def test_a_plateau_lowers_the_rate(tmp_path: Path) -> None:
    # At a rate of 1e-30 the error does not improve after the first epoch.
    train(lr=1e-30, schedule="plateau", schedule_patience=1, epochs=4, out=tmp_path)
    rates = [line["lr"] for line in tiny.lines(tmp_path / "parameters.jsonl")]
    assert rates == pytest.approx([1e-30, 1e-30, 1e-31, 1e-32], rel=1e-9)


def test_metrics_have_exactly_the_documented_keys(tmp_path: Path) -> None:
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
            # The speed is 0 if all images of these steps were ready before the first of them.
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


def test_a_run_whose_steps_end_within_an_epoch_ends_with_a_validation(tmp_path: Path) -> None:
    _, outcome = train(out=tmp_path, steps=7)
    assert outcome.step == 7
    lines = tiny.lines(tmp_path / "metrics.jsonl")
    assert [(line["split"], line["step"]) for line in lines[2:]] == [("train", 7), ("val", 7)]
    assert (tmp_path / "checkpoints" / "latest").readlink().name == "step-00000007.safetensors"


def test_fit_can_be_called_again_and_continues_from_the_current_weights(tmp_path: Path) -> None:
    net, first = train(steps=3)
    start = weights(net)
    _, second = train(net, steps=4, out=tmp_path, freeze=("conv1",))
    assert (first.step, second.step) == (3, 7)
    assert [line.step for line in second.records] == [7, 7]
    assert np.array_equal(net.params["conv1.weight"], start["conv1.weight"])
    assert not np.array_equal(net.params["fc2.weight"], start["fc2.weight"])


def test_without_validation_images_the_log_has_no_validation_lines(tmp_path: Path) -> None:
    _, outcome = train(data=tiny.arrays(16), out=tmp_path, schedule="plateau")
    assert outcome.last("val") is None
    assert {line["split"] for line in tiny.lines(tmp_path / "metrics.jsonl")} == {"train"}


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_layer(tmp_path: Path) -> None:
    net = tiny.net()
    first = train(net, out=tmp_path, epochs=1)[1]
    net.params["fc2.weight"] = np.full((4, 96), 3e38, np.float32)
    # On GPUs the loss is read after the update, so the weights are not finite either.
    where = "the update has already been applied" if net.native.overlaps else ".*overflow is fc2"
    with pytest.raises(DivergedError, match=rf"not finite at step 6; {where}.*--lr"):
        train(net, out=tmp_path / "next", epochs=1)
    assert first.checkpoint is not None and first.checkpoint.is_file()
    assert list((tmp_path / "next" / "checkpoints").iterdir()) == []


def test_the_error_of_a_diverged_run_advises_a_lower_rate() -> None:
    with pytest.raises(DivergedError, match="lower the learning rate, now 1e\\+20"):
        train(lr=1e20, epochs=9)


class Listener:
    """Keeps the progress of a run."""

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


def test_one_warning_is_printed_if_the_loss_stays_at_that_of_guessing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listener()
    monkeypatch.setattr("alexnet_native.training.build.reporter", lambda: listener)
    net = tiny.net()
    fit(net, tiny.data(), lr=1e-12, stall_steps=6, scale=1e-6)
    [warning] = listener.warnings
    assert f"after 6 steps the loss is {math.log(4):.3f}" in warning
    # If losses are read one step late, there is no loss to report at an epoch's first step.
    unseen = (1, 6, 11) if net.native.overlaps else ()
    assert listener.steps == [(step, 15) for step in range(1, 16) if step not in unseen]
    epochs = [line for line in listener.lines if line.startswith("epoch ")]
    assert len(epochs) == 3 and all("val loss" in line for line in epochs)


def test_the_line_of_an_epoch_fits_100_columns() -> None:
    show = Listener()
    config = TrainConfig(epochs=90, lr=1e-5, crop=(8, 8))
    data = tiny.data()
    trainer = Trainer(tiny.net(), data, statistics(data.train), config, reporter=show)
    worst = {"epoch": 90, "step": 900_900, "loss": 6.9078, "top1_error": 0.999, "top5_error": 0.995}
    metrics = [Metrics(split, images_per_second=1.0, **worst) for split in ("train", "val")]
    line = trainer._epoch_line(*metrics)
    assert line == (
        "epoch 90/90, lr 1e-05: train loss 6.908 error 99.90 %, "
        "val loss 6.908 error 99.90 % top-5 99.50 %"
    )
    assert len(line) <= 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosine"}, "no schedule cosine"),
        ({"freeze": ("conv7",)}, "no layer conv7 .*parameters are conv1, fc2"),
        ({"batch_size": 0}, "batch_size is 0; it must be an integer of at least 1"),
        ({"bathc_size": 1}, r"there is no setting bathc_size; did you mean batch_size\?"),
        ({"zzz": 1}, "there is no setting zzz; the settings are net, "),
        ({"classes": 3}, "classes cannot be changed for an existing network"),
        ({"data": (*tiny.arrays(8)[:1], np.arange(8))}, "has 8 classes, but the network has 4"),
    ],
)
def test_a_wrong_setting_raises_an_error_before_anything_is_written(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()
