from __future__ import annotations

import numpy as np
import pytest
import reference
from helpers import BACKWARD, COMPUTE_FORWARD, Array, assert_close, held, normals, run_layer
from numpy.typing import NDArray


def labels_of(images: int, classes: int, seed: int = 0) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, classes, images).astype(np.int32)


@pytest.mark.parametrize(("images", "classes"), [(1, 1), (1, 2), (3, 7), (2, 1000), (5, 17)])
def test_softmax_gives_probabilities_loss_and_gradient(
    device: str, precision: str, images: int, classes: int
) -> None:
    x = held(3 * normals((images, classes, 1, 1)), precision)
    labels = labels_of(images, classes)
    scale = 1 / 8

    ran = run_layer(
        "softmax",
        {},
        [x],
        np.zeros_like(x),
        device=device,
        precision=precision,
        labels=labels,
        loss_scale=scale,
    )
    scores = ran.runner.saved(0).reshape(images, 3)

    def loss(v: Array) -> Array:
        return reference.cross_entropy(v, labels) * scale

    assert_close(ran.y, reference.softmax(x), COMPUTE_FORWARD[precision])
    assert_close(ran.y.sum(axis=1), np.ones((images, 1, 1)), COMPUTE_FORWARD[precision])
    if classes > 1:
        assert_close(scores[:, 0], reference.cross_entropy(x, labels), COMPUTE_FORWARD[precision])
        want_dx = reference.numeric_gradient(loss, x, np.ones(images))
        assert_close(ran.dx, want_dx, BACKWARD[precision])
    else:
        assert not scores[:, 0].any()
        assert not ran.dx.any()
    for n in range(images):
        for column, k in ((1, 1), (2, 5)):
            want = reference.credit(x[n].ravel(), int(labels[n]), k)
            assert scores[n, column] == pytest.approx(want, rel=1e-6)


def test_large_logits_neither_overflow_nor_lose_the_loss(device: str, precision: str) -> None:
    low = -128 if precision == "bf16" else -5000  # and 1 less: bfloat16 has eight bits
    x = np.array([[1000, 0, -1000], [low, low - 1, -9216]], float).reshape(2, 3, 1, 1)
    labels = np.array([1, 1], np.int32)
    ran = run_layer("softmax", {}, [x], device=device, precision=precision, labels=labels)
    assert_close(
        ran.y.reshape(2, 3), reference.softmax(x).reshape(2, 3), COMPUTE_FORWARD[precision]
    )
    scores = ran.runner.saved(0).reshape(2, 3)
    assert_close(scores[0, 0], 1000.0, COMPUTE_FORWARD[precision])
    assert_close(scores[1, 0], np.log1p(np.e), COMPUTE_FORWARD[precision])


@pytest.mark.parametrize("classes", [10, 1000])
def test_a_constant_predictor_scores_exactly_one_and_five_in_classes(
    device: str, precision: str, classes: int
) -> None:
    x = np.full((classes, classes, 1, 1), 0.37)
    labels = np.arange(classes, dtype=np.int32)
    ran = run_layer("softmax", {}, [x], device=device, precision=precision, labels=labels)
    scores = ran.runner.saved(0).reshape(classes, 3)
    number = np.float64 if precision == "fp64" else np.float32
    assert set(scores[:, 1]) == {number(1) / number(classes)}
    assert set(scores[:, 2]) == {number(5) / number(classes)}
    assert_close(scores[:, 0], np.full(classes, np.log(classes)), COMPUTE_FORWARD[precision])


@pytest.mark.parametrize(
    ("logits", "label", "top1", "top5"),
    [
        ([3, 1, 1, 0, 0, 0, 0], 0, 1, 1),
        ([3, 1, 1, 0, 0, 0, 0], 1, 0, 1),
        ([3, 1, 1, 0, 0, 0, 0], 3, 0, 2 / 4),  # three greater, four share two ranks
        ([2, 2, 1, 0, 0, 0, 0], 1, 1 / 2, 1),
        ([6, 5, 4, 3, 2, 1, 0], 4, 0, 1),
        ([6, 5, 4, 3, 2, 1, 0], 5, 0, 0),
        ([5, 4, 3, 2, 1, 1, 1], 6, 0, 1 / 3),
    ],
)
def test_ties_share_the_remaining_ranks(
    device: str, logits: list[float], label: int, top1: float, top5: float
) -> None:
    x = np.array(logits, float).reshape(1, 7, 1, 1)
    labels = np.array([label], np.int32)
    ran = run_layer("softmax", {}, [x], device=device, precision="fp64", labels=labels)
    assert ran.runner.saved(0).ravel()[1:] == pytest.approx([top1, top5])


@pytest.mark.parametrize("at", [0, 1, 6])
@pytest.mark.parametrize("label", [0, 1, 3])
def test_an_image_with_a_nan_has_accuracy_0_and_a_nan_loss(
    device: str, at: int, label: int
) -> None:
    x = np.arange(14.0).reshape(2, 7, 1, 1)
    x[0, at] = np.nan
    labels = np.array([label, 6], np.int32)
    ran = run_layer("softmax", {}, [x], device=device, labels=labels)
    scores = ran.runner.saved(0).reshape(2, 3)
    assert np.isnan(scores[0, 0])
    assert scores[0, 1:].tolist() == [0, 0]
    assert scores[1, 1:].tolist() == [1, 1]


def test_softmax_over_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one value per class, got 1x4x2x3: add a dense layer"):
        run_layer("softmax", {}, [normals((1, 4, 2, 3))])


def test_the_backward_pass_without_labels_is_refused() -> None:
    x = normals((1, 4, 1, 1))
    with pytest.raises(ValueError, match="the backward pass needs labels"):
        run_layer("softmax", {}, [x], x)
