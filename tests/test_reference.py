"""The reference itself, held to identities and to published vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers import Array, assert_close, distinct, normals

WINDOWS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5, 6), {"kernel": 3}),
    ((1, 2, 7, 5), {"kernel": 3, "stride": 2, "pad": 1}),
    ((1, 1, 8, 6), {"kernel": 3, "stride": 2, "ceil": True}),
    ((1, 2, 2, 3), {"kernel": 5, "pad": 2}),
    ((2, 1, 5, 5), {"kernel": 2, "stride": 3}),
]


@pytest.mark.parametrize(("shape", "window"), WINDOWS)
def test_col2im_is_the_adjoint_of_im2col(shape: tuple[int, ...], window: dict[str, Any]) -> None:
    x = normals(shape)
    columns = reference.im2col(x, **window)
    y = normals(columns.shape, seed=1)
    folded = reference.col2im(y, shape, **window)
    assert (columns * y).sum() == pytest.approx((x * folded).sum(), rel=1e-12)


def test_folding_ones_counts_how_many_windows_cover_each_pixel() -> None:
    ones = np.ones((1, 1, 4, 5))
    columns = reference.im2col(ones, 3)
    covered = reference.col2im(columns, ones.shape, 3)
    down, across = np.array([1, 2, 2, 1]), np.array([1, 2, 3, 2, 1])
    np.testing.assert_array_equal(covered[0, 0], np.outer(down, across))


@pytest.mark.parametrize(("shape", "window"), WINDOWS)
def test_a_convolution_is_its_unrolled_matrix_product(
    shape: tuple[int, ...], window: dict[str, Any]
) -> None:
    x, rest = normals(shape), {k: v for k, v in window.items() if k != "kernel"}
    weight = normals((4, shape[1], window["kernel"], window["kernel"]), seed=1)
    want = reference.conv(x, weight, **rest)
    product = reference.im2col(x, **window) @ weight.reshape(4, -1).T  # (N, P, channels)
    assert_close(product.transpose(0, 2, 1).reshape(want.shape), want, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "weight", "rest"),
    [
        ((2, 2, 4, 5), (3, 2, 3, 2), {"pad": 1}),
        ((1, 4, 6, 5), (2, 2, 3, 3), {"stride": 2, "groups": 2, "ceil": True}),
    ],
)
def test_the_matrix_form_of_convolutions_gradient_is_the_numeric_one(
    shape: tuple[int, ...], weight: tuple[int, ...], rest: dict[str, Any]
) -> None:
    x, w = normals(shape), normals(weight, seed=1)
    dy = normals(reference.conv(x, w, **rest).shape, seed=2)
    bias = np.zeros(weight[0])
    dx, dw, db = reference.conv_backward(x, w, dy, **rest)
    numeric = reference.numeric_gradient
    assert_close(dx, numeric(lambda v: reference.conv(v, w, **rest), x, dy), rel=1e-8)
    assert_close(dw, numeric(lambda v: reference.conv(x, v, **rest), w, dy), rel=1e-8)
    assert_close(db, numeric(lambda v: reference.conv(x, w, v, **rest), bias, dy), rel=1e-8)


# The known answers published with Random123: counter and key of zeros, of ones, of pi's digits.
KNOWN = [
    ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], want: tuple[int, ...]
) -> None:
    assert reference.philox4x32(counter, key) == want


def test_the_ten_views_are_four_corners_and_the_centre_with_their_mirrors() -> None:
    image = np.zeros((1, 1, 8, 8))
    image[0, 0, 0, 0] = 10.0  # only the upper left corner's views see it

    def corner(view: Array) -> Array:
        return view[:, :, 0, 0] + 2 * view[:, :, 0, -1]

    assert reference.ten_view_average(corner, image, 6).item() == pytest.approx(10 * (1 + 2) / 10)


def test_the_reference_agrees_with_pytorch_where_pytorch_has_the_layer() -> None:
    torch = pytest.importorskip("torch", reason="the comparison needs PyTorch")
    f = torch.nn.functional
    x, weight, bias = normals((2, 6, 7, 8)), normals((4, 3, 3, 2), seed=1), normals((4,), seed=2)
    tx, tw, tb = torch.tensor(x), torch.tensor(weight), torch.tensor(bias)

    conv = reference.conv(x, weight, bias, stride=2, pad=1, groups=2)
    assert_close(conv, f.conv2d(tx, tw, tb, stride=2, padding=1, groups=2), rel=1e-12)
    lrn = reference.lrn(x, size=5, k=1.5, alpha=0.5, beta=0.75, alpha_mode="mean")
    assert_close(lrn, f.local_response_norm(tx, 5, alpha=0.5, beta=0.75, k=1.5), rel=1e-12)
    for ceil in (False, True):
        window: dict[str, Any] = {"size": 3, "stride": 2, "pad": 1, "ceil": ceil}
        pooled = f.max_pool2d(tx, 3, 2, 1, ceil_mode=ceil)
        assert_close(reference.max_pool(x, **window), pooled, rel=0)
        mean = f.avg_pool2d(tx, 3, 2, 1, ceil_mode=ceil, count_include_pad=False)
        assert_close(reference.avg_pool(x, **window), mean, rel=1e-12)
    labels = np.array([2, 5], np.int32)
    logits = torch.tensor(x[:, :, 0, 0])
    entropy = f.cross_entropy(logits, torch.tensor(labels).long(), reduction="none")
    assert_close(reference.cross_entropy(x[:, :, :1, :1], labels), entropy, rel=1e-12)


def test_distinct_values_are_far_apart() -> None:
    values = np.sort(distinct((2, 3, 5, 7)).ravel())
    assert np.diff(values).min() == 0.25
    assert np.abs(values).min() >= 0.125
