from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import ArraySource
from alexnet_native.data.augment import Augmentation, color_axes
from alexnet_native.data.statistics import Statistics, statistics
from alexnet_native.errors import DataError
from data_files import pixels


def source_of(images: np.ndarray) -> ArraySource:
    return ArraySource(images, np.zeros(len(images), int))


def tinted(count: int = 37) -> np.ndarray:
    """Correlated channels of different spread, so that the components are distinct."""
    rng = np.random.default_rng(5)
    mix = np.array([[50.0, 20, 5], [0, 25, 10], [0, 0, 12]])
    x = 120 + rng.normal(size=(count, 11, 7, 3)) @ mix + np.arange(7)[:, None]
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def test_the_mean_image_is_the_float64_mean_of_the_images() -> None:
    images = tinted()
    want = images.astype(np.float64).mean(axis=0).transpose(2, 0, 1)
    got = statistics(source_of(images)).mean
    assert got.dtype == np.float32 and got.shape == (3, 11, 7)
    np.testing.assert_allclose(got, want, rtol=1e-7)


def test_the_components_are_those_of_the_covariance_of_all_pixels() -> None:
    images = tinted()
    covariance = np.cov(images.reshape(-1, 3).T.astype(np.float64), bias=True)
    got = statistics(source_of(images))
    std, vectors = got.pca_std.astype(np.float64), got.pca_vectors.astype(np.float64)
    assert (np.diff(std) > 0).all()
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(
        vectors.T @ np.diag(std**2) @ vectors, covariance, atol=1e-6 * covariance.max()
    )
    for row in vectors:
        assert row[np.abs(row).argmax()] > 0


def test_statistics_do_not_depend_on_how_images_are_gathered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = tinted()
    want = statistics(source_of(images))
    monkeypatch.setattr("alexnet_native.data.statistics._BLOCK_BYTES", 4 * 11 * 7 * 3)
    got = statistics(source_of(images))
    for field in ("mean", "pca_std", "pca_vectors"):
        np.testing.assert_array_equal(getattr(got, field), getattr(want, field))


def test_one_channel_has_one_component_the_spread_of_brightness() -> None:
    images = pixels((9, 8, 8))
    got = statistics(source_of(images))
    np.testing.assert_allclose(got.pca_std, [images.astype(np.float64).std()], rtol=1e-6)
    assert got.pca_vectors.tolist() == [[1.0]]


def test_images_of_one_color_have_no_spread() -> None:
    got = statistics(source_of(np.full((3, 5, 5, 3), 255, np.uint8)))
    assert got.pca_std.tolist() == [0, 0, 0]
    assert (got.mean == 255).all()


def test_statistics_of_an_empty_set_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        statistics(source_of(np.zeros((0, 5, 5, 3), np.uint8)))


def shipped(shared: Path) -> Statistics:
    """ImageNet's components: row 1 deviations, rows 2 to 4 a matrix of column vectors."""
    file = shared / "data" / "models" / "imagenet-stats" / "color_pca.txt"
    if not file.is_file():
        pytest.skip(f"no {file}")
    table = np.loadtxt(file)
    return Statistics(
        mean=np.zeros((3, 8, 8), np.float32),
        pca_std=table[0].astype(np.float32),
        pca_vectors=np.ascontiguousarray(table[1:].T, np.float32),
    )


def test_imagenet_components_give_the_known_noise_of_about_7_levels(shared: Path) -> None:
    axes = color_axes(shipped(shared), Augmentation(crop=(8, 8)))
    deviation = np.sqrt((axes**2).sum(axis=0))
    np.testing.assert_allclose(deviation, [7.40, 7.20, 7.70], atol=0.005)


def test_the_eigenvalue_reading_gives_a_deviation_of_1483_levels(shared: Path) -> None:
    settings = Augmentation(crop=(8, 8), color_axes="eigenvalue")
    lengths = np.sqrt((color_axes(shipped(shared), settings) ** 2).sum(axis=1))
    np.testing.assert_allclose(lengths[2], 1483.05, atol=0.5)  # 0.1 * 121.78^2
