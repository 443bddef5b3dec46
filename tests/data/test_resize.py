"""The native resize, against its formula in float64 and against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from alexnet_native import _core
from alexnet_native.data.images import fit
from data_files import pixels
from numpy.typing import NDArray
from PIL import Image

# height and width: landscape, portrait, square, much larger, smaller, a line, a point
FROM = [(375, 500), (500, 375), (300, 300), (1201, 903), (100, 77), (9, 64), (1, 40), (1, 1)]
TO = [(64, 64), (64, 48), (33, 65)]


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Soft shapes, hard edges and noise."""
    y, x = np.mgrid[:height, :width].astype(float)
    planes = [
        127 + 120 * np.sin(x / 9 + y / 31),
        255.0 * ((x // 13 + y // 7) % 2),
        pixels((height, width), seed=height).astype(float),
    ]
    return np.rint(np.stack(planes, axis=2)).astype(np.uint8)


def weights(inputs: int, outputs: int, scale: float) -> NDArray[np.float64]:
    """(outputs, inputs): the formula of cpp/images/resize.h."""
    margin = (inputs - scale * outputs) / 2
    centre = margin + (np.arange(outputs) + 0.5) * scale
    t = np.abs(np.arange(inputs) + 0.5 - centre[:, None]) / max(scale, 1.0)
    near = 1 - 2.5 * t**2 + 1.5 * t**3
    far = 2 - 4 * t + 2.5 * t**2 - 0.5 * t**3
    cubic = np.where(t < 1, near, np.where(t < 2, far, 0.0))
    w = np.maximum(1 - t, 0) if scale > 1 else cubic
    return w / w.sum(axis=1, keepdims=True)


def reference(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    scale = min(image.shape[1] / width, image.shape[0] / height)
    across, down = weights(image.shape[1], width, scale), weights(image.shape[0], height, scale)
    rows = np.clip(np.einsum("xi,jic->jxc", across, image.astype(np.float64)), 0, 255)
    return np.clip(np.einsum("yj,jxc->yxc", down, rows), 0, 255)


@pytest.mark.parametrize("size", TO)
@pytest.mark.parametrize("shape", FROM)
def test_resize_is_its_formula_rounded(shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = picture(*shape)
    got = fit(image, np.empty((*size, 3), np.uint8))
    # Half a level for rounding; 1e-3 for float32 sums of up to several hundred terms of 255.
    assert np.abs(got - reference(image, *size)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", TO)
@pytest.mark.parametrize("shape", FROM)
def test_resize_is_within_a_grey_level_of_pillow(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    image = picture(*shape)
    scale = min(shape[1] / size[1], shape[0] / size[0])
    left, top = (shape[1] - scale * size[1]) / 2, (shape[0] - scale * size[0]) / 2
    want = np.asarray(
        Image.fromarray(image).resize(
            (size[1], size[0]),
            Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.BICUBIC,
            (left, top, left + scale * size[1], top + scale * size[0]),
        )
    )
    got = fit(image, np.empty((*size, 3), np.uint8))
    assert np.abs(got.astype(int) - want).max() <= 1


def test_views_of_a_picture_are_resized_like_copies() -> None:
    image = picture(90, 70)
    out = np.empty((32, 32, 3), np.uint8)
    got = fit(image[::-1, ::2], out).copy()
    np.testing.assert_array_equal(got, fit(image[::-1, ::2].copy(), out))


@pytest.mark.parametrize(
    ("image", "out", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8), "must be uint8"),
        (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8), "must be uint8"),
        (
            np.zeros((0, 4, 3), np.uint8),
            np.zeros((4, 4, 3), np.uint8),
            "0x4 pixels cannot be resized",
        ),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 0, 3), np.uint8), "to 4x0"),
    ],
)
def test_invalid_shapes_are_refused(
    image: NDArray[np.uint8], out: NDArray[np.uint8], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _core.resize_cover(image, out)


@pytest.mark.parametrize("shape", [(3, 5, 7, 3), (300, 2, 3, 1), (2, 70, 70, 4), (0, 2, 2, 3)])
def test_moments_are_exact_integer_sums(shape: tuple[int, ...]) -> None:
    images = pixels(shape, seed=4)
    channels = shape[3]
    sums = np.ones(shape[1:], np.uint64)
    products = np.ones((channels, channels), np.uint64)
    _core.add_moments(images, sums, products)
    planes = images.reshape(-1, channels).astype(np.uint64)
    np.testing.assert_array_equal(sums, 1 + images.sum(axis=0, dtype=np.uint64))
    np.testing.assert_array_equal(products, 1 + planes.T @ planes)


@pytest.mark.parametrize(
    ("sums", "products", "message"),
    [((5, 7, 1), (3, 3), "sums must be"), ((5, 7, 3), (3, 1), "products must be")],
)
def test_moments_of_other_shapes_are_refused(
    sums: tuple[int, ...], products: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _core.add_moments(
            pixels((2, 5, 7, 3)), np.zeros(sums, np.uint64), np.zeros(products, np.uint64)
        )
