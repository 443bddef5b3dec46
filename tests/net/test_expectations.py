"""What users of other libraries expect of a network, and report as a bug where it is not so."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from alexnet_native import Net
from tiny_nets import CLASSES, INPUT, batch, photos, two_towers

STATUS = Path("/proc/self/status")


@pytest.mark.parametrize("views", [1, 10])
def test_an_image_gives_the_same_alone_and_in_any_batch(views: int) -> None:
    net = Net(two_towers(), seed=1)
    images = photos(200)
    alone = net.predict(images[:1], views=views)
    for count in (2, 3, 7, 64, 128, 129, 200):
        together = net.predict(images[:count], views=views)
        assert together.shape == (count, CLASSES)
        np.testing.assert_allclose(together[:1], alone, rtol=0, atol=1e-6)


def test_predict_and_evaluate_use_the_same_probabilities() -> None:
    net = Net(two_towers(), seed=1)
    images = photos(150)
    labels = np.arange(150) % CLASSES
    for views in (1, 10):
        p = net.predict(images, views=views)
        found = net.evaluate(images, labels, views=views)
        own = p[np.arange(150), labels].astype(np.float64)
        assert found.loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
        assert found.top1_error == pytest.approx((p.argmax(axis=1) != labels).mean())
        assert found.top5_error == 0  # of five classes


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_the_top_5_error_of_fewer_than_five_classes_is_0(classes: int) -> None:
    net = Net(two_towers(), classes=classes)
    images, labels = photos(6), np.arange(6) % classes
    for views in (1, 10):
        assert net.evaluate(images, labels, views=views).top5_error == 0


def test_arrays_that_cannot_be_written_are_accepted_and_unchanged(tmp_path: Path) -> None:
    images, labels = photos(12), np.arange(12) % CLASSES
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels.astype(">i8"))
    floats, _ = batch(12)
    frozen = floats.copy()
    frozen.setflags(write=False)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.load(tmp_path / "y.npy", mmap_mode="r")
    nets = Net(two_towers(), seed=1), Net(two_towers(), seed=1)
    for net, pairs in zip(nets, ([(x, y), (frozen, y)], [(images, labels), (floats, labels)]),
                          strict=True):  # fmt: skip
        for some in pairs:
            net.train_step(*some, lr=0.01)
            net.evaluate(*some)
    for name, value in nets[0].params.items():
        assert np.array_equal(value, nets[1].params[name])
    assert np.array_equal(nets[0].predict(x[::-1]), nets[1].predict(images[::-1].copy()))
    assert np.array_equal(frozen, floats)


def test_features_before_an_activation_are_not_those_after_it() -> None:
    net = Net(two_towers(), seed=2)
    images = photos(3)
    for before, after in (("conv1", "relu1"), ("conv2", "relu2"), ("conv3", "relu3"),
                          ("conv4", "relu4"), ("fc6", "relu6"), ("fc7", "relu7")):  # fmt: skip
        plain, positive = net.features(images, before), net.features(images, after)
        assert plain.min() < 0
        assert np.array_equal(np.maximum(plain, 0), positive)


def test_channel_0_of_the_first_filters_is_red() -> None:
    net = Net(two_towers(), seed=0)
    filters = net.params["conv1.weight"]
    assert filters.shape == (8, 3, 5, 5)
    for channel in range(3):
        weight = np.zeros_like(filters)
        weight[:, channel] = 1
        net.params["conv1.weight"] = weight
        answers = []
        for color in range(3):
            image = np.zeros((1, *INPUT[1:], 3), np.uint8)
            image[..., color] = 255
            answers.append(net.features(image, "conv1").mean())
        assert np.argmax(answers) == channel


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not list a process's threads")
def test_threads_do_not_accumulate_with_networks() -> None:
    def threads() -> int:
        gc.collect()
        [line] = (x for x in STATUS.read_text().splitlines() if x.startswith("Threads:"))
        return int(line.split()[1])

    images, labels = batch(9)
    counts = []
    for seed in range(12):
        net = Net(two_towers(), seed=seed)
        net.train_step(images, labels, lr=0.001)
        net.predict(images[: seed % 9 + 1])
        counts.append(threads())
    assert counts[-1] <= counts[2]
