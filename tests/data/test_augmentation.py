from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from alexnet_native.data.augment import Augmentation, Augmenter
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import ConfigError, DataError
from augmented import augmented
from data_files import pixels
from numpy.typing import NDArray

H, W = 9, 11
PLAIN = Augmentation(crop=(H, W), mirror=False, random_crop=False, color_std=0, mean="none")


def some_statistics(channels: int = 3) -> Statistics:
    rng = np.random.default_rng(11)
    vectors = np.linalg.qr(rng.normal(size=(channels, channels)))[0]
    return Statistics(
        mean=rng.uniform(80, 150, (channels, H, W)).astype(np.float32),
        pca_std=np.array([4.0, 15.0, 70.0][:channels], np.float32),
        pca_vectors=np.ascontiguousarray(vectors, np.float32),
    )


def by_hand(
    images: NDArray[np.uint8], augmenter: Augmenter, a: Augmentation, epoch: int, first: int
) -> NDArray[np.float64]:
    """The formula of the paper's section 4.1 on the numbers that the augmenter draws."""
    offsets, mirror, color = augmenter.draw(len(images), epoch=epoch, first=first)
    mean = some_statistics(images.shape[3]).mean.astype(np.float64)
    (h, w), out = a.crop, []
    for i, image in enumerate(images.astype(np.float64).transpose(0, 3, 1, 2)):
        y, x = offsets[i]
        window = image[:, y : y + h, x : x + w]
        matched = a.mean == "matched" or (a.mean == "centre" and a.crop == (H, W))
        if matched:  # the mean belongs to the pixel and is mirrored with it
            window = window - mean[:, y : y + h, x : x + w]
        if mirror[i]:
            window = window[:, :, ::-1]
        if (
            a.mean == "centre" and not matched
        ):  # the 2012 source: the same mean for every crop, not mirrored
            y, x = (H - h) // 2, (W - w) // 2
            window = window - mean[:, y : y + h, x : x + w]
        if color is not None:
            window = window + color[i].astype(np.float64)[:, None, None]
            window = window / a.color_divisor
        out.append(a.scale * window)
    return np.array(out)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"mirror": True},
        {"random_crop": True, "crop": (4, 7)},
        {"mean": "matched", "mirror": True},
        {"mean": "centre", "mirror": True},
        {"mean": "matched", "crop": (5, 6), "random_crop": True, "mirror": True},
        {"mean": "centre", "crop": (5, 6), "random_crop": True, "mirror": True},
        {"color_std": 0.1},
        {"scale": 1 / 58},
        {"color_std": 0.1, "color_divisor": 1.1},
        {"color_std": 0.1, "color_divisor": 1.1, "color_off": 2},
        {
            "mean": "centre",
            "crop": (6, 6),
            "random_crop": True,
            "mirror": True,
            "color_std": 0.1,
            "scale": 0.5,
        },
    ],
)
def test_pixels_equal_the_formula(change: dict[str, Any], channels: int) -> None:
    a = replace(PLAIN, **change)
    images = pixels((13, H, W, channels), seed=4)
    augmenter = Augmenter(a, images.shape[1:], some_statistics(channels), seed=3)
    got = augmented(images, augmenter, a, epoch=2, first=7)
    want = by_hand(images, augmenter, a, epoch=2, first=7)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


def test_color_noise_and_its_divisor_end_after_the_configured_epoch() -> None:
    images = pixels((6, H, W, 3), seed=4)
    endless = replace(PLAIN, color_std=0.1, color_divisor=1.1)
    ending = replace(endless, color_off=2)

    def pixels_of(a: Augmentation, epoch: int) -> NDArray[np.float32]:
        augmenter = Augmenter(a, (H, W, 3), some_statistics(), seed=3)
        return augmented(images, augmenter, a, epoch, first=0)

    for epoch in range(4):
        want = endless if epoch < 2 else PLAIN
        np.testing.assert_array_equal(pixels_of(ending, epoch), pixels_of(want, epoch))


def test_draws_depend_on_the_position_in_the_epoch_and_not_on_the_batch() -> None:
    a = Augmentation(crop=(4, 5))
    images = pixels((12, H, W, 3))
    augmenter = Augmenter(a, (H, W, 3), some_statistics(), seed=9)
    whole = augmented(images, augmenter, a, epoch=1, first=5)
    for cut in (1, 4, 7):
        joined = [
            augmented(images[:cut], augmenter, a, epoch=1, first=5, threads=2),
            augmented(images[cut:], augmenter, a, epoch=1, first=5 + cut, threads=2),
        ]
        np.testing.assert_array_equal(np.concatenate(joined), whole)


