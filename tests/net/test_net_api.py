"""The public class Net: steps, predictions, parameters and files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net, _core
from alexnet_native.net.metrics import batch_sums
from placements import APART, TOGETHER
from tiny_nets import CLASSES, HEIGHT, INPUT, WIDTH, batch, mean_image, photos, two_towers


def test_a_step_returns_the_mean_loss_and_the_number_of_correct_images() -> None:
    images, labels = batch(7)
    net = Net(two_towers(drop6={"rate": 0.0}, drop7={"rate": 0.0}), seed=1)
    probabilities = net.predict(images)
    progress = net.train_step(images, labels, lr=0.1)
    assert progress.step == net.step == 1
    own = probabilities[np.arange(7), labels].astype(np.float64)
    assert progress.loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert progress.correct == (probabilities.argmax(axis=1) == labels).sum()


def test_a_step_is_the_papers_update_with_the_rates_of_each_layer() -> None:
    images, labels = batch(5)
    net = Net(two_towers(conv2={"weight_decay": 0.5, "weight_lr": 3.0}), seed=1, precision="fp64")
    before = dict(net.params.items())
    velocity = {name: np.zeros_like(value) for name, value in before.items()}
    for step in range(3):
        net.native.forward_backward(_core.Batch(images.astype(float), labels), step=step)
        gradients = {name: net.native.get(name, "gradient") for name in before}
        for name in before:
            net.native.set(name, "gradient", np.zeros_like(gradients[name]))
        net.train_step(images, labels, lr=0.1, momentum=0.8, weight_decay=0.05)
        for name, w in before.items():
            rate, decay = 0.1, 0.05
            if name.endswith("bias"):
                rate, decay = (0.1 if name.startswith("fc8") else 0.2), 0.0
            if name == "conv2.weight":
                rate, decay = 0.3, 0.5
            v = 0.8 * velocity[name] - decay * rate * w - rate * gradients[name]
            velocity[name], before[name] = v, w + v
            np.testing.assert_allclose(net.params[name], before[name], rtol=0, atol=1e-13)


def test_frozen_layers_and_biases_with_a_rate_of_0_do_not_change() -> None:
    images, labels = batch(5)
    net = Net(two_towers(), seed=1)
    before = dict(net.params.items())
    net.train_step(images, labels, lr=0.1, bias_lr=0.0, frozen=["conv1"])
    for name, value in net.params.items():
        moved = not np.array_equal(value, before[name])
        assert moved == (name.endswith("weight") and not name.startswith("conv1")), name


def test_nets_are_equal_if_and_only_if_their_seeds_are_equal() -> None:
    images, labels = batch(5)
    nets = [Net(two_towers(), seed=seed) for seed in (1, 1, 2)]
    losses = [[net.train_step(images, labels, lr=0.1).loss for _ in range(3)] for net in nets]
    assert losses[0] == losses[1] != losses[2]


def test_uint8_images_are_cropped_and_the_mean_is_subtracted_but_floats_are_unchanged() -> None:
    net = Net(two_towers(), seed=1)
    net.preprocess = mean_image()
    images = photos(3)
    top, left = (HEIGHT - INPUT[1]) // 2, (WIDTH - INPUT[2]) // 2
    planes = images.transpose(0, 3, 1, 2).astype(np.float32)
    centred = 0.02 * (planes - net.preprocess.statistics.mean)
    floats = np.ascontiguousarray(centred[:, :, top : top + INPUT[1], left : left + INPUT[2]])
    np.testing.assert_allclose(net.predict(images), net.predict(floats), rtol=1e-5)
    assert not np.allclose(net.predict(floats), net.predict(floats + 1), rtol=1e-3)


def test_without_a_mean_mid_grey_is_subtracted() -> None:
    net = Net(two_towers(), seed=1)
    images = photos(2)[:, : INPUT[1], : INPUT[2]]
    floats = images.transpose(0, 3, 1, 2).astype(np.float32) - 128
    np.testing.assert_array_equal(net.predict(images), net.predict(floats))


def test_images_of_any_float_type_and_memory_order_are_converted() -> None:
    net = Net(two_towers(), seed=1)
    images, _ = batch(4)
    want = net.predict(images)
    np.testing.assert_array_equal(net.predict(images.astype(np.float64)), want)
    np.testing.assert_array_equal(net.predict(np.asfortranarray(images)), want)


def test_ten_views_average_the_probabilities() -> None:
    net = Net(two_towers(), seed=1)
    net.preprocess = mean_image()
    images, labels = photos(4), np.array([0, 1, 2, 3])
    views = net.preprocess.views(images, 10)
    want = net.predict(views).reshape(4, 10, CLASSES).mean(axis=1)
    np.testing.assert_allclose(net.predict(images, views=10), want, rtol=1e-6)
    result = net.evaluate(images, labels, views=10)
    assert (result.images, result.views) == (4, 10)
    assert result.loss == pytest.approx(-np.log(want[np.arange(4), labels]).mean(), rel=1e-5)
    assert result.top1_error == (want.argmax(axis=1) != labels).mean()


def test_an_evaluation_in_parts_equals_that_of_all_images_at_once() -> None:
    net = Net(two_towers(), seed=1)
    images, labels = batch(150)
    probabilities = np.concatenate([net.predict(images[:75]), net.predict(images[75:])])
    result = net.evaluate(images, labels)
    own = probabilities[np.arange(150), labels].astype(np.float64)
    assert result.images == 150
    assert result.loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert result.top1_error == pytest.approx((probabilities.argmax(1) != labels).mean())
    assert result.top5_error == pytest.approx(0, abs=1e-12)


def test_the_accuracy_of_a_constant_predictor_is_one_over_the_number_of_classes() -> None:
    labels = np.arange(8, dtype=np.int32)
    sums = batch_sums(np.full((8, 1000), 1e-3), labels)
    assert sums.top1 / 8 == pytest.approx(1 / 1000) and sums.top5 / 8 == pytest.approx(5 / 1000)
    net = Net(two_towers(fc8={"weight_std": 0.0}))
    images, _ = batch(10)
    result = net.evaluate(images, np.arange(10) % CLASSES)
    assert result.top1_error == pytest.approx(1 - 1 / CLASSES)
    assert result.loss == pytest.approx(np.log(CLASSES))


def test_a_tied_label_counts_as_a_fraction() -> None:
    rows = np.array([[4.0, 3, 3, 3, 0, 0], [3, 3, 1, 0, 0, 0]]) / 10
    first = batch_sums(rows[:1], np.array([1], np.int32))
    assert (first.top1, first.top5) == (0.0, 1.0)
    second = batch_sums(rows[1:], np.array([0], np.int32))
    assert (second.top1, second.top5) == (0.5, 1.0)
    third = batch_sums(rows[1:], np.array([5], np.int32))
    assert (third.top1, third.top5) == (0.0, pytest.approx(2 / 3))


def test_parameters_are_read_and_written_as_arrays() -> None:
    net = Net(two_towers(), seed=1, devices=APART)
    assert list(net.params)[:2] == ["conv1.weight", "conv1.bias"] and len(net.params) == 14
    assert net.params["conv2.weight"].shape == (12, 4, 3, 3)
    assert net.params["fc6.weight"].shape == (16, 8 * 2 * 2)
    images, _ = batch(2)
    before = net.predict(images)
    value = net.params["fc8.bias"]
    value[2] += 1
    np.testing.assert_array_equal(net.predict(images), before)
    net.params["fc8.bias"] = value
    np.testing.assert_array_equal(net.params["fc8.bias"], value)
    assert (net.predict(images)[:, 2] > before[:, 2]).all()


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_parameters_can_be_set_to_numbers_of_any_type_and_layout(precision: str) -> None:
    net = Net(two_towers(), precision=precision)
    for value in (np.arange(8), np.arange(8, dtype=np.float32), np.arange(16.0)[::2] / 2):
        net.params["conv1.bias"] = value
        np.testing.assert_array_equal(net.params["conv1.bias"], np.arange(8))
    net.params["conv1.bias"] = [1.5] * 8  # type: ignore[assignment]
    assert (net.params["conv1.bias"] == 1.5).all()


def test_parameters_can_be_copied_to_another_net() -> None:
    images, _ = batch(2)
    one, two = Net(two_towers(), seed=1), Net(two_towers(), seed=2, devices=TOGETHER)
    assert not np.array_equal(one.predict(images), two.predict(images))
    two.params.update(one.params)
    np.testing.assert_allclose(one.predict(images), two.predict(images), rtol=1e-5)


def test_a_saved_net_can_be_loaded_from_its_file_alone(tmp_path: Path) -> None:
    images, labels = batch(6)
    net = Net(two_towers(), seed=4)
    net.preprocess, net.class_names = mean_image(), ("a", "b", "c", "d", "e")
    net.train_step(images, labels, lr=0.1)
    file = tmp_path / "net.safetensors"
    net.save(file)
    again = Net.load(file, threads=1)
    assert again.description == net.description
    assert (again.step, again.seed, again.class_names) == (1, 4, net.class_names)
    np.testing.assert_array_equal(again.predict(photos(2)), net.predict(photos(2)))
    # Momentum and dropout masks continue too.
    assert again.train_step(images, labels, lr=0.1) == net.train_step(images, labels, lr=0.1)
    for name, value in net.params.items():
        np.testing.assert_array_equal(again.params[name], value)


def test_a_saved_net_can_be_loaded_onto_two_devices(tmp_path: Path) -> None:
    net = Net(two_towers(), seed=4)
    net.save(tmp_path / "net.safetensors")
    two = Net.load(tmp_path / "net.safetensors", devices=list(APART))
    images, _ = batch(2)
    np.testing.assert_allclose(two.predict(images), net.predict(images), rtol=1e-5)


def test_several_threads_can_use_one_net() -> None:
    net = Net(two_towers(), seed=1)
    images, _ = batch(8)
    want = net.predict(images)
    results: list[Any] = []

    def predict() -> None:
        for _ in range(20):
            results.append(net.predict(images))

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    assert all(np.array_equal(result, want) for result in results)


def test_repr_shows_name_shape_classes_and_devices() -> None:
    assert repr(Net(two_towers(), devices="cpu:0")) == (
        "<Net tiny: 3 x 26 x 26 to 5 classes, on cpu:0>"
    )
