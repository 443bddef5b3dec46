"""JPEGs by simplejpeg and by Pillow alone: the same pixels, notes and reasons."""

from __future__ import annotations

import importlib.util
import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from alexnet_native.data import jpeg
from alexnet_native.data.decode import Damaged, Picture, decode
from numpy.typing import NDArray
from PIL import Image, ImageFile

WITHOUT_SCALING = 10**6  # a target so large that nothing is decoded at a fraction
SIZES = [(1, 1), (8, 9), (17, 16), (65, 67), (33, 129), (257, 191), (600, 1)]
needs_simplejpeg = pytest.mark.skipif(
    importlib.util.find_spec("simplejpeg") is None,
    reason="compares with simplejpeg: pip install simplejpeg",
)


@pytest.fixture(autouse=True)
def room_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 22)  # Pillow's writer needs it for noise


def encoded(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def pictures(width: int, height: int) -> Iterator[Image.Image]:
    """Noise, in which every kind of clipping occurs, and soft colors as in photographs."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    noise = Image.fromarray(pixels)
    yield noise
    small = noise.resize((max(1, width // 8), max(1, height // 8)))
    yield small.resize((width, height), Image.Resampling.BICUBIC)


def by_pillow(data: bytes, size: int, monkeypatch: pytest.MonkeyPatch) -> Picture:
    with monkeypatch.context() as patch:
        patch.setattr(jpeg, "simplejpeg", None)
        return decode(data, size)


def require_equal(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the full size and at every fraction that `decode` may use."""
    shorter = min(Image.open(io.BytesIO(data)).size)
    for factor in (1, 2, 4, 8):
        target = max(1, shorter // (4 * factor)) if factor > 1 else WITHOUT_SCALING
        want, got = decode(data, target), by_pillow(data, target, monkeypatch)
        np.testing.assert_array_equal(got.pixels, want.pixels)
        assert (got.size, got.format, got.conversions) == (
            want.size, want.format, want.conversions,
        )  # fmt: skip


@needs_simplejpeg
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_both_decoders_give_the_same_pixels(
    width: int, height: int, subsampling: str, progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for image in pictures(width, height):
        for options in ({}, {"quality": 30, "restart_marker_blocks": 3}, {"quality": 100}):
            data = encoded(image, subsampling=subsampling, progressive=progressive, **options)
            require_equal(data, monkeypatch)


@needs_simplejpeg
def test_decoding_at_a_fraction_is_compared() -> None:
    data = encoded(next(pictures(257, 191)))
    shapes = [decode(data, 191 // (4 * f)).pixels.shape[:2] for f in (2, 4, 8)]
    assert shapes == [(96, 129), (48, 65), (24, 33)]


@needs_simplejpeg
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("mode", ["L", "RGB kept", "CMYK"])
def test_other_color_spaces_are_the_same(
    mode: str, progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width, height in ((65, 67), (257, 191)):
        for image in pictures(width, height):
            options = {"keep_rgb": True} if mode == "RGB kept" else {}
            converted = image.convert(mode.split()[0])
            require_equal(encoded(converted, progressive=progressive, **options), monkeypatch)


@needs_simplejpeg
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_pictures_are_the_same(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for image in pictures(65, 40):
        require_equal(encoded(image, exif=exif), monkeypatch)


def outcome(data: bytes, **how: Any) -> tuple[str, str, NDArray[np.uint8] | None]:
    """Kind and reason of a refused file, or the pixels of an accepted one."""
    try:
        picture = by_pillow(data, 64, **how) if how else decode(data, 64)
    except Damaged as damage:
        return damage.kind, str(damage), None
    stray = any(kind == "stray bytes" for kind, _ in picture.conversions)
    return "stray bytes" if stray else "", "", picture.pixels


def not_strict(data: bytes, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """Decoded by simplejpeg, but files with warnings of libjpeg are not refused."""
    original = jpeg.simplejpeg.decode_jpeg
    with monkeypatch.context() as patch:
        patch.setattr(
            jpeg.simplejpeg, "decode_jpeg",
            lambda *words, **options: original(*words, **{**options, "strict": False}),
        )  # fmt: skip
        return decode(data, 64).pixels


def damaged(count: int) -> Iterator[bytes]:
    rng = np.random.default_rng(7)
    [noise, soft] = pictures(80, 72)
    whole = [
        encoded(noise), encoded(soft), encoded(soft, progressive=True), encoded(soft.convert("L")),
        encoded(noise, restart_marker_blocks=2),
    ]  # fmt: skip
    for number in range(count):
        data = bytearray(whole[number % len(whole)])
        if number % 4 == 0:
            data = data[: rng.integers(3, len(data))]
        else:
            for _ in range(rng.integers(1, 4)):
                reach = len(data) if rng.random() < 0.6 else min(len(data), 700)
                data[rng.integers(reach)] = rng.integers(256)
        yield bytes(data)


@needs_simplejpeg
def test_pillow_accepts_only_damaged_files_for_which_libjpeg_gives_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Pillow's decoder does not report libjpeg's warnings. Therefore this test only requires that no
    # other files are refused, that accepted files have libjpeg's pixels, and that only warnings are
    # overlooked.
    overlooked, refused = [], 0
    for data in damaged(1000):
        kind, reason, want = outcome(data)
        kind_by_pillow, reason_by_pillow, got = outcome(data, monkeypatch=monkeypatch)
        if want is not None:
            assert got is not None, reason_by_pillow
            np.testing.assert_array_equal(got, want)
        elif got is None:
            refused += 1
            # Pillow may wait for more data of a file in which libjpeg has found an error.
            assert kind_by_pillow in (kind, "cut off"), reason
        else:
            overlooked.append(reason)
            np.testing.assert_array_equal(got, not_strict(data, monkeypatch))
    assert refused > 400 and len(overlooked) > 100
    warned = ("Corrupt JPEG data", "Invalid SOS parameters", "Inconsistent progression")
    assert [reason for reason in overlooked if not reason.startswith(warned)] == []


@needs_simplejpeg
def test_every_truncation_is_detected_with_the_same_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [_, image] = pictures(40, 40)
    data = encoded(image)
    for length in range(1, len(data)):
        kind, reason, pixels = outcome(data[:length], monkeypatch=monkeypatch)
        assert pixels is None and (kind, reason) == outcome(data[:length])[:2], length


def test_every_truncation_of_a_progressive_file_is_detected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In a cut between two scans simplejpeg may find damage: it appends an end that makes no table.
    [_, image] = pictures(40, 40)
    data = encoded(image, progressive=True)
    for length in range(data.index(b"\xff\xda") + 14, len(data)):
        cut = outcome(data[:length], monkeypatch=monkeypatch)
        assert cut == ("cut off", "Premature end of JPEG file", None), length


def test_a_missing_end_is_detected_also_after_the_last_pixel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(next(pictures(40, 40)))[:-2] + bytes(5000)
    assert outcome(data, monkeypatch=monkeypatch)[0] == "cut off"


def test_a_damaged_exif_block_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    block = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"  # its directory ends in the middle
    whole = encoded(next(pictures(40, 40)))
    segment = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    want = by_pillow(whole, 64, monkeypatch)
    got = by_pillow(whole[:2] + segment + whole[2:], 64, monkeypatch)
    np.testing.assert_array_equal(got.pixels, want.pixels)


def test_a_missing_simplejpeg_is_reported_once_for_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    monkeypatch.setattr(jpeg._slower, "_said", False)
    data = encoded(next(pictures(40, 40)))
    together = threading.Barrier(8)

    def read() -> None:
        together.wait()
        for _ in range(5):
            decode(data, 8)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("alexnet-native: warning: simplejpeg is not installed")
    assert line.endswith("pip install simplejpeg")


def test_a_prepared_set_names_the_decoder_of_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert jpeg.decoders().startswith("Pillow ")