def test_seed_and_epoch_change_every_kind_of_draw() -> None:
    a = Augmentation(crop=(4, 5))
    draws = [
        Augmenter(a, (H, W, 3), some_statistics(), seed=seed).draw(200, epoch=epoch, first=0)
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    for other in draws[1:]:
        for one, two in zip(draws[0], other, strict=True):
            assert one is not None and two is not None
            assert (one != two).mean() > 0.3


@pytest.mark.parametrize(("offsets", "last"), [("inclusive", 32), ("exclusive", 31)])
def test_crops_of_224_in_256_take_every_allowed_offset(offsets: Any, last: int) -> None:
    a = replace(PLAIN, crop=(224, 224), random_crop=True, offsets=offsets)
    drawn, _, _ = Augmenter(a, (256, 256, 3), None, seed=0).draw(20_000, epoch=0, first=0)
    for axis in (0, 1):
        assert sorted(set(drawn[:, axis].tolist())) == list(range(last + 1))
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03


@pytest.mark.parametrize("offsets", ["inclusive", "exclusive"])
def test_a_crop_of_the_whole_image_has_one_offset(offsets: Any) -> None:
    a = replace(PLAIN, random_crop=True, offsets=offsets)
    drawn, _, _ = Augmenter(a, (H, W, 3), None, seed=0).draw(50, epoch=0, first=0)
    assert not drawn.any()


def test_half_of_the_images_are_mirrored() -> None:
    a = replace(PLAIN, mirror=True)
    _, mirror, _ = Augmenter(a, (H, W, 3), None, seed=0).draw(40_000, epoch=0, first=0)
    assert set(mirror.tolist()) == {0, 1}
    assert abs(mirror.mean() - 0.5) < 0.01


@pytest.mark.parametrize(("axes", "power"), [("sqrt", 1), ("eigenvalue", 2)])
def test_color_shifts_have_the_spread_of_the_components(axes: Any, power: int) -> None:
    a = replace(PLAIN, color_std=0.1, color_axes=axes)
    s = some_statistics()
    _, _, color = Augmenter(a, (H, W, 3), s, seed=0).draw(40_000, epoch=0, first=0)
    assert color is not None
    along = color @ s.pca_vectors.T  # the shift along each component
    want = 0.1 * s.pca_std.astype(np.float64) ** power
    np.testing.assert_allclose(along.std(axis=0), want, rtol=0.02)
    assert np.abs(along.mean(axis=0) / want).max() < 0.02
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.02


@pytest.mark.parametrize(
    ("change", "shape", "words"),
    [
        ({"crop": (224, 224)}, (32, 32, 3), ["224 x 224", "32 x 32"]),
        ({"crop": (H, W + 1)}, (H, W, 3), [f"{H} x {W + 1}"]),
        ({"crop": (0, 5)}, (H, W, 3), ["crop is (0, 5)"]),
        ({"mean": "median"}, (H, W, 3), ["median", "matched", "centre"]),
        ({"color_axes": "cube"}, (H, W, 3), ["cube", "sqrt or eigenvalue"]),
        ({"offsets": "none"}, (H, W, 3), ["offsets", "inclusive"]),
        ({"color_std": -0.1}, (H, W, 3), ["color_std is -0.1"]),
        ({"mean": "matched"}, (H, W, 1), [f"{H} x {W} x 3", f"{H} x {W} x 1"]),
    ],
)
def test_invalid_settings_are_reported(
    change: dict[str, Any], shape: tuple[int, int, int], words: list[str]
) -> None:
    with pytest.raises((ConfigError, DataError)) as caught:
        Augmenter(replace(PLAIN, **change), shape, some_statistics(), seed=0)
    assert [word for word in words if word not in str(caught.value)] == [], caught.value


@pytest.mark.parametrize("change", [{"mean": "matched"}, {"color_std": 0.1}])
def test_mean_and_color_need_statistics(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="need the statistics"):
        Augmenter(replace(PLAIN, **change), (H, W, 3), None, seed=0)


def ten_windows(image: NDArray[np.float64], h: int, w: int) -> list[NDArray[np.float64]]:
    """Corners and centre, then the same mirrored (paper, section 4.1), of one (C, H, W)."""
    b, r = H - h, W - w
    places = [(0, 0), (0, r), (b // 2, r // 2), (b, 0), (b, r)]
    plain = [image[:, y : y + h, x : x + w] for y, x in places]
    return plain + [window[:, :, ::-1] for window in plain]


@pytest.mark.parametrize("count", [1, 2, 35])
def test_ten_views_are_corners_and_centre_plain_and_mirrored(count: int) -> None:
    images = pixels((count, H, W, 3))
    s = some_statistics()
    got = Preprocess(s, (5, 8), scale=0.25).views(images, 10)
    minus_mean = images.astype(np.float64).transpose(0, 3, 1, 2) - s.mean
    want = 0.25 * np.array([view for image in minus_mean for view in ten_windows(image, 5, 8)])
    assert got.shape == (10 * count, 3, 5, 8)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


def test_the_central_mean_is_the_same_for_all_ten_views() -> None:
    images = pixels((2, H, W, 3))
    s = some_statistics()
    got = Preprocess(s, (5, 7), mean="centre").views(images, 10)
    mean = s.mean[:, 2:7, 2:9]
    raw = images.astype(np.float64).transpose(0, 3, 1, 2)
    want = np.array([view - mean for image in raw for view in ten_windows(image, 5, 7)])
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize("mean", ["matched", "centre"])
def test_the_test_view_is_the_central_window(mean: Any) -> None:
    images = pixels((3, H, W, 3))
    preprocess = Preprocess(some_statistics(), (5, 8), mean=mean)
    got = preprocess.views(images)
    np.testing.assert_array_equal(got, preprocess.views(images, 10)[2::10])
    want = (images.astype(np.float64).transpose(0, 3, 1, 2) - some_statistics().mean)[
        :, :, 2:7, 1:9
    ]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "views", "words"),
    [
        (pixels((2, H, W, 3)), 5, ["views is 5"]),
        (pixels((2, H, W, 1)), 1, [f"{H}, {W}, 3"]),
        (pixels((H, W, 3)), 1, ["(N, 9, 11, 3)"]),
        (np.zeros((2, H, W, 3)), 1, ["float64"]),
    ],
)
def test_images_that_do_not_match_the_network_are_refused(
    images: Any, views: int, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        Preprocess(some_statistics(), (5, 8)).views(images, views)
    assert [word for word in words if word not in str(caught.value)] == [], caught.value
